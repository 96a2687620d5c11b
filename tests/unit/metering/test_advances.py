"""What of an advance may be promised, for how long, and when it goes back."""

from dataclasses import replace

import pytest

from gateway.metering.advances import (
    COUNTED,
    IDLE_MS,
    LEASES_BEYOND,
    Advance,
    Drawn,
    Step,
    asked_of,
    changed,
    fitting,
    kept,
    next_step,
    promised,
    taken,
    unusable,
)
from gateway.metering.limits import Limit, Scope, Unit, Window
from gateway.metering.plans import Away, Plan

AWAY = Away(advance_ucr=1_000, usable_ms=60_000)
CALL_LEASE_MS = 30_000
# Two minutes before the end of a UTC day.
NOW_MS = 1_795_737_480_000
DAILY = Limit(unit=Unit.MICROCREDITS, ceiling=9_000, window=Window.DAY)
ADVANCE = Advance(
    hold_id="advance_1",
    account_id="acme",
    charges=(),
    held_ucr=1_000,
    taken_ms=0,
    until_ms=180_000,
)


def _asked(*limits: Limit):
    plan = Plan(name="p", limits=limits, away=AWAY)
    return asked_of(
        plan, AWAY, "advance_1", account_id="acme", call_lease_ms=CALL_LEASE_MS, now_ms=NOW_MS
    )


def _step(advance: Advance | None, *, away: Away | None = AWAY, low=False, idle_ms=0, now_ms=1):
    return next_step(
        advance, away, low=low, idle_ms=idle_ms, call_lease_ms=CALL_LEASE_MS, now_ms=now_ms
    )


def test_it_is_all_or_nothing_and_bound_to_no_key():
    ask = _asked()

    assert (0, 1_000, "") == (ask.least_ucr, ask.full_ucr, ask.key_id)
    assert AWAY.usable_ms + LEASES_BEYOND * CALL_LEASE_MS == ask.lease_ms


def test_it_holds_in_the_accounts_limits_in_credits_and_is_counted():
    of_key = replace(DAILY, scope=Scope.KEY)
    requests = Limit(unit=Unit.REQUESTS, ceiling=5, window=Window.DAY)

    ask = _asked(DAILY, of_key, requests, replace(DAILY, shadow=True))

    assert (*COUNTED, DAILY) == tuple(charge.limit for charge in ask.charges)
    assert [(0, 1_000), (1, 1), (0, 1_000)] == [(each.least, each.full) for each in ask.charges]


def test_it_ends_with_the_window_that_it_was_held_in():
    assert 7 + 120_000 == taken(_asked(DAILY), 1_000, asked_ms=7).until_ms
    assert 7 + 180_000 == taken(_asked(), 1_000, asked_ms=7).until_ms


def test_a_call_gets_its_worst_case_where_there_is_ample_room_else_the_least():
    assert 250 == fitting(ADVANCE, least_ucr=10, full_ucr=250)
    assert 10 == fitting(ADVANCE, least_ucr=10, full_ucr=251)
    assert 1_000 == fitting(ADVANCE, least_ucr=1_000, full_ucr=1_000)
    assert None is fitting(ADVANCE, least_ucr=1_001, full_ucr=1_001)


def test_what_is_promised_is_not_promised_again():
    advance = changed(promised(ADVANCE, 600), before_ucr=600, after_ucr=900)

    assert 100 == advance.left_ucr
    assert None is fitting(advance, least_ucr=101, full_ucr=101)
    assert ADVANCE == kept(advance, 900)


def test_a_charge_above_its_hold_leaves_nothing_rather_than_less():
    assert 0 == changed(promised(ADVANCE, 900), before_ucr=900, after_ucr=1_200).left_ucr


@pytest.mark.parametrize(
    ("heard_ms", "now_ms", "why"),
    [(0, 59_999, None), (0, 60_000, Drawn.TOO_LATE), (170_000, 180_000, Drawn.TOO_LATE)],
)
def test_it_is_used_for_a_bounded_time_after_the_store_was_heard(heard_ms, now_ms, why):
    assert why == unusable(ADVANCE, AWAY, (), heard_ms=heard_ms, now_ms=now_ms)


def test_the_store_was_heard_when_it_was_taken_whatever_else_it_did_not_answer():
    """As in the first second of a process on a busy machine."""
    fresh = replace(ADVANCE, taken_ms=100_000)
    assert None is unusable(fresh, AWAY, (), heard_ms=0, now_ms=159_999)
    assert Drawn.TOO_LATE is unusable(fresh, AWAY, (), heard_ms=0, now_ms=160_000)


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        (DAILY, None),
        (replace(DAILY, scope=Scope.KEY), Drawn.BUDGET),
        (replace(DAILY, scope=Scope.PROJECT, window=Window.MINUTE), Drawn.BUDGET),
        (replace(DAILY, scope=Scope.KEY, shadow=True), None),
        (Limit(unit=Unit.TOKENS, ceiling=9, window=Window.MONTH), Drawn.BUDGET),
        (Limit(unit=Unit.REQUESTS, ceiling=9, window=Window.TOTAL), Drawn.BUDGET),
        (Limit(unit=Unit.TOKENS, ceiling=9, window=Window.MINUTE), None),
        (Limit(unit=Unit.REQUESTS, ceiling=9, window=Window.HOUR), None),
        (Limit(unit=Unit.CALLS, ceiling=9), None),
    ],
)
def test_budgets_that_it_does_not_hold_wait_for_the_store_and_rates_do_not(limit, why):
    assert why == unusable(ADVANCE, AWAY, (limit,), heard_ms=0, now_ms=1)


def test_it_is_exchanged_once_a_lease_and_goes_back_when_it_is_not_wanted():
    assert Step.EXCHANGE == _step(None)
    assert Step.NOTHING == _step(ADVANCE)
    assert Step.EXCHANGE == _step(ADVANCE, now_ms=CALL_LEASE_MS)
    assert Step.RETURN == _step(ADVANCE, low=True)
    assert Step.RETURN == _step(ADVANCE, idle_ms=IDLE_MS)
    assert Step.RETURN == _step(ADVANCE, away=None)
    assert Step.NOTHING == _step(None, low=True)


def test_it_stands_while_anything_is_promised_of_it_and_goes_back_then():
    """So credit that was short when the charges came is there again."""
    drawn = replace(promised(ADVANCE, 10), charged=True)

    assert Step.NOTHING == _step(drawn, low=True, idle_ms=IDLE_MS, away=None)
    assert Step.RETURN == _step(kept(drawn, 10))
