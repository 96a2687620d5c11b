"""One mechanism for every limit: a call's charges, and the windows they fall into."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.limits import (
    BUCKET_GRACE_MS,
    Limit,
    Need,
    Scope,
    Unit,
    Whose,
    Window,
    amounts_of,
    charges_for,
    effective_limits,
    window_bounds,
)

NEED = Need(least_ucr=10, full_ucr=20, least_tokens=30, full_tokens=40)
NOON = int(datetime(2026, 2, 14, 12, 34, 56, tzinfo=UTC).timestamp()) * 1000 + 789


def charges(*limits, now_ms=NOON):
    return charges_for(limits, NEED, whose=Whose("a1", "p1", "k1"), now_ms=now_ms)


@pytest.mark.parametrize(
    ("unit", "least", "full"),
    [
        (Unit.MICROCREDITS, 10, 20),
        (Unit.TOKENS, 30, 40),
        (Unit.REQUESTS, 1, 1),
        (Unit.CALLS, 1, 1),
    ],
)
def test_a_charge_holds_what_its_unit_needs(unit, least, full):
    (charge,) = charges(Limit(unit=unit, ceiling=100))

    assert (least, full) == (charge.least, charge.full)
    assert charge.ceiling == 100


def test_charges_keep_the_order_of_their_limits():
    limits = [Limit(unit=unit, ceiling=1, window=Window.DAY) for unit in Unit]

    assert limits == [charge.limit for charge in charges(*limits)]


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window.MINUTE, "2026-02-14T12:34:00", "2026-02-14T12:35:00"),
        (Window.HOUR, "2026-02-14T12:00:00", "2026-02-14T13:00:00"),
        (Window.DAY, "2026-02-14T00:00:00", "2026-02-15T00:00:00"),
        (Window.MONTH, "2026-02-01T00:00:00", "2026-03-01T00:00:00"),
    ],
)
def test_windows_are_those_of_the_utc_calendar(window, start, end):
    expected = tuple(
        int(datetime.fromisoformat(f"{moment}+00:00").timestamp()) * 1000 for moment in (start, end)
    )

    assert expected == window_bounds(window, NOON)


@given(
    window=st.sampled_from([each for each in Window if each not in (Window.NONE, Window.TOTAL)]),
    now_ms=st.integers(min_value=0, max_value=4_000_000_000_000),
)
def test_windows_meet_without_gap_or_overlap(window, now_ms):
    start_ms, end_ms = window_bounds(window, now_ms)

    assert start_ms <= now_ms < end_ms
    assert window_bounds(window, end_ms)[0] == end_ms
    assert window_bounds(window, start_ms) == (start_ms, end_ms)


def test_a_bucket_outlives_its_window():
    (charge,) = charges(Limit(unit=Unit.TOKENS, ceiling=1, window=Window.DAY))

    assert charge.resets_ms + BUCKET_GRACE_MS == charge.expires_ms
    assert charge.resets_ms > NOON


def test_parallel_calls_have_no_window_and_are_never_forgotten():
    (charge,) = charges(Limit(unit=Unit.CALLS, ceiling=3))

    assert (charge.resets_ms, charge.expires_ms) == (0, 0)
    assert charge.limit.name == "calls_in_parallel"


def test_buckets_differ_by_owner_unit_window_and_time():
    limits = [
        Limit(unit=unit, ceiling=1, window=window, scope=scope)
        for unit in (Unit.MICROCREDITS, Unit.TOKENS, Unit.REQUESTS)
        for window in Window
        for scope in Scope
    ]
    at_noon = {charge.bucket for charge in charges(*limits)}
    next_month = {charge.bucket for charge in charges(*limits, now_ms=NOON + 31 * 86_400_000)}
    timeless = {charge.bucket for charge in charges(*limits) if not charge.resets_ms}

    assert len(at_noon) == len(limits)
    assert at_noon & next_month == timeless


def test_a_shadow_limit_beside_a_real_one_counts_in_its_own_bucket():
    """In a bucket they shared, each call would be counted twice and the real limit halved."""
    real = Limit(unit=Unit.TOKENS, ceiling=100, window=Window.DAY)
    tried = Limit(unit=Unit.TOKENS, ceiling=50, window=Window.DAY, shadow=True)

    buckets = [charge.bucket for charge in charges(real, tried)]

    assert len(set(buckets)) == 2


def test_keys_of_one_account_share_its_bucket_and_keep_their_own():
    limits = (
        Limit(unit=Unit.REQUESTS, ceiling=9, window=Window.MINUTE),
        Limit(unit=Unit.REQUESTS, ceiling=3, window=Window.MINUTE, scope=Scope.KEY),
    )
    first = charges_for(limits, NEED, whose=Whose("a1", key_id="k1"), now_ms=NOON)
    second = charges_for(limits, NEED, whose=Whose("a1", key_id="k2"), now_ms=NOON)

    assert first[0].bucket == second[0].bucket
    assert first[1].bucket != second[1].bucket


@pytest.mark.parametrize(
    ("unit", "amount"),
    [
        (Unit.MICROCREDITS, 700),
        (Unit.TOKENS, 50),
        # The request was made; the call is over.
        (Unit.REQUESTS, 1),
        (Unit.CALLS, 0),
    ],
)
def test_settlement_books_what_was_used(unit, amount):
    held = charges(Limit(unit=unit, ceiling=1))
    assert (amount,) == amounts_of(held, charge_ucr=700, tokens=50)


def test_a_keys_own_limit_replaces_the_plans_of_the_same_kind():
    plan = (
        Limit(unit=Unit.REQUESTS, ceiling=60, window=Window.MINUTE, scope=Scope.KEY),
        Limit(unit=Unit.REQUESTS, ceiling=900, window=Window.MINUTE),
    )
    own = Limit(unit=Unit.REQUESTS, ceiling=5, window=Window.MINUTE, scope=Scope.KEY)

    assert plan == effective_limits(plan, ())
    assert (plan[1], own) == effective_limits(plan, (own,))


def test_a_call_of_no_project_or_key_is_held_to_none_of_their_limits():
    limits = tuple(
        Limit(unit=Unit.TOKENS, ceiling=9, window=Window.DAY, scope=scope) for scope in Scope
    )

    charges = charges_for(limits, NEED, whose=Whose("a1"), now_ms=NOON)

    assert [Scope.ACCOUNT] == [charge.limit.scope for charge in charges]


def test_projects_of_two_accounts_never_share_a_bucket():
    limit = Limit(unit=Unit.TOKENS, ceiling=9, window=Window.DAY, scope=Scope.PROJECT)

    buckets = {
        charge.bucket
        for whose in (Whose("a1", "p1"), Whose("a2", "p1"), Whose("a1", "p2"))
        for charge in charges_for((limit,), NEED, whose=whose, now_ms=NOON)
    }

    assert 3 == len(buckets)


def test_a_total_never_resets_and_is_never_forgotten():
    limit = Limit(unit=Unit.MICROCREDITS, ceiling=9, window=Window.TOTAL, scope=Scope.KEY)

    (now,), (later,) = charges(limit), charges(limit, now_ms=NOON + 400 * 86_400_000)

    assert now == later
    assert (0, 0) == (now.resets_ms, now.expires_ms)
    assert "microcredits_in_total" == limit.name
