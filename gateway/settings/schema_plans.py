"""config/plans.yaml as it is written: limits, allowances and the policy when credit runs short."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.metering.alerts import ALERTS_MAX
from gateway.settings.fields import AS_FLOAT, AlertText, Block, Credits, ModelGlob, Name


class KeyLimitBlock(Block):
    """A rule: so many units per window."""

    unit: Literal["requests", "tokens", "calls", "credits"]
    """What is counted. calls are those running at the same time; the others add up in a window."""
    per: Literal["minute", "hour", "day", "week", "month", "total"] | None = None
    """Calendar window in UTC, weeks from Monday; total for one that never ends. Required except for
    calls, which have none."""
    ceiling: Credits
    """Most units allowed; whole numbers, except for credits (6 decimals)."""
    shadow: bool = False
    """Count and report, never refuse."""


class LimitBlock(KeyLimitBlock):
    """A rule: so many units per window, for the account, for each of its projects or keys."""

    scope: Literal["account", "project", "key"] = "account"
    """One bucket for the account, one for each of its projects, or one for each key."""


class RolloverBlock(Block):
    """What stays of a period's rest when the next one begins."""

    credits: Annotated[Credits, Field(gt=0)]
    """Credits that stay at the most."""
    periods: Annotated[int, Field(ge=1, le=120)] = 1
    """For how many periods more."""


class AllowanceBlock(Block):
    """Credit that comes anew each period and lapses at its end."""

    credits: Annotated[Credits, Field(gt=0)]
    """Credits of a period, more than 0."""
    every: Literal["day", "week", "month"] = "month"
    """How long a period is."""
    anchor: Literal["calendar", "account"] = "calendar"
    """When periods begin. calendar: at midnight UTC, on Mondays, on the first of the month;
    account: at the time, on the weekday, on the day of the month when the account began."""
    rollover: RolloverBlock | None = None
    """What stays of a period's rest; null for nothing."""
    first_period: Literal["full", "prorated"] = "full"
    """What a new account gets in a period that has begun: all, or the part for the time left."""
    plan_change: Literal["next_period", "prorated"] = "next_period"
    """When an account comes from another plan. next_period: it keeps what that plan gave until the
    end of its period, then this allowance begins; prorated: what that plan gave for the time left
    is taken back, and this allowance's part for it is given."""


class PlanBlock(Block):
    """A named set of limits."""

    enforcement: Literal["strict", "rolling", "soft", "observe"] = "rolling"
    """strict holds the worst case; rolling holds slices while streaming; soft may go negative by
    overdraft_credits; observe counts and never refuses."""
    models: Annotated[tuple[ModelGlob, ...], Field(min_length=1)] = ("*",)
    """Models allowed: names or globs."""
    limits: tuple[LimitBlock, ...] = ()
    """Ceilings beside the balance."""
    max_output_tokens: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Tokens of output a hold is bounded by; null for the model's own maximum."""
    slice_tokens: Annotated[int, Field(ge=16, le=1_000_000)] = 1024
    """Output tokens held at a time under rolling and soft when credit is not ample."""
    overdraft_credits: Credits | None = None
    """Credits a running call may go below zero; for soft, which requires it."""
    on_disconnect: Literal["abort", "drain"] = "abort"
    """When the client leaves: cancel the provider and charge what was counted, or read on for the
    reported usage."""
    drain_s: Annotated[float, Field(gt=0, le=3600), AS_FLOAT] = 30.0
    """Seconds to read on under drain."""
    allowance: AllowanceBlock | None = None
    """Credit that comes anew each period; null for none."""
    alerts: Annotated[tuple[AlertText, ...], Field(max_length=ALERTS_MAX)] = ("80%", "100%")
    """Marks whose crossing is told, each once: the part that is used up, or the credits left."""
    expiry_notice_days: Annotated[int, Field(ge=0, le=365)] = 7
    """Days before a grant (not an allowance) lapses that its end is told; 0 for never."""
    store_away: Literal["refuse", "advance"] = "refuse"
    """What calls get while the store does not answer. refuse: 503; advance: they are served from
    credit that each worker set aside before, and never by more than that."""
    advance_credits: Annotated[Credits, Field(gt=0)] | None = None
    """Credits that each worker sets aside of an active account; for advance, which requires it."""
    advance_s: Annotated[float, Field(ge=1, le=3600), AS_FLOAT] = 60.0
    """Seconds after the store was last heard for which calls are served from it."""


class PlansFile(Block):
    """Tollkeeper's plans."""

    plans: Annotated[dict[Name, PlanBlock], Field(min_length=1)]
    """Plans by name."""
