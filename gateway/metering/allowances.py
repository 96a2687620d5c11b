"""Recurring allowances: which grants an account is due, and what its plan takes back.

Pure: from the account, the plans and a moment of the ledger's clock. The grants' ids follow from
account, plan and period, so whoever asks, however often and from wherever, the ledger makes each of
them once. They are due a day ahead, with the period's start as the moment they count from: at the
turn of a period nothing has to run.

When an account changes plans, the limits change at once. The allowance goes by the new plan's
`plan_change`:

- `next_period`: what the old plan gave stays until its period ends. There the new plan's allowance
  begins, with the part of its own period that is then left: all of it if both end together.
- `prorated`: of what the old plan gave the part for the time that is left is taken back, as far as
  it is still there, and the new plan's part for that time is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.metering.accounts import Account, Status
from gateway.metering.alerts import Alert
from gateway.metering.balance import Balance, GrantState, Look
from gateway.metering.ledger import DEFAULT_PRIORITY, Grant, GrantKind, VoidGrant
from gateway.metering.periods import (
    DAY_MS,
    Anchor,
    Period,
    calendar_anchor,
    period_around,
    periods_later,
)
from gateway.metering.plans import Allowance, FirstPeriod, Plan, PlanChange

# Longer than any installation should be without a running gateway.
AHEAD_MS = DAY_MS
PREFIX = "allowance"

Plans = Mapping[str, Plan]


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be asked of the ledger, in this order; asked again it changes nothing more."""

    voids: Sequence[VoidGrant]
    grants: Sequence[Grant]
    look: Look


def due(account: Account, plans: Plans, seen: Balance) -> Due:
    """`seen`: the account's balance just now, which tells the time as well."""
    now_ms = seen.now_ms
    plan = plans.get(account.plan)
    known = {grant.grant_id for grant in seen.grants}
    grants: Sequence[Grant] = ()
    looks = []
    if plan is not None and plan.allowance is not None and account.status is not Status.CLOSED:
        begins_ms = _begins_ms(account, plan.allowance, plans)
        grants = [*_grants(account, plan.allowance, begins_ms, now_ms=now_ms)]
        looks.append(_next_ms(account, plan.allowance, begins_ms, now_ms=now_ms))
    notice_ms = plan.expiry_notice_ms if plan is not None else 0
    ends = {grant.grant_id: grant.expires_ms - notice_ms for grant in _told_of(seen, notice_ms)}
    looks += [told_ms for told_ms in ends.values() if told_ms > now_ms]
    return Due(
        voids=[*_voids(account, plan, seen)],
        grants=[grant for grant in grants if grant.grant_id not in known],
        look=Look(
            account_id=account.account_id,
            seen=seen,
            plan_since_ms=plan_since_ms(account),
            next_ms=min(looks, default=0),
            alerts=alerts_of(account, plan),
            expiring=tuple(name for name, told_ms in ends.items() if told_ms <= now_ms),
        ),
    )


def plan_since_ms(account: Account) -> int:
    return account.since_ms or account.created_ms


def alerts_of(account: Account, plan: Plan | None) -> tuple[Alert, ...]:
    if account.alerts is not None:
        return account.alerts
    return plan.alerts if plan is not None else ()


def current_period(account: Account, allowance: Allowance, moment_ms: int) -> Period:
    return period_around(moment_ms, every=allowance.every, anchor_ms=_anchor_ms(account, allowance))


def next_reset_ms(account: Account, plan: Plan | None, now_ms: int) -> int:
    """When its allowance comes anew; 0 if there is none."""
    if plan is None or plan.allowance is None:
        return 0
    return current_period(account, plan.allowance, now_ms).end_ms


def _anchor_ms(account: Account, allowance: Allowance) -> int:
    if allowance.anchor is Anchor.CALENDAR:
        return calendar_anchor(allowance.every)
    return account.anchor_ms or account.created_ms


def _begins_ms(account: Account, allowance: Allowance, plans: Plans) -> int:
    """From when on the plan's allowance is this account's."""
    since_ms = plan_since_ms(account)
    former = plans.get(account.former_plan)
    if former is None or former.allowance is None or allowance.plan_change is PlanChange.PRORATED:
        return since_ms
    return current_period(account, former.allowance, since_ms).end_ms


def _grants(
    account: Account, allowance: Allowance, begins_ms: int, *, now_ms: int
) -> Iterator[Grant]:
    period = current_period(account, allowance, now_ms)
    while period.start_ms <= now_ms + AHEAD_MS:
        start_ms = max(period.start_ms, begins_ms)
        if start_ms < period.end_ms and start_ms <= now_ms + AHEAD_MS:
            yield _grant(account, allowance, period, start_ms=start_ms)
        period = current_period(account, allowance, period.end_ms)


def _next_ms(account: Account, allowance: Allowance, begins_ms: int, *, now_ms: int) -> int:
    """When the first grant falls due that is not due yet."""
    if begins_ms > now_ms + AHEAD_MS:
        return begins_ms - AHEAD_MS
    return current_period(account, allowance, now_ms + AHEAD_MS).end_ms - AHEAD_MS


def _grant(account: Account, allowance: Allowance, period: Period, *, start_ms: int) -> Grant:
    rollover_ms = 0
    if allowance.rollover_ucr:
        rollover_ms = periods_later(
            period,
            allowance.rollover_periods,
            every=allowance.every,
            anchor_ms=_anchor_ms(account, allowance),
        ).end_ms
    return Grant(
        grant_id=_grant_id(account, start_ms),
        account_id=account.account_id,
        amount_ucr=_amount(account, allowance, period, start_ms=start_ms),
        kind=GrantKind.ALLOWANCE,
        priority=DEFAULT_PRIORITY[GrantKind.ALLOWANCE],
        effective_ms=start_ms,
        expires_ms=period.end_ms,
        note=f"Allowance of the plan {account.plan}",
        rollover_ucr=allowance.rollover_ucr,
        rollover_ms=rollover_ms,
        plan_since_ms=plan_since_ms(account),
    )


def _amount(account: Account, allowance: Allowance, period: Period, *, start_ms: int) -> int:
    new = not account.former_plan
    if start_ms == period.start_ms or (new and allowance.first_period is FirstPeriod.FULL):
        return allowance.amount_ucr
    return period.share_after(start_ms, allowance.amount_ucr)


def _grant_id(account: Account, start_ms: int) -> str:
    """An account that came back to a plan does not meet the grants of its first time there."""
    seconds, ms = divmod(start_ms, 1000)
    start = f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{ms:03d}Z"
    return f"{_family(account)}:{start}"


def _family(account: Account) -> str:
    since = f"@{account.since_ms}" if account.former_plan else ""
    return f"{PREFIX}:{account.plan}{since}"


def is_allowance(grant: GrantState) -> bool:
    return grant.grant_id.startswith(f"{PREFIX}:")


def _voids(account: Account, plan: Plan | None, seen: Balance) -> Iterator[VoidGrant]:
    """Of what other plans gave."""
    family = f"{_family(account)}:"
    allowance = plan.allowance if plan is not None else None
    prorated = allowance is not None and allowance.plan_change is PlanChange.PRORATED
    for grant in seen.grants:
        ours = grant.grant_id.startswith(family) or not is_allowance(grant)
        if ours or not grant.remaining_ucr:
            continue
        if grant.effective_ms > seen.now_ms:
            yield VoidGrant(grant.grant_id, account.account_id)
        elif prorated and not grant.rolled_over:
            up_to_ucr = _unearned_ucr(grant, plan_since_ms(account))
            if up_to_ucr > grant.voided_ucr:
                yield VoidGrant(grant.grant_id, account.account_id, up_to_ucr)


def _unearned_ucr(grant: GrantState, since_ms: int) -> int:
    """The part of a grant for its time after that moment, rounded down."""
    if since_ms >= grant.expires_ms:
        return 0
    left_ms = grant.expires_ms - max(since_ms, grant.effective_ms)
    return grant.amount_ucr * left_ms // (grant.expires_ms - grant.effective_ms)


def _told_of(seen: Balance, notice_ms: int) -> Iterator[GrantState]:
    """Grants whose end is worth a warning: an allowance's is nobody's surprise."""
    for grant in seen.grants:
        lasting = not notice_ms or not grant.expires_ms or is_allowance(grant)
        if not lasting and grant.remaining_ucr:
            yield grant
