"""Limits and where a call stands in them, for tests of the headers that tell it."""

from typing import Any

from gateway.dialects import limit_headers
from gateway.dialects.limit_headers import LimitHeaders
from gateway.metering.limits import Charge, Limit, Unit, Window

NOW_MS = 1_000_000


def standing(
    unit: Unit,
    ceiling: int,
    room: int,
    *,
    window: Window = Window.MINUTE,
    resets_in_ms: int = 30_000,
    **more: Any,
) -> tuple[Charge, int]:
    """A charge and the room the ledger answered for it."""
    charge = Charge(
        limit=Limit(unit=unit, ceiling=ceiling, window=window, **more),
        bucket="a:acme:some",
        least=1,
        full=1,
        resets_ms=NOW_MS + resets_in_ms if window is not Window.NONE else 0,
        expires_ms=0,
    )
    return charge, room


def fields_of(
    headers: LimitHeaders, standings: list[tuple[Charge, int]]
) -> list[tuple[bytes, bytes]]:
    charges = tuple(charge for charge, _ in standings)
    rooms = tuple(room for _, room in standings)
    return limit_headers.fields_of(headers.told(charges, rooms, now_ms=NOW_MS))
