"""What is earned: exact where a purchase price is known; elsewhere unknown, and never nothing."""

from dataclasses import replace

from gateway.metering.margin import SoldSum, lengths, margins
from gateway.metering.pricing import ModelPrice, Rates, Tier
from gateway.metering.usage import Provenance, TokenClass, Usage


def rates(per_input: int, per_output: int) -> Rates:
    return Rates.of({TokenClass.INPUT_UNCACHED: per_input, TokenClass.OUTPUT_TEXT: per_output})


BOUGHT = ModelPrice(
    model="m",
    tiers=(Tier(0, rates(2_000_000, 8_000_000)), Tier(1_000, rates(4_000_000, 16_000_000))),
    pieces={"web_search": 10**10},
    tier_percent={"batch": 50},
    fee_ucr=3,
)
SOLD = replace(BOUGHT, rate_id="r", purchase=BOUGHT)
PRICES = {"r": SOLD}
CALLS = SoldSum(
    provider="p",
    model="m",
    rate_id="r",
    provenance=Provenance.REPORTED,
    level=0,
    calls=2,
    charge_ucr=5_000,
    usage=Usage(input_uncached=100, output_text=10),
)


def cost(*sums: SoldSum) -> int | None:
    [found] = margins(sums, PRICES, above=lengths([SOLD]))
    return found.cost_ucr


def test_tokens_of_all_calls_and_fees_of_each_are_added_up() -> None:
    assert 100 * 2 + 10 * 8 + 2 * 3 == cost(CALLS)


def test_long_calls_are_bought_at_the_price_of_long_calls() -> None:
    assert [1_000] == lengths([SOLD, replace(SOLD, purchase=None)])
    assert 100 * 4 + 10 * 16 + 2 * 3 == cost(replace(CALLS, level=1))


def test_pieces_are_those_of_each_call_and_a_tier_changes_tokens_only() -> None:
    used = replace(CALLS.usage, pieces=(("web_search", 3),), service_tier="batch")

    assert (100 * 2 + 10 * 8) // 2 + 2 * (3 * 10_000 + 3) == cost(replace(CALLS, usage=used))


def test_a_cost_is_rounded_up_once_over_all_calls_of_a_model() -> None:
    price = replace(BOUGHT, tiers=(Tier(0, rates(100_000, 0)),), fee_ucr=0)
    small = replace(CALLS, usage=Usage(input_uncached=6))
    [found] = margins([small] * 3, {"r": replace(SOLD, purchase=price)}, above=())

    assert 2 == found.cost_ucr


def test_what_is_not_known_is_no_cost_of_nothing() -> None:
    """Without a purchase price, without a count, with a piece or a length that has no price."""
    unsold = replace(CALLS, rate_id="gone")
    held = replace(CALLS, provenance=Provenance.HELD)
    unpriced = replace(CALLS, usage=replace(CALLS.usage, pieces=(("image", 1),)))
    for each in (unsold, held, unpriced):
        assert cost(each) is None
        [both] = margins([CALLS, each], PRICES, above=lengths([SOLD]))
        assert (4, 10_000, 5_000, cost(CALLS)) == (
            both.calls,
            both.charge_ucr,
            both.costed_ucr,
            both.cost_ucr,
        )
    assert margins([CALLS], PRICES, above=())[0].cost_ucr is None
