"""Calls made elsewhere are sized and charged as calls of ours."""

import pytest

from gateway.errors import BadCall, Forbidden
from gateway.metering.accounts import Account, Status, VirtualKey
from gateway.metering.ledger import Reservation
from gateway.metering.limits import Limit, Scope, Unit, Window
from gateway.metering.plans import Enforcement, Plan
from gateway.metering.pricing import ModelPrice, RateCard, Rates, Tier
from gateway.metering.reservations import (
    EXTERNAL,
    Line,
    Payer,
    Wish,
    extension,
    grown,
    line_of,
    outside_call,
    settlement,
)
from gateway.metering.routes import Route
from gateway.metering.usage import NOTHING, Provenance, TokenClass, Usage

RATES = {TokenClass.INPUT_UNCACHED: 1_000_000, TokenClass.OUTPUT_TEXT: 2_000_000}
PRICE = ModelPrice(
    model="m",
    tiers=(Tier(0, Rates.of(RATES)),),
    version="v1",
    fee_ucr=5,
    pieces={"web_search": 10_000_000},
    max_output_tokens=1_000,
)
CARD = RateCard(digest="d", models={"m": PRICE})
LINE = Line(provider="p", model="m", priced_as="m", price=PRICE)
LIMITS = (
    Limit(unit=Unit.TOKENS, ceiling=10_000, window=Window.DAY),
    Limit(unit=Unit.MICROCREDITS, ceiling=10_000, window=Window.DAY),
    Limit(unit=Unit.REQUESTS, ceiling=9, window=Window.DAY),
    Limit(unit=Unit.CALLS, ceiling=9),
)


def paying(**plan: object) -> Payer:
    made = Plan(name="test", limits=LIMITS, **plan)  # type: ignore[arg-type]
    return Payer(Account(account_id="acme", plan="test"), made, None)


def wish(
    *, most: int | None = 20, pieces: tuple[tuple[str, int], ...] = (), **plan: object
) -> Wish:
    call = outside_call("m", price=PRICE, max_output_tokens=most, pieces=pieces)
    return Wish(hold_id="h", payer=paying(**plan), line=LINE, call=call, input_tokens=10)


def kept(**given: object) -> Reservation:
    reservation = wish(**given).ask(60_000).reservation  # type: ignore[arg-type]
    assert reservation is not None
    return reservation


def test_a_hold_covers_the_worst_case_under_any_enforcement() -> None:
    for enforcement in Enforcement:
        ask = wish(enforcement=enforcement).ask(60_000)
        assert (55, 55) == (ask.least_ucr, ask.full_ucr)
        assert enforcement is Enforcement.OBSERVE or not ask.observe


def test_a_hold_without_a_cap_covers_what_the_model_makes_and_pieces_are_in_it() -> None:
    assert 2_015 == wish(most=None).ask(60_000).full_ucr
    assert 75 == wish(pieces=(("web_search", 2),)).ask(60_000).full_ucr


def test_its_settlement_is_charged_and_counted_in_each_limit() -> None:
    ask = settlement(
        kept(),
        Usage(input_uncached=10, output_text=3),
        price=PRICE,
        provenance=Provenance.REPORTED,
        now_ms=61_500,
        held_ucr=55,
    )

    assert (21, 55, 1_500, "v1") == (
        ask.event.charge_ucr,
        ask.event.held_ucr,
        ask.event.duration_ms,
        ask.event.rate_version,
    )
    assert (13, 21, 1, 0) == ask.amounts


def test_more_tokens_grow_the_hold_by_what_they_cost_and_the_limits_by_the_same() -> None:
    growth = grown(kept(), 7, PRICE)

    assert (14, (7, 14, 0, 0), 27) == (
        growth.add_ucr,
        growth.adds,
        growth.reservation.output_tokens,
    )


def test_a_sign_of_life_without_usage_owes_nothing_and_not_even_the_fee() -> None:
    ask = extension(grown(kept(), 0, PRICE), sequence=1, lease_ms=5, used=NOTHING, price=PRICE)
    told = extension(
        grown(kept(), 0, PRICE), sequence=1, lease_ms=5, used=Usage(output_text=1), price=PRICE
    )

    assert (0, (0, 0, 0, 0), 0) == (ask.event.charge_ucr, ask.amounts, ask.add_ucr)
    assert (7, (1, 7, 1, 0)) == (told.event.charge_ucr, told.amounts)


@pytest.mark.parametrize(
    "used", [Usage(pieces=(("image", 1),)), Usage(output_text=1, service_tier="priority")]
)
def test_what_has_no_price_is_not_charged_but_refused(used: Usage) -> None:
    with pytest.raises(Forbidden) as refused:
        settlement(kept(), used, price=PRICE, provenance=Provenance.REPORTED)

    assert "model_not_priced" == refused.value.code


def test_more_than_the_ledger_counts_is_refused() -> None:
    huge = Usage(output_text=2**53)
    with pytest.raises(BadCall):
        settlement(kept(), huge, price=PRICE, provenance=Provenance.REPORTED)
    call = outside_call("m", price=PRICE, max_output_tokens=1, pieces=())
    with pytest.raises(BadCall):
        _ = Wish(hold_id="h", payer=paying(), line=LINE, call=call, input_tokens=2**53).size


def test_a_model_is_priced_by_its_route_or_without_one_by_its_name() -> None:
    routes = (Route(match="fast", provider="p", upstream_model="m"),)

    assert ("p", "m", "m") == _facts(line_of("fast", routes=routes, rate_card=CARD))
    assert (EXTERNAL, "m", "m") == _facts(line_of("m", routes=routes, rate_card=CARD))
    with pytest.raises(Forbidden):
        line_of("other", routes=routes, rate_card=CARD)


def _facts(line: Line) -> tuple[str, str, str]:
    return line.provider, line.model, line.priced_as


def test_a_keys_own_models_and_limits_count() -> None:
    own = Limit(unit=Unit.TOKENS, ceiling=1, window=Window.DAY, scope=Scope.KEY)
    key = VirtualKey(
        key_id="k", account_id="acme", digest="", models=("m",), limits=(own,), expires_ms=9
    )
    payer = Payer(Account(account_id="acme", plan="test"), Plan(name="test"), key)

    payer.check_model("m")
    payer.check_active(8)
    assert (own,) == payer.limits
    with pytest.raises(Forbidden):
        payer.check_model("n")
    with pytest.raises(Forbidden):
        payer.check_active(9)
    revoked = VirtualKey(key_id="k", account_id="acme", digest="", status=Status.REVOKED)
    with pytest.raises(Forbidden):
        Payer(payer.account, payer.plan, revoked).check_active(0)
