"""Where a call stands in its limits, as response headers.

`x-ratelimit-*`: OpenAI guide "Rate limits", section "Rate limits in headers". `RateLimit` and
`RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (both read 2026-11-23). OpenAI's kind
has room for one limit per unit: the one with the least left speaks. Every answer carries these
headers, so all of them that does not change from call to call is written once per set of limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.metering.limits import Charge, Limit, Unit, Window

MS_PER_S = 1_000
# OpenAI names only these two; the generic headers carry all.
_NAMED = (Unit.REQUESTS, Unit.TOKENS)
# A calendar month has no fixed length and parallel calls no window: neither states one.
_WINDOW_S = {Window.MINUTE: 60, Window.HOUR: 3_600, Window.DAY: 86_400}


@dataclass(frozen=True, slots=True)
class _Named:
    """OpenAI's headers for one unit: the places of its limits, their ceilings as headers."""

    places: tuple[int, ...]
    ceilings: tuple[int, ...]
    limits: tuple[tuple[bytes, bytes], ...]
    remaining: bytes
    reset: bytes


@dataclass(frozen=True, slots=True)
class _Texts:
    """What a set of limits always says. `names`: of each limit that is shown, by its place."""

    names: tuple[tuple[int, bytes], ...]
    policies: tuple[bytes, bytes]
    named: tuple[_Named, ...]


def limit_headers(
    charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
) -> list[tuple[bytes, bytes]]:
    """Raw header fields, ready to send; none for a caller without limits.

    `rooms` as the ledger answered them, in the charges' order.
    """
    texts = _texts(tuple([charge.limit for charge in charges]))
    if not texts.names:
        return []
    left = rooms if min(rooms) >= 0 else [max(0, room) for room in rooms]
    # What has no window never resets, and a window that is over has already done so.
    waits_ms = [wait_ms if (wait_ms := charge.resets_ms - now_ms) > 0 else 0 for charge in charges]
    headers: list[tuple[bytes, bytes]] = []
    for unit in texts.named:
        at = _nearest(unit, left) if len(unit.places) > 1 else 0
        place = unit.places[at]
        headers += (
            unit.limits[at],
            (unit.remaining, b"%d" % left[place]),
            (unit.reset, _duration(waits_ms[place])),
        )
    generic = [
        b"%b;r=%d;t=%d" % (name, left[place], -(-wait_ms // MS_PER_S))
        if (wait_ms := waits_ms[place])
        else b"%b;r=%d" % (name, left[place])
        for place, name in texts.names
    ]
    headers += (texts.policies, (b"RateLimit", b", ".join(generic)))
    return headers


def _nearest(unit: _Named, left: Sequence[int]) -> int:
    """Which of a unit's limits is nearest exhaustion."""
    # Compared as shares: 10 left of 20 is nearer exhaustion than 9 left of 9.
    shares = [
        left[place] / max(1, ceiling)
        for place, ceiling in zip(unit.places, unit.ceilings, strict=True)
    ]
    return shares.index(min(shares))


@lru_cache(maxsize=1_024)
def _texts(limits: tuple[Limit, ...]) -> _Texts:
    # A shadow limit never refuses, so telling clients to slow down for it would be wrong.
    shown = [(place, limit) for place, limit in enumerate(limits) if not limit.shadow]
    return _Texts(
        names=tuple((place, b'"%b"' % _name(limit)) for place, limit in shown),
        policies=(b"RateLimit-Policy", b", ".join(_policy(limit) for _, limit in shown)),
        named=tuple(
            _Named(
                places=tuple(place for place, _ in of_unit),
                ceilings=tuple(limit.ceiling for _, limit in of_unit),
                limits=tuple(
                    (b"x-ratelimit-limit-" + name, b"%d" % limit.ceiling) for _, limit in of_unit
                ),
                remaining=b"x-ratelimit-remaining-" + name,
                reset=b"x-ratelimit-reset-" + name,
            )
            for unit in _NAMED
            if (of_unit := [(place, limit) for place, limit in shown if limit.unit is unit])
            and (name := unit.value.encode())
        ),
    )


def _policy(limit: Limit) -> bytes:
    window_s = _WINDOW_S.get(limit.window)
    policy = b'"%b";q=%d' % (_name(limit), limit.ceiling)
    return policy if window_s is None else b"%b;w=%d" % (policy, window_s)


def _name(limit: Limit) -> bytes:
    """Unique among a call's limits: account and key may both have one of a kind."""
    return f"{limit.scope}_{limit.name}".encode()


def _duration(milliseconds: int) -> bytes:
    """As OpenAI writes it: `6m0s`, `1s`, `120ms`."""
    if milliseconds < MS_PER_S:
        return b"%dms" % milliseconds
    return _whole_seconds(-(-milliseconds // MS_PER_S))


@lru_cache(maxsize=256)
def _whole_seconds(seconds: int) -> bytes:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds
