"""Limits of a key or a project, as services write them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from gateway.api.shapes import Body
from gateway.errors import BadCall
from gateway.metering.limits import Limit, Scope, Unit, Window
from gateway.metering.pricing import AMOUNT_MAX_UCR


class LimitBody(Body):
    """A rule: so many units per window."""

    unit: Literal["requests", "tokens", "calls", "microcredits"]
    """`calls` are those running at the same time; the others add up in a window."""
    window: Literal["none", "minute", "hour", "day", "week", "month", "total"] = "none"
    """UTC calendar window, weeks from Monday; `total` never ends. `none` for calls, and only for
    them."""
    ceiling: Annotated[int, Field(ge=0, le=AMOUNT_MAX_UCR)]
    shadow: bool = False
    """Count and report, never refuse."""


def limits_in(bodies: Sequence[LimitBody], scope: Scope) -> tuple[Limit, ...]:
    """Raises BadCall for limits that cannot be."""
    limits = tuple(_limit(body, scope) for body in bodies)
    if len({(limit.unit, limit.window, limit.shadow) for limit in limits}) < len(limits):
        raise BadCall(
            "Two limits are of the same unit and window: keep the lower.",
            details={"param": "limits"},
        )
    return limits


def _limit(body: LimitBody, scope: Scope) -> Limit:
    if (body.unit == "calls") is not (body.window == "none"):
        raise BadCall(
            "Calls in parallel have the window `none`, and all other units another one.",
            details={"param": "limits"},
        )
    return Limit(
        unit=Unit(body.unit),
        ceiling=body.ceiling,
        window=Window(body.window),
        scope=scope,
        shadow=body.shadow,
    )
