"""Many calls together cost what each of them costs, rounded up once."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.call import Many
from gateway.metering.pricing import ModelPrice, Rates, Tier, charge_ucr
from gateway.metering.tally import Tally, one_price, worst_case_of_many_ucr
from gateway.metering.usage import TokenClass, Usage

CHEAP = Rates.of({TokenClass.INPUT_UNCACHED: 40_000_001, TokenClass.OUTPUT_TEXT: 160_000_003})
DEAR = Rates.of({TokenClass.INPUT_UNCACHED: 80_000_000, TokenClass.OUTPUT_TEXT: 240_000_000})
FLAT = ModelPrice(model="m", tiers=(Tier(0, CHEAP),), tier_percent={"batch": 50}, fee_ucr=3)
TIERED = ModelPrice(
    model="m",
    tiers=(Tier(0, CHEAP), Tier(1_000, DEAR)),
    pieces={"web_search": 10_000_000_000},
)

USAGES = st.builds(
    Usage,
    input_uncached=st.integers(0, 3_000),
    output_text=st.integers(0, 500),
    pieces=st.sampled_from([(), (("web_search", 2),)]),
    service_tier=st.sampled_from(["", "batch"]),
)


def exact(price: ModelPrice, usage: Usage) -> Fraction:
    """From the definition: tokens x rate / a million, at the rates of its own prompt's length."""
    rates = price.rates_for(usage.input_tokens).by_class
    tokens = sum(Fraction(getattr(usage, name) * rate, 1_000_000) for name, rate in rates.items())
    pieces = sum(Fraction(count * price.pieces[name], 1_000_000) for name, count in usage.pieces)
    return price.fee_ucr + tokens * price.percent(usage.service_tier) / 100 + pieces


@given(st.lists(USAGES, max_size=20))
def test_the_charge_is_the_sum_of_the_calls_rounded_up_once(usages):
    tally = Tally(TIERED)
    for usage in usages:
        tally.add(usage)

    assert ceil(sum(exact(TIERED, usage) for usage in usages)) == tally.charge_ucr
    assert sum(usage.total_tokens for usage in usages) == tally.usage.total_tokens


@given(USAGES)
def test_one_call_costs_what_it_costs_alone(usage):
    tally = Tally(TIERED)
    tally.add(usage)

    assert charge_ucr(TIERED, usage) == tally.charge_ucr


def test_a_sum_of_short_prompts_is_no_long_prompt():
    tally = Tally(TIERED)
    tally.add(Usage(input_uncached=5_000), calls=10)

    assert ceil(Fraction(5_000 * 40_000_001, 1_000_000)) == tally.charge_ucr


def test_the_fee_is_per_call():
    tally = Tally(FLAT)
    tally.add(Usage(), calls=4)

    assert 12 == tally.charge_ucr


def test_sums_are_enough_where_no_prompt_reaches_another_tier():
    assert one_price(TIERED, longest_input_tokens=1_000)
    assert not one_price(TIERED, longest_input_tokens=1_001)
    assert one_price(FLAT, longest_input_tokens=10**9)


@given(st.lists(USAGES, min_size=1, max_size=10))
def test_nothing_costs_more_than_the_worst_case(usages):
    many = Many(
        calls=len(usages),
        input_tokens=sum(usage.input_tokens for usage in usages),
        longest_input_tokens=max(usage.input_tokens for usage in usages),
    )
    pieces = {"web_search": sum(dict(usage.pieces).get("web_search", 0) for usage in usages)}
    tally = Tally(TIERED)
    for usage in usages:
        tally.add(usage)

    assert tally.charge_ucr <= worst_case_of_many_ucr(
        TIERED,
        many,
        input_tokens=many.input_tokens,
        output_tokens=sum(usage.output_tokens for usage in usages),
        pieces=tuple(pieces.items()),
    )


def test_a_discount_that_is_certain_lowers_the_hold():
    def worst(tier):
        many = Many(calls=1, input_tokens=100, longest_input_tokens=100, service_tier=tier)
        return worst_case_of_many_ucr(
            FLAT, many, input_tokens=1_000_000, output_tokens=0, pieces=()
        )

    assert 40_000_001 + 3 == worst("")
    assert 20_000_001 + 3 == worst("batch")


def test_what_cannot_be_seen_may_be_as_long_as_the_context():
    hidden = Many(calls=1, input_tokens=10, longest_input_tokens=10, opaque_inputs=1)

    assert 5_000 == hidden.longest(5_000)
    assert 10 == Many(calls=1, input_tokens=10, longest_input_tokens=10).longest(5_000)
