"""What is earned: exact where a purchase price is known; elsewhere unknown, and never nothing."""

from dataclasses import replace
from typing import Any

from gateway.metering.history import EndSum
from gateway.metering.margin import SCALE, margins, scaled_cost
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
USED = Usage(input_uncached=100, output_text=10)


def cost(usage: Usage) -> int | None:
    return scaled_cost(SOLD, usage, provenance=Provenance.REPORTED)


def summed(**fields: Any) -> EndSum:
    plain = {
        "provider": "p",
        "model": "m",
        "provenance": "reported",
        "end": "completed",
        "kind": "settled",
        "entries": 2,
        "requests": 2,
        "charge_ucr": 5_000,
        "beyond_ucr": 0,
        "costed": 2,
        "costed_ucr": 5_000,
        "scaled_cost": 0,
    }
    return EndSum(**plain | fields)


def test_a_call_costs_its_tokens_and_a_fee() -> None:
    assert SCALE * (100 * 2 + 10 * 8 + 3) == cost(USED)


def test_long_calls_are_bought_at_the_price_of_long_calls() -> None:
    assert SCALE * (1_001 * 4 + 3) == cost(Usage(input_uncached=1_001))


def test_a_tier_changes_the_price_of_tokens_only() -> None:
    used = replace(USED, pieces=(("web_search", 3),), service_tier="batch")

    assert SCALE * ((100 * 2 + 10 * 8) // 2 + 3 * 10_000 + 3) == cost(used)


def test_what_is_not_known_is_no_cost_of_nothing() -> None:
    """Without a line, a purchase price, a count, or with a piece that has no price."""
    assert scaled_cost(None, USED, provenance=Provenance.REPORTED) is None
    assert scaled_cost(BOUGHT, USED, provenance=Provenance.REPORTED) is None
    assert scaled_cost(SOLD, USED, provenance=Provenance.HELD) is None
    assert cost(replace(USED, pieces=(("image", 1),))) is None


def test_a_cost_is_rounded_up_once_over_all_calls_of_a_model() -> None:
    [found] = margins([summed(scaled_cost=SCALE // 2 + 1, kind=kind) for kind in ("a", "b", "c")])

    assert (6, 2, 15_000 - 2) == (found.calls, found.cost_ucr, found.margin_ucr)


def test_costs_are_of_those_calls_whose_cost_is_known() -> None:
    unknown = summed(provenance="held", costed=0, costed_ucr=0)
    [found] = margins([summed(scaled_cost=7 * SCALE), unknown])
    [nothing] = margins([unknown])

    assert (4, 10_000, 5_000, 7) == (
        *(found.calls, found.charge_ucr, found.costed_ucr, found.cost_ucr),
    )
    assert (None, None) == (nothing.cost_ucr, nothing.margin_ucr)


def test_the_model_with_most_charges_comes_first() -> None:
    found = margins([summed(model="a"), summed(model="b", charge_ucr=5_001)])

    assert ["b", "a"] == [each.model for each in found]
