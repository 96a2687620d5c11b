"""However a stream is cut, its count is that of the whole text, for both vocabularies.

Texts are made of the characters that the vocabularies' expressions treat differently, so that
every kind of neighbour meets every other; the cuts that `boundaries` allows are tried directly.
"""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tokens.boundaries import last_boundary, pieces
from gateway.tokens.stream import HeldBackCount
from gateway.tokens.vocabulary import SOURCES, vocabulary

VOCABULARIES = [vocabulary(name) for name in SOURCES]
SNIPPETS = st.sampled_from(
    [
        *"abzABZ019 \t\n\r'.,;:/!-_(){}[]\"\\<>|^~`@#$%&*+=?",
        *"éßÑǅʰªⅧ²½\u2019“”\u2013…。\uff0c、\uff01\uff1f「」\u3000\u00a0\u2003\u2028\u0085\u200b\x1c\x1f\x00",
        *"你好カタ한สวัสดีनमस्ते।مرحبا،؟",
        *"\u0301\u0327\u20dd\u200d\ufe0f\ud83d\ude00\ud800\udfff",
        "😀",
        "👍🏽",
        "👨‍👩‍👧",
        "🇩🇪",
        "'s",
        "'LL",
        "  ",
        "\r\n",
        "\n\n",
        "://",
        "<|endoftext|>",
        '{"name": "get_weather", "arguments": {"city": "Zürich"}}',
        "def f(x: int) -> int:\n    return x + 1\n",
        "The quick brown fox doesn't jump. ",
        "今天天气很好\uff0c我们去公园散步吧。",
        "aGVsbG8gd29ybGQgMTIz+/==",
    ]
)
TEXTS = st.lists(st.one_of(SNIPPETS, st.characters()), max_size=120).map("".join)


@given(text=TEXTS, cuts=st.lists(st.integers(min_value=0, max_value=2_000), max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_split_counts_as_the_whole(text, cuts):
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[a:b] for a, b in pairwise(bounds)]
    for counted in VOCABULARIES:
        running = HeldBackCount(counted)
        for part in parts:
            running.feed(part)

        assert counted.count(text) == running.total()


@given(text=st.lists(SNIPPETS, min_size=2, max_size=12).map("".join))
@settings(max_examples=400, deadline=None)
def test_every_cut_that_is_allowed_leaves_the_same_tokens(text):
    """Stronger than counts: the halves' tokens are the whole's."""
    end = len(text)
    while cut := last_boundary(text, 0, end):
        for counted in VOCABULARIES:
            halves = counted._encode(text[:cut]) + counted._encode(text[cut:])

            assert counted._encode(text) == halves
        end = cut


@given(text=TEXTS, chars_max=st.integers(min_value=1, max_value=200))
@settings(max_examples=100, deadline=None)
def test_pieces_join_to_the_text(text, chars_max):
    parts = list(pieces(text, chars_max=chars_max))

    assert text == "".join(parts)
    assert all(len(part) <= chars_max for part in parts)


@given(text=TEXTS)
@settings(max_examples=150, deadline=None)
def test_no_token_spans_two_words(text):
    """What a prompt that nobody counted is charged at the least, when its gateway was killed."""
    for counted in VOCABULARIES:
        assert len(text.split()) <= counted.count(text)
