"""Charges are exact to the microcredit, and what is held is never less than what is charged."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.metering.call import Terms
from gateway.metering.pieces import is_kind_of
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
PIECE_NAMES = ("image", "image.hd", "image.hd.1024x1792", "image.low", "web_search")
PIECE_RATES = st.dictionaries(
    st.sampled_from(PIECE_NAMES), st.integers(min_value=0, max_value=50_000_000_000_000)
)
TIERS = ("batch", "flex", "priority")
TIER_PERCENTS = st.dictionaries(st.sampled_from(TIERS), st.integers(min_value=1, max_value=400))


@st.composite
def prices(draw):
    """Any card: tiers may be dearer or cheaper than the ones below, in each class apart."""
    thresholds = sorted(draw(st.sets(st.integers(min_value=1, max_value=5_000), max_size=3)))
    tiers = [Tier(above, Rates.of(draw(GIVEN_RATES))) for above in (0, *thresholds)]
    return ModelPrice(
        model="m",
        tiers=tuple(tiers),
        fee_ucr=draw(st.integers(min_value=0, max_value=1_000_000)),
        pieces=draw(PIECE_RATES),
        tier_percent=draw(TIER_PERCENTS),
    )


@st.composite
def terms(draw):
    pieces = draw(st.dictionaries(st.sampled_from(PIECE_NAMES), st.integers(0, 50)))
    return Terms(
        media=draw(st.booleans()),
        pieces=tuple(sorted(pieces.items())),
        service_tier=draw(st.sampled_from(("", *TIERS))),
    )


def within(draw, allowed):
    """Pieces and a tier that a call on these terms may turn out to have used."""
    pieces = {}
    for name, count in allowed.pieces:
        kind = draw(st.sampled_from([each for each in PIECE_NAMES if is_kind_of(each, name)]))
        pieces[kind] = pieces.get(kind, 0) + draw(st.integers(0, count))
    return {
        "pieces": tuple(sorted(pieces.items())),
        "service_tier": draw(st.sampled_from(("", allowed.service_tier))),
    }


def price(given=PLAIN, *, tiers=(), **others):
    above = [Tier(threshold, Rates.of(rates)) for threshold, rates in tiers]
    return ModelPrice(model="m", tiers=(Tier(0, Rates.of(given)), *above), **others)


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


def test_service_tiers_that_apply_together_multiply():
    card = price(tier_percent={"fast": 250, "us": 110})

    assert 275 == card.percent("fast+us")
    assert 250 == card.percent("priority+fast")
    assert ("priority",) == card.unpriced(Usage(service_tier="priority+fast+us"))


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


@given(card=prices(), data=st.data(), sold=terms())
def test_a_charge_is_the_exact_sum_rounded_up(card, data, sold):
    usage = Usage(
        **split(data.draw, data.draw(st.integers(min_value=0, max_value=10_000)), list(TokenClass)),
        **within(data.draw, sold),
    )
    rates = card.rates_for(usage.input_tokens).by_class
    times = Fraction(card.percent(usage.service_tier), 100)
    exact = sum(
        (Fraction(getattr(usage, name) * rates[name], 1_000_000) * times for name in TokenClass),
        Fraction(card.fee_ucr),
    ) + sum(
        Fraction(count * (card.piece_rate(name) or 0), 1_000_000) for name, count in usage.pieces
    )

    assert ceil(exact) == charge_ucr(card, usage)


@given(card=prices(), data=st.data(), sold=terms())
def test_no_usage_inside_the_bound_costs_more_than_the_worst_case(card, data, sold):
    """Whatever the classes, kinds and tier, and whichever side of a threshold it ends up on."""
    input_tokens = data.draw(st.integers(min_value=0, max_value=6_000))
    output_tokens = data.draw(st.integers(min_value=0, max_value=6_000))
    allowed = set(TokenClass) if sold.media else set(TokenClass) - MEDIA
    usage = Usage(
        **split(data.draw, input_tokens, [name for name in INPUT if name in allowed]),
        **split(data.draw, output_tokens, [name for name in OUTPUT if name in allowed]),
        **within(data.draw, sold),
    )

    bound = worst_case_ucr(card, input_tokens=input_tokens, output_tokens=output_tokens, terms=sold)

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
    sold=terms(),
)
def test_affordable_output_fits_and_one_token_more_does_not(
    card, available_ucr, input_tokens, sold
):
    def cost(output_tokens):
        return worst_case_ucr(
            card, input_tokens=input_tokens, output_tokens=output_tokens, terms=sold
        )

    assume(cost(1_000_000) > cost(0))
    affordable = affordable_output_tokens(
        card, available_ucr=available_ucr, input_tokens=input_tokens, terms=sold
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

    assert RateCard(digest="1").price("unknown", provider="p") is None
    assert default == RateCard(digest="1", default=default).price("unknown", provider="p")


def test_a_provider_may_have_its_own_price_for_a_model():
    common, own = price(fee_ucr=1), price(fee_ucr=2)
    card = RateCard(digest="1", models={"m": common}, by_provider={"azure": {"m": own, "n": own}})

    assert own == card.price("m", provider="azure")
    assert common == card.price("m", provider="openai")
    assert card.price("n", provider="openai") is None
    assert {"m", "n"} == card.priced_at("azure")
    assert {"m"} == card.priced_at("openai")
    assert ("m", "n") == card.model_names


PICTURES = {"image": 40_000_000_000, "image.hd": 80_000_000_000, "image.hd.1024x1792": 120}


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("image", 40_000_000_000),
        ("image.standard.1024x1024", 40_000_000_000),
        ("image.hd", 80_000_000_000),
        ("image.hd.1024x1024", 80_000_000_000),
        ("image.hd.1024x1792", 120),
        ("image_like", None),
        ("web_search", None),
    ],
)
def test_the_particular_price_goes_before_the_general(name, rate):
    assert rate == price(pieces=PICTURES).piece_rate(name)


def test_pieces_are_charged_per_piece_and_rounded_up_once_with_the_tokens():
    # A third of a µcr for a token and for a character.
    cheap = price({TokenClass.INPUT_UNCACHED: 333_333}, pieces={"character": 333_333})

    assert charge_ucr(cheap, Usage(input_uncached=1, pieces=(("character", 1),))) == 1
    assert charge_ucr(cheap, Usage(input_uncached=2, pieces=(("character", 2),))) == 2
    # Two pictures at 0.04 dollars are eight credits of a cent.
    pictures = price({}, pieces={"image": 4_000_000_000_000})
    assert charge_ucr(pictures, Usage(pieces=(("image.low", 2),))) == 8_000_000


def test_a_tier_changes_the_price_of_tokens_not_of_pieces():
    card = price(pieces={"web_search": 1_000_000_000_000}, tier_percent={"batch": 50})
    used = Usage(input_uncached=1_000, pieces=(("web_search", 1),))

    assert charge_ucr(card, used) == 250_000 + 1_000_000
    assert charge_ucr(card, replace(used, service_tier="batch")) == 125_000 + 1_000_000
    # Without a price of its own it costs the same.
    assert charge_ucr(card, replace(used, service_tier="flex")) == 250_000 + 1_000_000


def test_half_a_microcredit_of_a_cheaper_tier_is_rounded_up():
    card = price({TokenClass.INPUT_UNCACHED: 1_000_000}, tier_percent={"batch": 50})

    assert charge_ucr(card, Usage(input_uncached=3, service_tier="batch")) == 2


def test_a_cheaper_tier_is_not_counted_on_and_a_dearer_one_is():
    card = price(
        {TokenClass.INPUT_UNCACHED: 1_000_000}, tier_percent={"batch": 50, "priority": 200}
    )

    def held(tier):
        terms_ = Terms(service_tier=tier)
        return worst_case_ucr(card, input_tokens=10, output_tokens=0, terms=terms_)

    assert [held(tier) for tier in ("", "batch", "priority")] == [10, 10, 20]


def test_what_is_held_for_a_piece_is_its_dearest_kind():
    card = price({}, pieces={"image": 1_000_000, "image.hd": 5_000_000, "web_search": 7_000_000})
    asked = Terms(pieces=(("image", 3),))

    assert worst_case_ucr(card, input_tokens=0, output_tokens=0, terms=asked) == 15


def test_pieces_leave_less_for_tokens():
    card = price({TokenClass.OUTPUT_TEXT: 1_000_000}, pieces={"web_search": 10_000_000})

    def affordable(available_ucr):
        return affordable_output_tokens(
            card,
            available_ucr=available_ucr,
            input_tokens=0,
            terms=Terms(pieces=(("web_search", 1),)),
        )

    assert [affordable(ucr) for ucr in (9, 10, 25)] == [0, 0, 15]


def test_what_has_no_price_is_named():
    card = price(pieces={"image": 1}, tier_percent={"fast": 200})
    pieces = (("image.hd", 1), ("web_search", 2))

    assert ("web_search",) == card.unpriced(Terms(pieces=pieces, service_tier="fast"))
    assert ("web_search", "priority") == card.unpriced(
        Usage(pieces=pieces, service_tier="priority")
    )
    # These two are never dearer than the ordinary tier.
    assert () == card.unpriced(Terms(service_tier="flex"))
    assert () == card.unpriced(Usage(service_tier="batch"))


def test_a_model_sold_by_the_piece_cannot_be_charged_for_a_call_without_one():
    pictures = price({}, pieces={"image": 1, "web_search": 1}, by_token=False)

    assert pictures.charges_for(Terms(pieces=(("image", 1),)))
    assert not pictures.charges_for(Terms())
    # A search is part of an answer, and nothing here says what the answer costs.
    assert not pictures.charges_for(Terms(pieces=(("web_search", 1),)))
    assert replace(pictures, fee_ucr=1).charges_for(Terms())
    assert price({}).charges_for(Terms())
