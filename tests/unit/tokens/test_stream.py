"""The running count: bounded in what it keeps, exact while it runs."""

import pytest

from gateway.tokens.boundaries import LOOK_BACK_CHARS
from gateway.tokens.stream import STEP_CHARS, HeldBackCount, scaled
from gateway.tokens.vocabulary import vocabulary

ENGLISH = "A stream arrives in pieces, and nobody can say where they're cut. " * 100


class _Recorder:
    """A vocabulary that also notes how much it is asked to encode."""

    def __init__(self):
        self._vocabulary = vocabulary("o200k_base")
        self.asked = []

    def count(self, text):
        self.asked.append(len(text))
        return self._vocabulary.count(text)


def test_nothing_fed_is_nothing_counted():
    assert HeldBackCount(vocabulary("o200k_base")).total() == 0


def test_the_total_is_exact_after_every_piece():
    counted = vocabulary("o200k_base")
    running = HeldBackCount(counted)
    text = ENGLISH[:1_000]

    for end in range(0, len(text), 7):
        running.feed(text[end : end + 7])
        assert counted.count(text[: end + 7]) == running.total()


def test_asking_for_the_total_changes_nothing():
    running = HeldBackCount(vocabulary("o200k_base"))
    running.feed(ENGLISH)

    assert running.total() == running.total()


def test_small_pieces_are_encoded_together():
    recorder = _Recorder()
    running = HeldBackCount(recorder)

    for character in ENGLISH[:1_000]:
        running.feed(character)

    assert len(recorder.asked) <= 1_000 // STEP_CHARS
    assert sum(recorder.asked) <= 1_000


def test_a_word_without_end_is_held_back_only_so_far():
    recorder = _Recorder()
    running = HeldBackCount(recorder)

    for _ in range(1_000):
        running.feed("a" * 20)

    assert running._chars <= 2 * LOOK_BACK_CHARS
    # Looking again and again without success must not cost the square of the length.
    assert sum(recorder.asked) <= 20_000


def test_a_word_without_end_is_off_by_little():
    """A wall of letters is cut every 2 000 characters, each time at a token or two."""
    counted = vocabulary("o200k_base")
    running = HeldBackCount(counted)
    text = "abcdefghij" * 4_000

    for start in range(0, len(text), 10):
        running.feed(text[start : start + 10])

    assert counted.count(text) == pytest.approx(running.total(), rel=0.005)


def test_one_long_piece_after_a_short_word_is_not_kept():
    running = HeldBackCount(vocabulary("o200k_base"))

    running.feed("x " + "a" * 10 * LOOK_BACK_CHARS)

    assert running._chars <= LOOK_BACK_CHARS


def test_a_surrogate_pair_cut_in_two_is_one_character_again():
    counted = vocabulary("o200k_base")
    running = HeldBackCount(counted)

    running.feed("so \ud83d")
    running.feed("\ude00 good")

    assert counted.count("so \U0001f600 good") == running.total()


@pytest.mark.parametrize(
    ("tokens", "percent", "expected"), [(0, 125, 0), (4, 125, 5), (5, 125, 7), (5, 100, 5)]
)
def test_scaling_rounds_up(tokens, percent, expected):
    assert expected == scaled(tokens, percent=percent)


def test_the_running_total_is_scaled_once():
    counted = vocabulary("o200k_base")
    running = HeldBackCount(counted, percent=130)

    running.feed(ENGLISH)

    assert scaled(counted.count(ENGLISH), percent=130) == running.total()
