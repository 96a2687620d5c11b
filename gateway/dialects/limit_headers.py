"""Where a call stands in its limits, as response headers of any API.

`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10, read 2026-11-23) carry
every limit. A vendor's own kind names some units and has room for one limit of each: the one with
the least left speaks. Every answer carries these headers, so all of them that does not change from
call to call is written once per set of limits, in one piece with room for the numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.metering.limits import Charge, Limit, Unit, Window

MS_PER_S = 1_000
# Sets of limits; a key that was read anew has its own ones again.
TEXTS_MAX = 1_024
# A calendar month has no fixed length and parallel calls no window: neither states one.
_WINDOW_S = {Window.MINUTE: 60, Window.HOUR: 3_600, Window.DAY: 86_400}


@dataclass(frozen=True, slots=True)
class UnitNames:
    """A vendor's header names for one unit: its ceiling, what is left of it, when it is reset."""

    limit: bytes
    remaining: bytes
    reset: bytes


Told = tuple[tuple[bytes, ...], bytes]
"""Header fields of ours: their names, and their lines, of which the last has no end."""

NOTHING_TOLD: Told = ((), b"")


@dataclass(frozen=True, slots=True)
class _OfUnit:
    """What the vendor's headers say of one unit: where its limits stand, and their ceilings."""

    places: tuple[int, ...]
    ceilings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Texts:
    """What a set of limits always says. `shown`: where those stand that are told of; `lines`: with
    room for three values of each unit, and for the numbers of the generic header."""

    limits: tuple[Limit, ...]
    shown: tuple[int, ...]
    units: tuple[_OfUnit, ...]
    names: tuple[bytes, ...]
    lines: bytes


class LimitHeaders:
    """One API's rate-limit headers, the generic ones included.

    `reset_text(wait_ms, now_ms)` is how the vendor writes when a limit is reset; None, with no
    units, for a vendor without headers of its own.
    """

    def __init__(
        self,
        units: Mapping[Unit, UnitNames],
        *,
        reset_text: Callable[[int, int], bytes] = lambda _wait_ms, _now_ms: b"",
    ) -> None:
        self._units = units
        self._reset_text = reset_text
        self._written: dict[tuple[object, ...], _Texts] = {}

    def told(self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int) -> Told:
        """Ready to send; nothing for a caller without limits.

        `rooms` as the ledger answered them, in the charges' order.
        """
        # What has no window never resets, and a window that is over has already done so.
        waits_ms = [
            wait_ms if (wait_ms := charge.resets_ms - now_ms) > 0 else 0 for charge in charges
        ]
        texts = self._texts(charges, tuple(map(bool, waits_ms)))
        if not texts.shown:
            return NOTHING_TOLD
        left = rooms if min(rooms) >= 0 else [max(0, room) for room in rooms]
        values: list[int | bytes] = []
        for unit in texts.units:
            at = _nearest(unit, left) if len(unit.places) > 1 else 0
            place = unit.places[at]
            values += (unit.ceilings[at], left[place], self._reset_text(waits_ms[place], now_ms))
        for place in texts.shown:
            values.append(left[place])
            if wait_ms := waits_ms[place]:
                values.append(-(-wait_ms // MS_PER_S))
        return texts.names, texts.lines % tuple(values)

    def _texts(self, charges: Sequence[Charge], waiting: tuple[bool, ...]) -> _Texts:
        """Found by which objects the limits are, which the texts keep alive: to compare what they
        say would take longer than to say it."""
        asked = (waiting, *[id(charge.limit) for charge in charges])
        texts = self._written.get(asked)
        if texts is None:
            texts = self._write(tuple(charge.limit for charge in charges), waiting)
            if len(self._written) >= TEXTS_MAX:
                self._written.clear()
            self._written[asked] = texts
        return texts

    def _write(self, limits: tuple[Limit, ...], waiting: tuple[bool, ...]) -> _Texts:
        # A shadow limit never refuses, so telling clients to slow down for it would be wrong.
        shown = [(place, limit) for place, limit in enumerate(limits) if not limit.shadow]
        told = {
            names: of_unit
            for unit, names in self._units.items()
            if (of_unit := [(place, limit) for place, limit in shown if limit.unit is unit])
        }
        lines = [
            b"%b: %%d\r\n%b: %%d\r\n%b: %%b" % (names.limit, names.remaining, names.reset)
            for names in told
        ]
        policies = b", ".join(_policy(limit) for _, limit in shown)
        generic = b", ".join(
            b'"%b";r=%%d%b' % (_name(limit), b";t=%d" if waiting[place] else b"")
            for place, limit in shown
        )
        lines += (b"RateLimit-Policy: " + policies, b"RateLimit: " + generic)
        return _Texts(
            limits=limits,
            shown=tuple(place for place, _ in shown),
            units=tuple(
                _OfUnit(
                    places=tuple(place for place, _ in of_unit),
                    ceilings=tuple(limit.ceiling for _, limit in of_unit),
                )
                for of_unit in told.values()
            ),
            names=(
                *(each for names in told for each in (names.limit, names.remaining, names.reset)),
                b"RateLimit-Policy",
                b"RateLimit",
            ),
            lines=b"\r\n".join(lines),
        )


def fields_of(told: Told) -> list[tuple[bytes, bytes]]:
    """One by one."""
    names, lines = told
    values = [line.partition(b": ")[2] for line in lines.split(b"\r\n")]
    return list(zip(names, values, strict=False))


def _nearest(unit: _OfUnit, left: Sequence[int]) -> int:
    """Which of a unit's limits is nearest exhaustion."""
    # Compared as shares: 10 left of 20 is nearer exhaustion than 9 left of 9.
    shares = [
        left[place] / max(1, ceiling)
        for place, ceiling in zip(unit.places, unit.ceilings, strict=True)
    ]
    return shares.index(min(shares))


def _policy(limit: Limit) -> bytes:
    window_s = _WINDOW_S.get(limit.window)
    policy = b'"%b";q=%d' % (_name(limit), limit.ceiling)
    return policy if window_s is None else b"%b;w=%d" % (policy, window_s)


def _name(limit: Limit) -> bytes:
    """Unique among a call's limits: account and key may both have one of a kind."""
    return f"{limit.scope}_{limit.name}".encode()
