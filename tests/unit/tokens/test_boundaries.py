"""Cuts are found where they are safe, and nowhere else."""

import pytest

from gateway.tokens.boundaries import LOOK_BACK_CHARS, last_boundary, pieces


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("hello world", 5),
        ("foo(bar", 3),
        ("你好。世界", 2),
        ("one\ntwo", 3),
        ("abc123", 3),
        ("123abc", 3),
        ("!!! wow", 3),
        ("a b c", 3),
    ],
)
def test_the_last_safe_place_is_found(text, cut):
    assert cut == last_boundary(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "word",
        # `'s` belongs to the word before it.
        "it's",
        # Punctuation takes the line break and a letter with it.
        "!\nx",
        "(x",
        # White space splits by what follows it.
        "   \n  ",
        # An underscore is punctuation, though Python calls it a word character.
        "_.",
        # A combining mark belongs to its letter.
        "e\u0301",
    ],
)
def test_no_place_is_taken_where_a_cut_could_change_tokens(text):
    assert last_boundary(text) == 0


def test_a_boundary_is_only_looked_for_between_start_and_end():
    assert last_boundary("aa bb cc dd", 3, 6) == 5
    assert last_boundary("aa bb cc dd", 3, 5) == 3


def test_pieces_join_to_the_text_and_stay_within_their_size():
    text = "some words and more " * 1_000

    cut = list(pieces(text, chars_max=64))

    assert text == "".join(cut)
    assert max(map(len, cut)) <= 64
    assert all(piece.startswith(" ") for piece in cut[1:])


def test_text_without_a_boundary_is_cut_at_the_size():
    assert ["aaaa", "aaaa", "aa"] == list(pieces("a" * 10, chars_max=4))


def test_a_boundary_further_back_than_the_look_back_is_not_waited_for():
    text = "x " + "a" * (3 * LOOK_BACK_CHARS)

    first = next(pieces(text, chars_max=2 * LOOK_BACK_CHARS))

    assert len(first) == 2 * LOOK_BACK_CHARS
