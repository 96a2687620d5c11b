"""Every limit is one mechanism: a charge on a bucket.

A limit kind differs only in its unit, its window and whose bucket it fills. The store knows
none of that: it holds `least` (or `full`, where there is ample room) units in a bucket unless
that would pass the ceiling, and at settlement replaces what is held by what was used.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from gateway.values import call_value

# A bucket outlives its window by the longest stream we let run, so a late settle finds it.
BUCKET_GRACE_MS = 24 * 3_600_000
MINUTE_MS = 60_000


class Unit(StrEnum):
    """What a limit counts. REQUESTS stay counted, CALLS are given back when the call ends."""

    MICROCREDITS = "microcredits"
    TOKENS = "tokens"
    REQUESTS = "requests"
    CALLS = "calls"


class Window(StrEnum):
    """UTC calendar windows; NONE is for parallel calls, which have no period."""

    NONE = "none"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Scope(StrEnum):
    """Whose bucket: one per account, or one for each key."""

    ACCOUNT = "account"
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
    """As users write it: `tokens_per_minute`, `calls_in_parallel`."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        calls = self.unit is Unit.CALLS
        name = "calls_in_parallel" if calls else f"{self.unit}_per_{self.window}"
        object.__setattr__(self, "name", name)
        kind = (self.unit, self.ceiling, self.window, self.scope, self.shadow)
        object.__setattr__(self, "_hash", hash(kind))

    def __hash__(self) -> int:
        """Limits are looked up with every call, and an enum's own hash is slow."""
        return self._hash


@dataclass(frozen=True, slots=True)
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


def effective_limits(plan: tuple[Limit, ...], key: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """The plan's limits and the key's own, which replaces the plan's limit of the same kind."""
    if not key:
        return plan
    own = {_kind(limit) for limit in key}
    return tuple(limit for limit in plan if _kind(limit) not in own) + key


def unpaced(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Those that count for a batch: its tokens are served over a day, whatever a minute allows."""
    paced = (Window.MINUTE, Window.HOUR)
    return tuple(
        limit for limit in limits if limit.unit is not _TOKENS or limit.window not in paced
    )


def _kind(limit: Limit) -> tuple[Unit, Window, Scope, bool]:
    return limit.unit, limit.window, limit.scope, limit.shadow


def charges_for(
    limits: tuple[Limit, ...], need: Need, *, account_id: str, key_id: str, now_ms: int
) -> tuple[Charge, ...]:
    """The charges of one call; `now_ms` is the ledger's clock, which decides the windows."""
    return tuple(
        [
            Charge(
                limit=slot.limit,
                bucket=slot.bucket,
                least=in_unit(
                    slot.limit.unit, ucr=need.least_ucr, tokens=need.least_tokens, otherwise=1
                ),
                full=in_unit(
                    slot.limit.unit, ucr=need.full_ucr, tokens=need.full_tokens, otherwise=1
                ),
                resets_ms=slot.resets_ms,
                expires_ms=slot.expires_ms,
            )
            for slot in _slots(limits, account_id, key_id, now_ms // MINUTE_MS)
        ]
    )


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a limit is counted in the current window: the same for all calls of a key."""

    limit: Limit
    bucket: str
    resets_ms: int
    expires_ms: int


@lru_cache(maxsize=16_384)
def _slots(
    limits: tuple[Limit, ...], account_id: str, key_id: str, minute: int
) -> tuple[_Slot, ...]:
    return tuple(_slot(limit, account_id, key_id, minute * MINUTE_MS) for limit in limits)


def _slot(limit: Limit, account_id: str, key_id: str, now_ms: int) -> _Slot:
    start_ms, end_ms = window_bounds(limit.window, now_ms)
    owner = f"a:{account_id}" if limit.scope is Scope.ACCOUNT else f"k:{key_id}"
    # A shadow limit tries out another ceiling beside the real one: in the real one's bucket it
    # would count every call twice.
    kind = "shadow:" if limit.shadow else ""
    return _Slot(
        limit,
        bucket=f"{owner}:{kind}{limit.name}:{start_ms}",
        resets_ms=end_ms,
        expires_ms=end_ms + BUCKET_GRACE_MS if end_ms else 0,
    )


def in_unit(unit: Unit, *, ucr: int, tokens: int, otherwise: int) -> int:
    """Which amount counts in a bucket of that unit; `otherwise` where it is calls that count."""
    if unit is _TOKENS:
        return tokens
    return ucr if unit is _MICROCREDITS else otherwise


def used(unit: Unit, *, charge_ucr: int, tokens: int) -> int:
    """What settlement books in a bucket of that unit, in place of what was held."""
    return in_unit(unit, ucr=charge_ucr, tokens=tokens, otherwise=0 if unit is _CALLS else 1)


# Members of an enum are looked up slowly, and these for each limit of each call.
_MICROCREDITS, _TOKENS, _CALLS = Unit.MICROCREDITS, Unit.TOKENS, Unit.CALLS


def amounts_of(charges: tuple[Charge, ...], *, charge_ucr: int, tokens: int) -> tuple[int, ...]:
    """What settlement books in each of the charges' buckets."""
    return tuple([used(held.limit.unit, charge_ucr=charge_ucr, tokens=tokens) for held in charges])


def window_bounds(window: Window, now_ms: int) -> tuple[int, int]:
    """Start and end of the UTC window around `now_ms`, in ms; (0, 0) without a window."""
    match window:
        case Window.NONE:
            return 0, 0
        case Window.MINUTE | Window.HOUR | Window.DAY:
            length_ms = _LENGTH_MS[window]
            start_ms = now_ms - now_ms % length_ms
            return start_ms, start_ms + length_ms
        case Window.MONTH:
            start = datetime.fromtimestamp(now_ms // 1000, UTC).replace(
                day=1, hour=0, minute=0, second=0
            )
            # Day 1 plus 32 days is always in the next month.
            end = (start + timedelta(days=32)).replace(day=1)
            return int(start.timestamp()) * 1000, int(end.timestamp()) * 1000


_LENGTH_MS = {Window.MINUTE: MINUTE_MS, Window.HOUR: 3_600_000, Window.DAY: 86_400_000}
