"""Charges are exact to the microcredit, and what is held is never less than what is charged."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.metering.call import Terms
from gateway.metering.pricing import (
    PARENT,
    ModelPrice,
    RateCard,
    Rates,
    Tier,
    affordable_output_tokens,
    charge_ucr,
    worst_case_ucr,
)
from gateway.metering.usage import TokenClass, Usage

PLAIN = {TokenClass.INPUT_UNCACHED: 250_000_000, TokenClass.OUTPUT_TEXT: 1_000_000_000}
INPUT = [name for name in TokenClass if name.startswith("input")]
OUTPUT = [name for name in TokenClass if name.startswith("output")]
MEDIA = {
    TokenClass.INPUT_AUDIO,
    TokenClass.INPUT_IMAGE,
    TokenClass.OUTPUT_AUDIO,
    TokenClass.OUTPUT_IMAGE,
}

GIVEN_RATES = st.dictionaries(
    st.sampled_from(list(TokenClass)), st.integers(min_value=0, max_value=5_000_000_000)
)


@st.composite
def prices(draw):
    """Any card: tiers may be dearer or cheaper than the ones below, in each class apart."""
    thresholds = sorted(draw(st.sets(st.integers(min_value=1, max_value=5_000), max_size=3)))
    tiers = [Tier(above, Rates.of(draw(GIVEN_RATES))) for above in (0, *thresholds)]
    return ModelPrice(
        model="m",
        tiers=tuple(tiers),
        fee_ucr=draw(st.integers(min_value=0, max_value=1_000_000)),
    )


def price(given=PLAIN, *, tiers=(), fee_ucr=0):
    above = [Tier(threshold, Rates.of(rates)) for threshold, rates in tiers]
    return ModelPrice(model="m", tiers=(Tier(0, Rates.of(given)), *above), fee_ucr=fee_ucr)


def split(draw, total, classes):
    """Some way to divide at most `total` tokens among the classes."""
    tokens = {}
    for name in classes:
        tokens[name.value] = draw(st.integers(min_value=0, max_value=total))
        total -= tokens[name.value]
    return tokens


def test_a_class_without_a_rate_is_charged_as_its_parent():
    rates = Rates.of({TokenClass.INPUT_UNCACHED: 5, TokenClass.INPUT_CACHE_WRITE_5M: 7}).by_class

    assert rates[TokenClass.INPUT_CACHE_READ] == 5
    assert rates[TokenClass.INPUT_CACHE_WRITE_1H] == 7
    assert rates[TokenClass.OUTPUT_REASONING] == 0


def test_every_class_but_the_two_roots_has_a_parent():
    assert set(TokenClass) - set(PARENT) == {TokenClass.INPUT_UNCACHED, TokenClass.OUTPUT_TEXT}


@pytest.mark.parametrize(
    ("usage", "charge"),
    [
        (Usage(), 0),
        # 1 000 x 250 + 500 x 1 000 µcr.
        (Usage(input_uncached=1_000, output_text=500), 750_000),
        (Usage(output_text=300, output_reasoning=200), 500_000),
    ],
)
def test_a_charge_is_tokens_times_rate(usage, charge):
    assert charge == charge_ucr(price(), usage)


def test_a_charge_is_rounded_up_once():
    cheap = price({TokenClass.INPUT_UNCACHED: 1, TokenClass.OUTPUT_TEXT: 1})

    assert charge_ucr(cheap, Usage(input_uncached=1, output_text=1)) == 1
    assert charge_ucr(cheap, Usage(input_uncached=1_000_000)) == 1
    assert charge_ucr(cheap, Usage(input_uncached=1_000_000, output_text=1)) == 2


def test_a_request_fee_is_charged_even_for_no_tokens():
    assert charge_ucr(price(fee_ucr=42), Usage()) == 42


def test_a_tier_prices_the_whole_call_once_its_threshold_is_passed():
    dear = {TokenClass.INPUT_UNCACHED: 2_000_000, TokenClass.OUTPUT_TEXT: 4_000_000}
    tiered = price(
        {TokenClass.INPUT_UNCACHED: 1_000_000, TokenClass.OUTPUT_TEXT: 1_000_000},
        tiers=[(100, dear)],
    )

    assert charge_ucr(tiered, Usage(input_uncached=100, output_text=10)) == 110
    assert charge_ucr(tiered, Usage(input_uncached=101, output_text=10)) == 242
    # Cached input counts towards the threshold.
    assert charge_ucr(tiered, Usage(input_uncached=1, input_cache_read=100)) == 202


@given(card=prices(), data=st.data())
def test_a_charge_is_the_exact_sum_rounded_up(card, data):
    usage = Usage(
        **split(data.draw, data.draw(st.integers(min_value=0, max_value=10_000)), list(TokenClass))
    )
    rates = card.rates_for(usage.input_tokens).by_class
    exact = sum(
        (Fraction(getattr(usage, name) * rates[name], 1_000_000) for name in TokenClass),
        Fraction(card.fee_ucr),
    )

    assert ceil(exact) == charge_ucr(card, usage)


@given(card=prices(), data=st.data(), media=st.booleans())
def test_no_usage_inside_the_bound_costs_more_than_the_worst_case(card, data, media):
    """Whatever the classes, and whichever side of a threshold the call ends up on."""
    input_tokens = data.draw(st.integers(min_value=0, max_value=6_000))
    output_tokens = data.draw(st.integers(min_value=0, max_value=6_000))
    allowed = set(TokenClass) if media else set(TokenClass) - MEDIA
    usage = Usage(
        **split(data.draw, input_tokens, [name for name in INPUT if name in allowed]),
        **split(data.draw, output_tokens, [name for name in OUTPUT if name in allowed]),
    )

    bound = worst_case_ucr(
        card, input_tokens=input_tokens, output_tokens=output_tokens, terms=Terms(media=media)
    )

    assert charge_ucr(card, usage) <= bound


@given(card=prices(), data=st.data())
def test_the_worst_case_grows_with_either_bound(card, data):
    sizes = st.integers(min_value=0, max_value=6_000)
    input_tokens, output_tokens = data.draw(sizes), data.draw(sizes)
    more_in, more_out = data.draw(sizes), data.draw(sizes)

    smaller = worst_case_ucr(card, input_tokens=input_tokens, output_tokens=output_tokens)
    larger = worst_case_ucr(
        card, input_tokens=input_tokens + more_in, output_tokens=output_tokens + more_out
    )

    assert smaller <= larger


@given(card=prices(), data=st.data(), media=st.booleans())
def test_the_worst_case_is_reached_by_some_usage(card, data, media):
    """A bound that nothing reaches would refuse calls that could be paid for."""
    input_tokens = data.draw(st.integers(min_value=0, max_value=6_000))
    output_tokens = data.draw(st.integers(min_value=0, max_value=6_000))
    allowed = set(TokenClass) if media else set(TokenClass) - MEDIA
    lengths = {input_tokens} | {
        tier.above_input_tokens for tier in card.tiers if tier.above_input_tokens < input_tokens
    }
    charges = [
        charge_ucr(card, Usage(**{asked.value: length, answered.value: output_tokens}))
        for length in lengths
        for asked in INPUT
        for answered in OUTPUT
        if {asked, answered} <= allowed
    ]

    assert max(charges) == worst_case_ucr(
        card, input_tokens=input_tokens, output_tokens=output_tokens, terms=Terms(media=media)
    )


def test_a_long_prompt_may_be_the_cheaper_one():
    """Without it, a call bounded above the threshold would be held for too little below it."""
    falling = price(
        {TokenClass.INPUT_UNCACHED: 10_000_000, TokenClass.OUTPUT_TEXT: 10_000_000},
        tiers=[(100, {TokenClass.INPUT_UNCACHED: 1_000_000, TokenClass.OUTPUT_TEXT: 1_000_000})],
    )

    assert worst_case_ucr(falling, input_tokens=101, output_tokens=0) == 1_000


@given(
    card=prices(),
    available_ucr=st.integers(min_value=-10, max_value=10**9),
    input_tokens=st.integers(min_value=0, max_value=6_000),
    media=st.booleans(),
)
def test_affordable_output_fits_and_one_token_more_does_not(
    card, available_ucr, input_tokens, media
):
    def cost(output_tokens):
        return worst_case_ucr(
            card, input_tokens=input_tokens, output_tokens=output_tokens, terms=Terms(media=media)
        )

    assume(cost(1_000_000) > cost(0))
    affordable = affordable_output_tokens(
        card, available_ucr=available_ucr, input_tokens=input_tokens, terms=Terms(media=media)
    )

    assert affordable >= 0
    if cost(0) > available_ucr:
        assert affordable == 0
    else:
        assert cost(affordable) <= available_ucr < cost(affordable + 1)


@given(card=prices(), output_tokens=st.integers(min_value=0, max_value=6_000))
def test_what_was_held_for_an_output_pays_for_that_output(card, output_tokens):
    held_ucr = worst_case_ucr(card, input_tokens=3_000, output_tokens=output_tokens)
    assume(worst_case_ucr(card, input_tokens=3_000, output_tokens=10**9) > held_ucr)

    assert output_tokens <= affordable_output_tokens(
        card, available_ucr=held_ucr, input_tokens=3_000
    )


def test_free_output_is_affordable_up_to_the_models_maximum():
    free = price({TokenClass.INPUT_UNCACHED: 1_000_000})

    assert affordable_output_tokens(free, available_ucr=10, input_tokens=10) == 128_000
    assert affordable_output_tokens(free, available_ucr=9, input_tokens=10) == 0


def test_a_fraction_of_a_microcredit_is_not_given_away():
    cheap = price({TokenClass.INPUT_UNCACHED: 400_000, TokenClass.OUTPUT_TEXT: 300_000})

    # One token in and two out come to exactly one µcr.
    assert affordable_output_tokens(cheap, available_ucr=1, input_tokens=1) == 2


def test_a_model_without_a_line_is_refused_unless_the_card_has_a_default():
    default = price()

    assert RateCard(version="1").price("unknown") is None
    assert default == RateCard(version="1", default=default).price("unknown")
