"""Which grants an account is due, and what another plan's allowance comes to."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.accounts import Account, Status
from gateway.metering.allowances import AHEAD_MS, due
from gateway.metering.balance import Balance, GrantState
from gateway.metering.ledger import Grant, GrantKind, VoidGrant
from gateway.metering.periods import DAY_MS, Anchor, Every
from gateway.metering.plans import Allowance, FirstPeriod, Plan, PlanChange


def ms(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1000)


JANUARY, FEBRUARY, MARCH = ms("2026-01-01"), ms("2026-02-01"), ms("2026-03-01")
BEGAN = ms("2026-01-17 08:30")
MONTHLY = Allowance(amount_ucr=3_100)
ACCOUNT = Account(account_id="acme", plan="small", created_ms=BEGAN)


def plans(**allowances: Allowance | None) -> dict[str, Plan]:
    return {name: Plan(name=name, allowance=each) for name, each in allowances.items()}


def balance(now_ms: int, *grants: GrantState) -> Balance:
    return Balance(
        account_id="acme",
        available_ucr=0,
        held_ucr=0,
        overdraft_held_ucr=0,
        debt_ucr=0,
        observed_ucr=0,
        charged_ucr=0,
        corrected_ucr=0,
        granted_ucr=0,
        live_holds=0,
        now_ms=now_ms,
        grants=grants,
    )


def state(grant: Grant, *, consumed_ucr: int = 0, voided_ucr: int = 0) -> GrantState:
    return GrantState(
        grant_id=grant.grant_id,
        kind=grant.kind,
        amount_ucr=grant.amount_ucr,
        remaining_ucr=grant.amount_ucr - consumed_ucr - voided_ucr,
        held_ucr=0,
        consumed_ucr=consumed_ucr,
        expired_ucr=0,
        voided_ucr=voided_ucr,
        priority=grant.priority,
        effective_ms=grant.effective_ms,
        expires_ms=grant.expires_ms,
        note=grant.note,
    )


def terms(grants):
    return [(each.effective_ms, each.expires_ms, each.amount_ucr) for each in grants]


def test_a_new_account_gets_all_of_the_period_it_begins_in():
    asked = due(ACCOUNT, plans(small=MONTHLY), balance(BEGAN))

    assert [(BEGAN, FEBRUARY, 3_100)] == terms(asked.grants)
    assert FEBRUARY - AHEAD_MS == asked.look.next_ms


def test_or_the_part_of_it_that_is_left():
    prorated = replace(MONTHLY, first_period=FirstPeriod.PRORATED)

    asked = due(ACCOUNT, plans(small=prorated), balance(BEGAN))

    # 14 days and 15.5 hours of 31 days, rounded up.
    assert [(BEGAN, FEBRUARY, 1_465)] == terms(asked.grants)


def test_the_next_period_is_made_a_day_ahead():
    before = due(ACCOUNT, plans(small=MONTHLY), balance(FEBRUARY - AHEAD_MS - 1))
    then = due(ACCOUNT, plans(small=MONTHLY), balance(FEBRUARY - AHEAD_MS))

    assert [BEGAN] == [grant.effective_ms for grant in before.grants]
    assert [(BEGAN, FEBRUARY, 3_100), (FEBRUARY, MARCH, 3_100)] == terms(then.grants)
    assert MARCH - AHEAD_MS == then.look.next_ms


def test_what_is_there_is_not_asked_for_again():
    made = due(ACCOUNT, plans(small=MONTHLY), balance(BEGAN)).grants

    again = due(ACCOUNT, plans(small=MONTHLY), balance(BEGAN + 1, *map(state, made)))

    assert [] == again.grants


def test_an_accounts_own_periods_begin_when_it_did():
    own = replace(MONTHLY, anchor=Anchor.ACCOUNT)

    asked = due(ACCOUNT, plans(small=own), balance(ms("2026-02-20")))
    anchored = replace(ACCOUNT, anchor_ms=ms("2025-06-05"))
    by_anchor = due(anchored, plans(small=own), balance(ms("2026-02-20")))

    assert [(ms("2026-02-17 08:30"), ms("2026-03-17 08:30"), 3_100)] == terms(asked.grants)
    assert [(ms("2026-02-05"), ms("2026-03-05"), 3_100)] == terms(by_anchor.grants)


def test_the_rest_rolls_over_for_as_many_periods():
    rolling = replace(MONTHLY, rollover_ucr=500, rollover_periods=2)

    (grant,) = due(ACCOUNT, plans(small=rolling), balance(BEGAN)).grants

    assert (500, ms("2026-04-01")) == (grant.rollover_ucr, grant.rollover_ms)


def test_a_closed_account_is_due_nothing():
    closed = replace(ACCOUNT, status=Status.CLOSED)

    assert [] == [*due(closed, plans(small=MONTHLY), balance(BEGAN)).grants]


MOVED = ms("2026-02-15")


def moved(account: Account, plan: str, at_ms: int) -> Account:
    return account.moved(plan, at_ms)


def test_the_new_plans_allowance_begins_with_the_next_period():
    large = Allowance(amount_ucr=9_000)
    both = plans(small=MONTHLY, large=large)
    old = due(ACCOUNT, both, balance(FEBRUARY)).grants
    account = moved(ACCOUNT, "large", MOVED)

    at_once = due(account, both, balance(MOVED, *map(state, old)))
    later = due(account, both, balance(MARCH - AHEAD_MS, *map(state, old)))

    assert ([], []) == ([*at_once.grants], [*at_once.voids])
    assert [(MARCH, ms("2026-04-01"), 9_000)] == terms(later.grants)
    assert MARCH - AHEAD_MS == at_once.look.next_ms


def test_what_the_old_plan_gave_ahead_is_taken_back():
    both = plans(small=MONTHLY, large=Allowance(amount_ucr=9_000))
    ahead_ms = MARCH - 1000
    old = due(ACCOUNT, both, balance(ahead_ms)).grants

    asked = due(moved(ACCOUNT, "large", ahead_ms), both, balance(ahead_ms, *map(state, old)))

    assert [VoidGrant(old[1].grant_id, "acme")] == asked.voids
    assert [(MARCH, ms("2026-04-01"), 9_000)] == terms(asked.grants)


def test_prorated_both_plans_count_for_their_time():
    """On the 15th of 28 days: half of the old allowance is taken back, half of the new given."""
    both = plans(small=MONTHLY, large=Allowance(amount_ucr=9_000, plan_change=PlanChange.PRORATED))
    old = due(ACCOUNT, both, balance(FEBRUARY)).grants
    asked = due(moved(ACCOUNT, "large", MOVED), both, balance(MOVED, *map(state, old)))

    assert [VoidGrant(old[0].grant_id, "acme", 1_550)] == asked.voids
    assert [(MOVED, MARCH, 4_500)] == terms(asked.grants)

    taken = state(old[0], voided_ucr=1_550)
    assert [] == due(moved(ACCOUNT, "large", MOVED), both, balance(MOVED + 1, taken)).voids


def test_a_week_bridges_to_a_month():
    """The weekly allowance ends on Monday the 16th; the monthly one begins there, with its part."""
    both = plans(small=Allowance(amount_ucr=700, every=Every.WEEK), large=MONTHLY)

    asked = due(moved(ACCOUNT, "large", MOVED), both, balance(MOVED))

    assert [(ms("2026-02-16"), MARCH, -(-3_100 * 13 // 28))] == terms(asked.grants)


def test_from_a_plan_without_allowance_it_begins_at_once():
    both = plans(small=None, large=MONTHLY)

    asked = due(moved(ACCOUNT, "large", MOVED), both, balance(MOVED))

    assert [(MOVED, MARCH, 1_550)] == terms(asked.grants)


def test_who_comes_back_to_a_plan_does_not_meet_its_old_grants():
    """Void ones among them: their ids are used up."""
    both = plans(small=MONTHLY, large=Allowance(amount_ucr=9_000))
    ahead_ms = MARCH - 1000
    first = due(ACCOUNT, both, balance(ahead_ms)).grants
    account = moved(moved(ACCOUNT, "large", ahead_ms), "small", ahead_ms + 1)
    void = state(first[1], voided_ucr=3_100)

    asked = due(account, both, balance(ahead_ms + 1, state(first[0]), void))

    assert [(MARCH, ms("2026-04-01"), 3_100)] == terms(asked.grants)
    assert first[1].grant_id not in [grant.grant_id for grant in asked.grants]


def test_what_was_bought_and_given_away_is_nobodys_allowance():
    bought = Grant(grant_id="g1", account_id="acme", amount_ucr=10)
    both = plans(small=MONTHLY, large=Allowance(amount_ucr=9_000, plan_change=PlanChange.PRORATED))

    asked = due(moved(ACCOUNT, "large", MOVED), both, balance(MOVED, state(bought)))

    assert [] == asked.voids


def test_the_end_of_a_grant_is_told_in_time():
    plan = Plan(name="small", expiry_notice_ms=7 * DAY_MS)
    bought = replace(
        state(Grant(grant_id="g1", account_id="acme", amount_ucr=10)),
        expires_ms=BEGAN + 8 * DAY_MS,
    )

    early = due(ACCOUNT, {"small": plan}, balance(BEGAN, bought)).look
    in_time = due(ACCOUNT, {"small": plan}, balance(BEGAN + DAY_MS, bought)).look

    assert ((), BEGAN + DAY_MS) == (early.expiring, early.next_ms)
    assert (("g1",), 0) == (in_time.expiring, in_time.next_ms)


@given(
    every=st.sampled_from(Every),
    anchor=st.sampled_from(Anchor),
    began_ms=st.integers(ms("2026-01-01"), ms("2029-01-01")),
    steps=st.lists(st.integers(1, 40 * DAY_MS), max_size=12),
)
def test_whenever_somebody_looks_each_moment_has_one_allowance(every, anchor, began_ms, steps):
    """Looks at any times, or late: no two grants of the plan are in force at once, and at each look
    one is."""
    account = replace(ACCOUNT, created_ms=began_ms)
    known: dict[str, GrantState] = {}
    now_ms = began_ms
    for step in [0, *steps]:
        now_ms += step
        asked = due(
            account,
            plans(small=Allowance(amount_ucr=100, every=every, anchor=anchor)),
            balance(now_ms, *known.values()),
        )
        known |= {grant.grant_id: state(grant) for grant in asked.grants}

        in_force = [
            grant for grant in known.values() if grant.effective_ms <= now_ms < grant.expires_ms
        ]
        assert 1 == len(in_force)
        assert GrantKind.ALLOWANCE is in_force[0].kind
        # Whoever looks again then finds the next one not made yet, and in time.
        assert now_ms < asked.look.next_ms
    spans = sorted((grant.effective_ms, grant.expires_ms) for grant in known.values())
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("change", PlanChange)
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(["small", "large"]), st.integers(1, 20 * DAY_MS)), max_size=8
    )
)
def test_no_change_of_plans_gives_more_than_the_time_on_them(change, changes):
    """Whoever goes to and fro has, of grants in force, never more than one period of the larger
    plan together with what is unused of another's (next period), or not even that (prorated)."""
    both = {
        "small": Plan(name="small", allowance=Allowance(amount_ucr=1_000, plan_change=change)),
        "large": Plan(name="large", allowance=Allowance(amount_ucr=5_000, plan_change=change)),
    }
    account, now_ms = replace(ACCOUNT, created_ms=JANUARY), JANUARY
    known: dict[str, GrantState] = {}

    def look() -> None:
        asked = due(account, both, balance(now_ms, *known.values()))
        for void in asked.voids:
            grant = known[void.grant_id]
            total = grant.amount_ucr if void.up_to_ucr is None else void.up_to_ucr
            known[void.grant_id] = replace(
                grant, voided_ucr=total, remaining_ucr=grant.amount_ucr - total
            )
        for grant in asked.grants:
            known.setdefault(grant.grant_id, state(grant))

    look()
    for plan, wait_ms in changes:
        now_ms += wait_ms
        look()
        account = account.moved(plan, now_ms)
        look()
        in_force = sum(
            grant.remaining_ucr
            for grant in known.values()
            if grant.effective_ms <= now_ms < grant.expires_ms
        )
        # A microcredit for each rounding.
        assert in_force <= 5_000 + 2 * len(changes)
