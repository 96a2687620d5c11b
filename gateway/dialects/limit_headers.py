"""Where a call stands in its limits, as response headers of any API.

`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10, read 2026-11-23) carry
every limit. A vendor's own kind names some units and has room for one limit of each: the one with
the least left speaks. Every answer carries these headers, so all of them that does not change from
call to call is written once per set of limits.
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


@dataclass(frozen=True, slots=True)
class _Named:
    """The vendor's headers for one unit: the places of its limits, their ceilings as headers."""

    places: tuple[int, ...]
    ceilings: tuple[int, ...]
    limits: tuple[tuple[bytes, bytes], ...]
    remaining: bytes
    reset: bytes


@dataclass(frozen=True, slots=True)
class _Texts:
    """What a set of limits always says. `names`: how each limit that is shown
    begins, by its place."""

    limits: tuple[Limit, ...]
    names: tuple[tuple[int, bytes], ...]
    policies: tuple[bytes, bytes]
    named: tuple[_Named, ...]


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
        self._written: dict[tuple[int, ...], _Texts] = {}

    def fields(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> list[tuple[bytes, bytes]]:
        """Raw header fields, ready to send; none for a caller without limits.

        `rooms` as the ledger answered them, in the charges' order.
        """
        texts = self._texts(charges)
        if not texts.names:
            return []
        left = rooms if min(rooms) >= 0 else [max(0, room) for room in rooms]
        headers: list[tuple[bytes, bytes]] = []
        for unit in texts.named:
            at = _nearest(unit, left) if len(unit.places) > 1 else 0
            place = unit.places[at]
            wait_ms = charges[place].resets_ms - now_ms
            # What has no window never resets, and a window that is over has already done so.
            reset = self._reset_text(max(0, wait_ms), now_ms)
            left_text = b"%d" % left[place]
            headers += (unit.limits[at], (unit.remaining, left_text), (unit.reset, reset))
        generic = []
        for place, name in texts.names:
            wait_ms = charges[place].resets_ms - now_ms
            if wait_ms > 0:
                generic.append(b"%b%d;t=%d" % (name, left[place], -(-wait_ms // MS_PER_S)))
            else:
                generic.append(b"%b%d" % (name, left[place]))
        headers += (texts.policies, (b"RateLimit", b", ".join(generic)))
        return headers

    def _texts(self, charges: Sequence[Charge]) -> _Texts:
        """Found by which objects the limits are, which the texts keep alive: to compare what they
        say would take longer than to say it."""
        asked = tuple([id(charge.limit) for charge in charges])
        texts = self._written.get(asked)
        if texts is None:
            texts = self._write(tuple(charge.limit for charge in charges))
            if len(self._written) >= TEXTS_MAX:
                self._written.clear()
            self._written[asked] = texts
        return texts

    def _write(self, limits: tuple[Limit, ...]) -> _Texts:
        # A shadow limit never refuses, so telling clients to slow down for it would be wrong.
        shown = [(place, limit) for place, limit in enumerate(limits) if not limit.shadow]
        return _Texts(
            limits=limits,
            names=tuple((place, b'"%b";r=' % _name(limit)) for place, limit in shown),
            policies=(b"RateLimit-Policy", b", ".join(_policy(limit) for _, limit in shown)),
            named=tuple(
                _Named(
                    places=tuple(place for place, _ in of_unit),
                    ceilings=tuple(limit.ceiling for _, limit in of_unit),
                    limits=tuple((names.limit, b"%d" % limit.ceiling) for _, limit in of_unit),
                    remaining=names.remaining,
                    reset=names.reset,
                )
                for unit, names in self._units.items()
                if (of_unit := [(place, limit) for place, limit in shown if limit.unit is unit])
            ),
        )


def _nearest(unit: _Named, left: Sequence[int]) -> int:
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
