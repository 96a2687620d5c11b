"""What is believed of a reported usage, and what sends us counting first."""

import pytest

from gateway.metering.call import ByPiece, Call, Terms
from gateway.metering.pricing import ModelPrice, Rates, Tier
from gateway.metering.sanity import SHORTFALL_TOKENS, UNBOUNDED, ceiling, plausible
from gateway.metering.usage import NOTHING, Usage

PRICE = ModelPrice(
    model="m", tiers=(Tier(0, Rates.of({})),), context_tokens=8_000, max_output_tokens=4_000
)
CHAT = Call(model="m")
EMBEDDINGS = Call(model="m", max_output_tokens=0, prompts=100)


def believed(usage: Usage, *, call: Call = CHAT, counted: Usage | None = None, answer_bytes=500):
    return plausible(
        usage,
        call=call,
        price=PRICE,
        most_tokens=ceiling(call, PRICE).tokens,
        counted=counted,
        answer_bytes=answer_bytes,
    )


def text(tokens: int) -> Usage:
    return Usage(input_uncached=20, output_text=tokens)


@pytest.mark.parametrize(
    ("usage", "call"),
    [
        (text(100), CHAT),
        (Usage(input_uncached=300_000), EMBEDDINGS),
        (Usage(pieces=(("audio_second", 61),)), Call(model="m", max_output_tokens=0)),
        (Usage(input_uncached=9, output_image=272), CHAT),
    ],
)
def test_an_honest_report_is_believed_at_once(usage, call):
    assert believed(usage, call=call)


@pytest.mark.parametrize(
    ("usage", "call"),
    [
        (NOTHING, CHAT),
        (Usage(output_text=5), CHAT),
        (Usage(input_uncached=16_001, output_text=5), CHAT),
        (text(8_001), CHAT),
        (NOTHING, EMBEDDINGS),
        (Usage(input_uncached=1_600_001), EMBEDDINGS),
    ],
)
def test_what_no_honest_answer_can_say_is_never_believed(usage, call):
    assert not believed(usage, call=call)
    assert not believed(usage, call=call, counted=NOTHING)


@pytest.mark.parametrize(
    ("usage", "answer_bytes", "at_once"),
    [
        (text(10), 30_000, True),
        (text(10), 40_000, False),
        (Usage(input_uncached=9, output_audio=10), 90_000, True),
        (Usage(input_uncached=9, output_audio=10), 100_000, False),
        (Usage(input_uncached=9, output_image=272), 20_000_000, True),
        (Usage(input_uncached=9, output_image=272), 30_000_000, False),
        (text(0), 10, False),
    ],
)
def test_an_answer_too_long_for_its_report_is_counted_first(usage, answer_bytes, at_once):
    assert at_once == believed(usage, answer_bytes=answer_bytes)


def test_several_answers_are_counted_first():
    assert not believed(text(100), call=Call(model="m", choices=2))


@pytest.mark.parametrize(
    ("reported", "counted", "true"),
    [
        (0, 0, True),
        (0, 1, False),
        (100, 100, True),
        (100, 214, True),
        (100, 215, False),
    ],
)
def test_a_report_far_below_our_count_is_not_believed(reported, counted, true):
    assert true == believed(text(reported), counted=Usage(output_text=counted))


def test_pictures_are_believed_as_reported_but_not_as_none():
    """Their tokens differ by model: our table may be off by any factor, but not by all."""
    seen = Usage(output_image=6_240)

    assert believed(Usage(input_uncached=9, output_image=272), counted=seen)
    assert not believed(Usage(input_uncached=9), counted=seen)


@pytest.mark.parametrize(
    ("call", "tokens"),
    [
        (CHAT, 8_000),
        (Call(model="m", max_output_tokens=20), 40),
        (Call(model="m", max_output_tokens=20, choices=3), 120),
        (Call(model="m", max_output_tokens=20, turns=2), 80),
        (Call(model="m", max_output_tokens=1_000_000), 8_000),
    ],
)
def test_an_answer_in_words_is_bounded_by_what_was_asked_for(call, tokens):
    most = ceiling(call, PRICE)

    assert tokens + SHORTFALL_TOKENS == most.tokens
    assert not believed(text(most.tokens + 1), call=call)


@pytest.mark.parametrize(
    "call",
    [
        EMBEDDINGS,
        Call(model="m", terms=Terms(media=True)),
        Call(model="m", by_piece=ByPiece(most=(("image", 1),))),
        Call(model="m", whole=True),
        Call(model="m", deferred=True),
    ],
)
def test_what_is_no_answer_in_words_is_bounded_by_its_own_kind(call):
    assert UNBOUNDED == ceiling(call, PRICE)
