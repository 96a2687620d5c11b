"""Credit that a worker took in advance, to serve by while the store is away: never more than that.

An advance is an ordinary hold on an account's credit that no call has. Calls which the store cannot
admit are admitted within it, and what they come to is charged by their own ids when the store is
back; until then it stays promised. So at no time is more promised than is held. Limits in credits
of the whole account are held by it as well, each for its window; what has another budget waits for
the store.

Pure: moments are ms of any clock that does not jump, the same for all that is compared.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.metering.ledger import AMPLE, Release, Reserve
from gateway.metering.limits import (
    BUDGET_WINDOWS,
    Charge,
    Limit,
    Need,
    Scope,
    Unit,
    Whose,
    charges_for,
)
from gateway.metering.plans import Away, Plan

# An advance is exchanged for a new one this often, in leases of a call, and lasts so much longer
# than it may be used: what was promised by then is told to the store while it still stands.
EXCHANGED_LEASES = 1
LEASES_BEYOND = 4
# Nobody called for that long: what was set aside goes back.
IDLE_MS = 120_000

# Begins the name of an advance's hold.
ADVANCE = "advance_"
# Never refuse: they only count what is set aside in advances, and how many these are.
COUNTED = (
    Limit(unit=Unit.MICROCREDITS, ceiling=0, shadow=True),
    Limit(unit=Unit.REQUESTS, ceiling=0, shadow=True),
)


class Drawn(StrEnum):
    """What became of a call that came while the store was away."""

    ADMITTED = "admitted"
    NO_ADVANCE = "no_advance"
    """None was taken: the account was not active, had too little, or too many others have one."""
    INACTIVE = "inactive"
    """The account was suspended or closed when it was last heard of."""
    SPENT = "spent"
    TOO_LATE = "too_late"
    """The store has been away for longer than the plan allows, or a limit's window ended."""
    BUDGET = "budget"
    """It has a limit that only the store knows the state of."""
    UNBOUNDED = "unbounded"
    """It may begin a job, or is a batch."""
    NO_PLACE = "no_place"
    """The disk would not take its settlement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """`promised_ucr`: holds of calls that run on it, and charges the store has not confirmed."""

    hold_id: str
    account_id: str
    charges: tuple[Charge, ...]
    held_ucr: int
    taken_ms: int
    until_ms: int
    """It may expire then, or be in the window of a limit that is over."""
    promised_ucr: int = 0
    promises: int = 0
    charged: bool = False
    """Something was charged that it stood for: it goes back once that is confirmed."""

    @property
    def left_ucr(self) -> int:
        return max(0, self.held_ucr - self.promised_ucr)

    def release(self) -> Release:
        return Release(self.hold_id, self.account_id, self.charges)


def fitting(advance: Advance, *, least_ucr: int, full_ucr: int) -> int | None:
    """What a call is promised: all it may cost where there is ample room, else the least; None if
    that does not fit. (The rule of the reserve script.)"""
    if full_ucr > least_ucr and advance.left_ucr >= AMPLE * full_ucr:
        return full_ucr
    return least_ucr if least_ucr <= advance.left_ucr else None


def promised(advance: Advance, ucr: int) -> Advance:
    return replace(advance, promised_ucr=advance.promised_ucr + ucr, promises=advance.promises + 1)


def changed(advance: Advance, *, before_ucr: int, after_ucr: int) -> Advance:
    """A promise grew with its call, or became what was charged."""
    return replace(advance, promised_ucr=advance.promised_ucr - before_ucr + after_ucr)


def kept(advance: Advance, ucr: int) -> Advance:
    """A promise is over: the store has it, or nothing was served."""
    return replace(advance, promised_ucr=advance.promised_ucr - ucr, promises=advance.promises - 1)


def unusable(
    advance: Advance, away: Away, limits: tuple[Limit, ...], *, heard_ms: int, now_ms: int
) -> Drawn | None:
    """Why nothing of it may be promised now. `limits`: the call's. `heard_ms`: the store was,
    by other questions than the one that the advance was the answer to."""
    if any(map(needs_store, limits)):
        return Drawn.BUDGET
    heard_ms = max(heard_ms, advance.taken_ms)
    if now_ms >= min(heard_ms + away.usable_ms, advance.until_ms):
        return Drawn.TOO_LATE
    return None


def needs_store(limit: Limit) -> bool:
    """A budget that an advance does not hold: only the store knows what is left of it."""
    if limit.shadow:
        return False
    if limit.unit is Unit.MICROCREDITS:
        return limit.scope is not Scope.ACCOUNT
    return limit.unit is not Unit.CALLS and limit.window in BUDGET_WINDOWS


def counted_charges(account_id: str) -> tuple[Charge, ...]:
    """Where it is counted what all workers have of an account in advance: credit, and number."""
    return charges_for(COUNTED, Need(0, 0, 0, 0), whose=Whose(account_id), now_ms=0)


def asked_of(
    plan: Plan, away: Away, hold_id: str, *, account_id: str, call_lease_ms: int, now_ms: int
) -> Reserve:
    """`now_ms`: the ledger's. All of it where the account has ample credit, and else nothing: who
    has little left is to have it for calls."""
    budgets = tuple(
        limit
        for limit in plan.limits
        if limit.unit is Unit.MICROCREDITS and limit.scope is Scope.ACCOUNT and not limit.shadow
    )
    need = Need(least_ucr=0, full_ucr=away.advance_ucr, least_tokens=0, full_tokens=0)
    return Reserve(
        hold_id=hold_id,
        account_id=account_id,
        key_id="",
        least_ucr=0,
        full_ucr=away.advance_ucr,
        charges=charges_for((*COUNTED, *budgets), need, whose=Whose(account_id), now_ms=now_ms),
        lease_ms=away.usable_ms + LEASES_BEYOND * call_lease_ms,
        now_ms=now_ms,
    )


def taken(ask: Reserve, held_ucr: int, *, asked_ms: int, former: Advance | None = None) -> Advance:
    """`asked_ms`: when, by the clock that does not jump. What was promised of `former` is promised
    of this one from now on."""
    ends_ms = min((each.resets_ms for each in ask.charges if each.resets_ms), default=0)
    lasts_ms = min(ask.lease_ms, ends_ms - ask.now_ms) if ends_ms else ask.lease_ms
    return Advance(
        hold_id=ask.hold_id,
        account_id=ask.account_id,
        charges=ask.charges,
        held_ucr=held_ucr,
        taken_ms=asked_ms,
        until_ms=asked_ms + lasts_ms,
        promised_ucr=former.promised_ucr if former else 0,
        promises=former.promises if former else 0,
        charged=former is not None and former.charged,
    )


class Step(StrEnum):
    """What is to be done about an account's advance. EXCHANGE: take a new one, and give the former
    back if there is one."""

    NOTHING = "nothing"
    EXCHANGE = "exchange"
    RETURN = "return"


def next_step(
    advance: Advance | None,
    away: Away | None,
    *,
    low: bool,
    idle_ms: int,
    call_lease_ms: int,
    now_ms: int,
) -> Step:
    """`low`: the account has less free than an advance is."""
    unwanted = away is None or low or idle_ms >= IDLE_MS
    if advance is None:
        return Step.NOTHING if unwanted else Step.EXCHANGE
    if advance.promises:
        # It must stand until the last promise is kept, whatever is wanted.
        unwanted = False
    elif advance.charged:
        # What it stood for was charged beside it: credit that was short by then comes back.
        return Step.RETURN
    if unwanted:
        return Step.RETURN
    old = now_ms - advance.taken_ms >= EXCHANGED_LEASES * call_lease_ms
    return Step.EXCHANGE if old or now_ms >= advance.until_ms else Step.NOTHING
