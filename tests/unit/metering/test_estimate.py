"""The size of a hold: never too little for the call, and a slice where a slice is enough."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.call import ByPiece, Call, Terms
from gateway.metering.estimate import Estimate, as_sold, estimate, need, output_cap
from gateway.metering.plans import Enforcement, Plan
from gateway.metering.pricing import ModelPrice, Rates, Tier, charge_ucr
from gateway.metering.usage import TokenClass, Usage

RATES = Rates.of(
    {
        TokenClass.INPUT_UNCACHED: 2_000_000,
        TokenClass.INPUT_CACHE_READ: 500_000,
        TokenClass.INPUT_AUDIO: 40_000_000,
        TokenClass.OUTPUT_TEXT: 8_000_000,
        TokenClass.OUTPUT_AUDIO: 80_000_000,
    }
)
PROMPT = Usage(input_uncached=10)
PRICE = ModelPrice(model="m", tiers=(Tier(0, RATES),), fee_ucr=3, max_output_tokens=16_384)


@pytest.mark.parametrize(
    ("caller", "plan", "cap"),
    [
        (None, None, 16_384),
        (100, None, 100),
        (99_999, None, 16_384),
        (None, 4_096, 4_096),
        (100, 4_096, 100),
        (9_000, 4_096, 4_096),
        (0, None, 0),
    ],
)
def test_the_smallest_cap_wins(caller, plan, cap):
    call = Call(model="m", max_output_tokens=caller)

    assert cap == output_cap(call, PRICE, Plan(name="p", max_output_tokens=plan))


@pytest.mark.parametrize(
    ("enforcement", "least"),
    [
        (Enforcement.STRICT, 49_152),
        # One slice for the call, not one for each choice.
        (Enforcement.ROLLING, 1_024),
        (Enforcement.SOFT, 1_024),
        (Enforcement.OBSERVE, 1_024),
    ],
)
def test_strict_holds_all_and_the_others_a_slice_of_a_stream(enforcement, least):
    sized = estimate(
        Call(model="m", choices=3, stream=True),
        price=PRICE,
        plan=Plan(name="p", enforcement=enforcement),
        prompt=PROMPT,
        exact=True,
    )

    assert Estimate(PROMPT, 49_152, least, exact=True) == sized


def test_an_answer_in_one_piece_cannot_be_cut_and_is_held_whole():
    sized = estimate(Call(model="m"), price=PRICE, plan=Plan(name="p"), prompt=PROMPT, exact=True)

    assert Estimate(PROMPT, 16_384, 16_384, exact=True) == sized


SECONDS = (("audio_second", 60),)
HEARD = Call(model="m", audio_tokens=600, by_piece=ByPiece(most=SECONDS, owed=SECONDS))
NO_RATES = (Tier(0, Rates.of({})),)


@pytest.mark.parametrize(
    ("price", "by_piece"),
    [
        (PRICE, False),
        (replace(PRICE, pieces={"audio_second": 10_000_000}), False),
        (ModelPrice(model="m", tiers=NO_RATES, by_token=False), True),
        (ModelPrice(model="m", tiers=NO_RATES, pieces={"image": 1}), False),
        (ModelPrice(model="m", tiers=NO_RATES, pieces={"audio_second": 1}), True),
        (ModelPrice(model="m", tiers=NO_RATES, pieces={"audio_second": 1}, by_token=False), True),
    ],
)
def test_a_call_is_measured_as_the_card_sells_its_model(price, by_piece):
    """By the token where tokens have a price. Where they cost nothing and pieces have no price, the
    operator gives it away; without a price for either, it is the piece that lacks one."""
    sold = as_sold(HEARD, price)

    assert by_piece != sold.counts_tokens
    assert (SECONDS if by_piece else ()) == sold.terms.pieces == sold.owed
    assert as_sold(Call(model="m"), price) == Call(model="m")


def test_a_stream_that_is_billed_as_a_whole_is_held_whole_whatever_the_plan_caps():
    sized = estimate(
        Call(model="m", stream=True, whole=True, choices=2, max_output_tokens=6_240),
        price=PRICE,
        plan=Plan(name="p", max_output_tokens=100),
        prompt=PROMPT,
        exact=False,
    )

    assert Estimate(PROMPT, 12_480, 12_480, exact=False) == sized


def test_a_small_answer_is_held_whole_even_when_rolling():
    sized = estimate(
        Call(model="m", max_output_tokens=50),
        price=PRICE,
        plan=Plan(name="p"),
        prompt=PROMPT,
        exact=False,
    )

    assert (sized.output_least_tokens, sized.output_full_tokens) == (50, 50)


def test_the_need_is_in_credit_and_in_tokens():
    sized = Estimate(Usage(input_uncached=100), 2_000, 1_000, exact=True)

    wanted = need(sized, PRICE, Call(model="m"))

    # 100 x 2 + 1 000 x 8, or 2 000 x 8, and the fee.
    assert (wanted.least_ucr, wanted.full_ucr) == (8_203, 16_203)
    assert (wanted.least_tokens, wanted.full_tokens) == (1_100, 2_100)


def test_audio_is_held_at_its_own_rates():
    sized = Estimate(Usage(input_uncached=100), 1_000, 1_000, exact=True)

    assert need(sized, PRICE, Call(model="m", terms=Terms(media=True))).full_ucr == 84_003


CAPS = st.none() | st.integers(min_value=0, max_value=100_000)
CALLS = st.builds(
    Call,
    model=st.just("m"),
    choices=st.integers(min_value=1, max_value=128),
    max_output_tokens=CAPS,
    terms=st.builds(Terms, media=st.booleans()),
)
PLANS = st.builds(
    Plan,
    name=st.just("p"),
    enforcement=st.sampled_from(list(Enforcement)),
    max_output_tokens=CAPS,
    slice_tokens=st.integers(min_value=1, max_value=10_000),
)


@given(call=CALLS, plan=PLANS, input_tokens=st.integers(min_value=0, max_value=1_000_000))
def test_a_hold_pays_for_every_call_it_admits(call, plan, input_tokens):
    sized = estimate(
        call, price=PRICE, plan=plan, prompt=Usage(input_uncached=input_tokens), exact=True
    )
    wanted = need(sized, PRICE, call)
    dearest = (
        Usage(input_audio=input_tokens, output_audio=sized.output_full_tokens)
        if call.terms.media
        else Usage(input_uncached=input_tokens, output_reasoning=sized.output_full_tokens)
    )

    assert sized.output_least_tokens <= sized.output_full_tokens
    assert wanted.least_ucr <= wanted.full_ucr
    assert wanted.least_tokens <= wanted.full_tokens
    assert charge_ucr(PRICE, dearest) <= wanted.full_ucr
    assert dearest.total_tokens <= wanted.full_tokens
