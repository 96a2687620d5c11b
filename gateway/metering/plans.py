"""Plans: limits, what comes anew each period, and the policy applied when credit runs short."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from gateway.metering.alerts import Alert
from gateway.metering.limits import Limit
from gateway.metering.periods import Anchor, Every


class Enforcement(StrEnum):
    """STRICT holds the worst case. ROLLING holds the prompt and a slice of output, and extends
    the hold while the stream runs. SOFT lets a running call go negative down to
    `overdraft_ucr`; a new one needs a positive balance. OBSERVE counts and never refuses."""

    STRICT = "strict"
    ROLLING = "rolling"
    SOFT = "soft"
    OBSERVE = "observe"


class OnDisconnect(StrEnum):
    """ABORT cancels upstream and charges what was counted; DRAIN reads on for the usage report."""

    ABORT = "abort"
    DRAIN = "drain"


class FirstPeriod(StrEnum):
    """What a new account gets in a period that has begun already: all, or the part that is left."""

    FULL = "full"
    PRORATED = "prorated"


class PlanChange(StrEnum):
    """When an account comes from another plan: see `allowances.py`."""

    NEXT_PERIOD = "next_period"
    PRORATED = "prorated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Credit that comes anew each period and lapses at its end, but for what rolls over."""

    amount_ucr: int
    every: Every = Every.MONTH
    anchor: Anchor = Anchor.CALENDAR
    rollover_ucr: int = 0
    """The most that stays of a period's rest."""
    rollover_periods: int = 1
    """For how many periods more."""
    first_period: FirstPeriod = FirstPeriod.FULL
    plan_change: PlanChange = PlanChange.NEXT_PERIOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """What calls get while the store does not answer: see `advances.py`."""

    advance_ucr: int
    """Of each account that is active, each worker has so much in advance."""
    usable_ms: int
    """For how long after the store was heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    name: str
    enforcement: Enforcement = Enforcement.ROLLING
    limits: tuple[Limit, ...] = ()
    models: tuple[str, ...] = ("*",)
    max_output_tokens: int | None = None
    """The plan's own cap; it bounds the hold, the provider is not told."""
    slice_tokens: int = 1024
    """Output tokens held at a time under ROLLING and SOFT when credit is not ample."""
    overdraft_ucr: int = 0
    on_disconnect: OnDisconnect = OnDisconnect.ABORT
    drain_s: float = 30.0
    """Under DRAIN: how long to read on after the client left."""
    allowance: Allowance | None = None
    alerts: tuple[Alert, ...] = ()
    expiry_notice_ms: int = 0
    """How long before a grant lapses its owner is told; 0: not at all."""
    away: Away | None = None
    """None: while the store does not answer, calls are refused."""

    @property
    def observes(self) -> bool:
        return self.enforcement is Enforcement.OBSERVE


def model_allowed(globs: tuple[str, ...], model: str) -> bool:
    return any(fnmatchcase(model, glob) for glob in globs)
