"""config/plans.yaml as it is written: limits and the policy when credit runs short."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.fields import AS_FLOAT, Block, Credits, ModelGlob, Name


class KeyLimitBlock(Block):
    """A rule: so many units per window."""

    unit: Literal["requests", "tokens", "calls", "credits"]
    """What is counted. calls are those running at the same time; the others add up in a window."""
    per: Literal["minute", "hour", "day", "month"] | None = None
    """Calendar window in UTC; required except for calls, which have none."""
    ceiling: Credits
    """Most units allowed; whole numbers, except for credits (6 decimals)."""
    shadow: bool = False
    """Count and report, never refuse."""


class LimitBlock(KeyLimitBlock):
    """A rule: so many units per window, for the account or for each of its keys."""

    scope: Literal["account", "key"] = "account"
    """One bucket for the account, or one for each key."""


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


class PlansFile(Block):
    """Tollkeeper's plans."""

    plans: Annotated[dict[Name, PlanBlock], Field(min_length=1)]
    """Plans by name."""
