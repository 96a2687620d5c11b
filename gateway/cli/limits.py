"""Limits as commands take and show them: `credits/month=100`, `requests/minute=60`, `calls=4`."""

import re

from gateway.cli.output import credit_text
from gateway.errors import BadCall
from gateway.metering.limits import UNITS, Limit, Scope, Unit, Window
from gateway.metering.pricing import AMOUNT_MAX_UCR, UCR_PER_CREDIT

LIMIT = re.compile(r"([a-z]+)(?:/([a-z]+))?=([0-9]{1,16})(?:\.([0-9]{1,6}))?")
NAMES = {unit: name for name, unit in UNITS.items()}
HELP = "Such as credits/month=100, requests/minute=60 or calls=4. May be repeated."


def limits_of(texts: tuple[str, ...], scope: Scope) -> tuple[Limit, ...]:
    """Raises BadCall. An empty text stands for no limit at all."""
    limits = tuple(_limit(text, scope) for text in texts if text)
    if len({(limit.unit, limit.window) for limit in limits}) < len(limits):
        raise BadCall("Two limits are of the same unit and window: keep the lower of the two.")
    return limits


def _limit(text: str, scope: Scope) -> Limit:
    match = LIMIT.fullmatch(text)
    unit = UNITS.get(match[1]) if match else None
    if match is None or unit is None:
        raise BadCall(f"{text!r} is no limit. {HELP}")
    window = _window(text, match[2], parallel=unit is Unit.CALLS)
    if unit is Unit.MICROCREDITS:
        ceiling = int(match[3]) * UCR_PER_CREDIT + int((match[4] or "").ljust(6, "0"))
    elif match[4]:
        raise BadCall(f"{text!r}: only credits have decimals.")
    else:
        ceiling = int(match[3])
    if ceiling > AMOUNT_MAX_UCR:
        raise BadCall(f"{text!r} is more than the ledger can count.")
    return Limit(unit=unit, ceiling=ceiling, window=window, scope=scope)


def _window(text: str, name: str | None, *, parallel: bool) -> Window:
    if parallel:
        if name is not None:
            raise BadCall(f"{text!r}: calls are counted while they run, so they have no window.")
        return Window.NONE
    known = [window.value for window in Window if window is not Window.NONE]
    if name not in known:
        raise BadCall(f"{text!r} needs a window after the slash: {', '.join(known)}.")
    return Window(name)


def limit_text(limit: Limit) -> str:
    ceiling = str(limit.ceiling)
    if limit.unit is Unit.MICROCREDITS:
        ceiling = credit_text(limit.ceiling)
    window = "" if limit.window is Window.NONE else f"/{limit.window}"
    return f"{NAMES[limit.unit]}{window}={ceiling}"
