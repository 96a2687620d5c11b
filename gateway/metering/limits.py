"""Every limit is one mechanism: a charge on a bucket.

A limit kind differs only in its unit, its window and whose bucket it fills. The store knows
none of that: it holds `least` (or `full`, where there is ample room) units in a bucket unless
that would pass the ceiling, and at settlement replaces what is held by what was used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from gateway.metering.periods import Every, calendar_anchor, period_around
from gateway.values import call_value, maker, small_value

# A bucket outlives its window by what a caller's clock may be off, twice: nobody is counted in it
# later than that.
BUCKET_GRACE_MS = 2_000
MINUTE_MS = 60_000


class Unit(StrEnum):
    """What a limit counts. REQUESTS stay counted, CALLS are given back when the call ends."""

    MICROCREDITS = "microcredits"
    TOKENS = "tokens"
    REQUESTS = "requests"
    CALLS = "calls"


# As people write them: they think in credits, the ledger counts in microcredits.
UNITS: Mapping[str, Unit] = {
    "requests": Unit.REQUESTS,
    "tokens": Unit.TOKENS,
    "calls": Unit.CALLS,
    "credits": Unit.MICROCREDITS,
}


class Window(StrEnum):
    """UTC calendar windows, weeks from Monday. NONE is for parallel calls, which have no period;
    TOTAL never ends: what was used stays used."""

    NONE = "none"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


BUDGET_WINDOWS = (Window.DAY, Window.WEEK, Window.MONTH, Window.TOTAL)
"""Those of budgets; what is shorter is a rate."""


class Scope(StrEnum):
    """Whose bucket: one per account, one for each of its projects, or one for each key."""

    ACCOUNT = "account"
    PROJECT = "project"
    KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    unit: Unit
    ceiling: int
    window: Window = Window.NONE
    scope: Scope = Scope.ACCOUNT
    shadow: bool = False
    """Count and report, never refuse."""

    name: str = field(init=False, compare=False, repr=False)
    """As users write it: `tokens_per_minute`, `calls_in_parallel`, `tokens_in_total`."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        name = f"{self.unit}_per_{self.window}"
        if self.unit is Unit.CALLS:
            name = "calls_in_parallel"
        elif self.window is Window.TOTAL:
            name = f"{self.unit}_in_total"
        object.__setattr__(self, "name", name)
        kind = (self.unit, self.ceiling, self.window, self.scope, self.shadow)
        object.__setattr__(self, "_hash", hash(kind))

    def __hash__(self) -> int:
        """Limits are looked up with every call, and an enum's own hash is slow."""
        return self._hash


@small_value
class Need:
    """What a call may use: the least that must fit now, and its worst case."""

    least_ucr: int
    full_ucr: int
    least_tokens: int
    full_tokens: int


@call_value
class Charge:
    """Hold `least` units in `bucket`, or `full` if the room is ample, within `ceiling`.

    `expires_ms` is when the store may forget the bucket (0: never); a shadow charge never
    refuses. `resets_ms` is when the window ends (0: it has none).
    """

    limit: Limit
    bucket: str
    least: int
    full: int
    resets_ms: int
    expires_ms: int

    @property
    def ceiling(self) -> int:
        return self.limit.ceiling


def effective_limits(plan: tuple[Limit, ...], *own: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """The plan's limits and others' own, which replace those of the same kind."""
    for limits in own:
        if limits:
            kinds = {_kind(limit) for limit in limits}
            plan = tuple(limit for limit in plan if _kind(limit) not in kinds) + limits
    return plan


def raised(plan: tuple[Limit, ...], key: tuple[Limit, ...]) -> Limit | None:
    """The first of the plan's limits that one of the key's own would take the place of with a
    higher ceiling."""
    own = {_kind(limit): limit.ceiling for limit in key}
    return next((limit for limit in plan if own.get(_kind(limit), 0) > limit.ceiling), None)


def unpaced(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Those that count for a batch: its tokens are served over a day, whatever a minute allows."""
    paced = (Window.MINUTE, Window.HOUR)
    return tuple(
        limit for limit in limits if limit.unit is not _TOKENS or limit.window not in paced
    )


def _kind(limit: Limit) -> tuple[Unit, Window, Scope, bool]:
    return limit.unit, limit.window, limit.scope, limit.shadow


class Whose(NamedTuple):
    """Whose buckets a call is counted in; "" where there is no such."""

    account_id: str
    project_id: str = ""
    key_id: str = ""


def charges_for(
    limits: tuple[Limit, ...], need: Need, *, whose: Whose, now_ms: int
) -> tuple[Charge, ...]:
    """The charges of one call; `now_ms` is the ledger's clock, which decides the windows."""
    return charges_in(slots(limits, whose, now_ms // MINUTE_MS), need)


def charges_in(slots: "tuple[Slot, ...]", need: Need) -> tuple[Charge, ...]:
    """The same where it is known in which buckets."""
    least = _by_unit(need.least_ucr, need.least_tokens, calls=1)
    full = _by_unit(need.full_ucr, need.full_tokens, calls=1)
    return tuple(
        [
            _charge(
                limit=slot.limit,
                bucket=slot.bucket,
                least=least[slot.unit],
                full=full[slot.unit],
                resets_ms=slot.resets_ms,
                expires_ms=slot.expires_ms,
            )
            for slot in slots
        ]
    )


_charge = maker(Charge)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a limit is counted in the current window: the same for all calls of a key."""

    limit: Limit
    bucket: str
    resets_ms: int
    expires_ms: int
    unit: str
    """The limit's, in plain text: see `_by_unit`."""


@lru_cache(maxsize=16_384)
def slots(limits: tuple[Limit, ...], whose: Whose, minute: int) -> tuple[Slot, ...]:
    """Where calls of that minute are counted."""
    # A limit for each project is no concern of a call that belongs to none.
    owners = {
        Scope.ACCOUNT: f"a:{whose.account_id}",
        Scope.PROJECT: whose.project_id and f"p:{whose.account_id}:{whose.project_id}",
        Scope.KEY: whose.key_id and f"k:{whose.key_id}",
    }
    return tuple(
        _slot(limit, owners[limit.scope], minute * MINUTE_MS)
        for limit in limits
        if owners[limit.scope]
    )


def _slot(limit: Limit, owner: str, now_ms: int) -> Slot:
    start_ms, end_ms = window_bounds(limit.window, now_ms)
    # A shadow limit tries out another ceiling beside the real one: in the real one's bucket it
    # would count every call twice.
    kind = "shadow:" if limit.shadow else ""
    return Slot(
        limit,
        bucket=f"{owner}:{kind}{limit.name}:{start_ms}",
        resets_ms=end_ms,
        expires_ms=end_ms + BUCKET_GRACE_MS if end_ms else 0,
        unit=limit.unit.value,
    )


def in_unit(unit: Unit, *, ucr: int, tokens: int, otherwise: int) -> int:
    """Which amount counts in a bucket of that unit; `otherwise` where it is calls that count."""
    if unit is _TOKENS:
        return tokens
    return ucr if unit is _MICROCREDITS else otherwise


# Members of an enum are looked up slowly, and these for each limit of each call.
_MICROCREDITS, _TOKENS = Unit.MICROCREDITS, Unit.TOKENS


def amounts_of(charges: tuple[Charge, ...], *, charge_ucr: int, tokens: int) -> tuple[int, ...]:
    """What settlement books in each of the charges' buckets, in place of what was held."""
    booked = _by_unit(charge_ucr, tokens, calls=0)
    return tuple([booked[held.limit.unit._value_] for held in charges])


def _by_unit(ucr: int, tokens: int, *, calls: int) -> dict[str, int]:
    """What counts of one call, by the units' plain texts: as a key, an enum member is hashed by
    slow code, and this is asked for each limit of each call."""
    return {"microcredits": ucr, "tokens": tokens, "requests": 1, "calls": calls}


def window_bounds(window: Window, now_ms: int) -> tuple[int, int]:
    """Start and end of the UTC window around `now_ms`, in ms; (0, 0) for one without an end."""
    match window:
        case Window.NONE | Window.TOTAL:
            return 0, 0
        case Window.MINUTE | Window.HOUR:
            length_ms = _LENGTH_MS[window]
            start_ms = now_ms - now_ms % length_ms
            return start_ms, start_ms + length_ms
        case Window.DAY | Window.WEEK | Window.MONTH:
            every = _EVERY[window]
            period = period_around(now_ms, every=every, anchor_ms=calendar_anchor(every))
            return period.start_ms, period.end_ms


_LENGTH_MS = {Window.MINUTE: MINUTE_MS, Window.HOUR: 3_600_000}
_EVERY = {Window.DAY: Every.DAY, Window.WEEK: Every.WEEK, Window.MONTH: Every.MONTH}
