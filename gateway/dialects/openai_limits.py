"""Where a call stands in its limits, as response headers.

`x-ratelimit-*`: OpenAI guide "Rate limits", section "Rate limits in headers". `RateLimit` and
`RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-10 (both read 2026-11-23). OpenAI's kind
has room for one limit per unit: the one with the least left speaks.
"""

from collections.abc import Sequence

from gateway.metering.admission import Standing
from gateway.metering.limits import Unit, Window

MS_PER_S = 1_000
# OpenAI names only these two; the generic headers carry all.
_NAMED = (Unit.REQUESTS, Unit.TOKENS)
# A calendar month has no fixed length and parallel calls no window: neither states one.
_WINDOW_S = {Window.MINUTE: 60, Window.HOUR: 3_600, Window.DAY: 86_400}


def limit_headers(standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    """Raw header fields, ready to send; none for a caller without limits."""
    # A shadow limit never refuses, so telling clients to slow down for it would be wrong.
    shown = [standing for standing in standings if not standing.limit.shadow]
    if not shown:
        return []
    headers = [field for unit in _NAMED for field in _openai_fields(unit, shown)]
    policies = b", ".join(map(_policy, shown))
    return [
        *headers,
        (b"RateLimit-Policy", policies),
        (b"RateLimit", b", ".join(map(_left, shown))),
    ]


def _openai_fields(unit: Unit, standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
    of_unit = [standing for standing in standings if standing.limit.unit is unit]
    if not of_unit:
        return []
    # Compared as shares: 10 left of 20 is nearer exhaustion than 9 left of 9.
    nearest = min(of_unit, key=lambda standing: standing.room / max(1, standing.limit.ceiling))
    name = unit.value.encode()
    return [
        (b"x-ratelimit-limit-" + name, b"%d" % nearest.limit.ceiling),
        (b"x-ratelimit-remaining-" + name, b"%d" % nearest.room),
        (b"x-ratelimit-reset-" + name, _duration(nearest.resets_in_ms)),
    ]


def _policy(standing: Standing) -> bytes:
    limit = standing.limit
    window_s = _WINDOW_S.get(limit.window)
    policy = b'"%b";q=%d' % (_name(standing), limit.ceiling)
    return policy if window_s is None else b"%b;w=%d" % (policy, window_s)


def _left(standing: Standing) -> bytes:
    left = b'"%b";r=%d' % (_name(standing), standing.room)
    if not standing.resets_in_ms:
        return left
    return b"%b;t=%d" % (left, -(-standing.resets_in_ms // MS_PER_S))


def _name(standing: Standing) -> bytes:
    """Unique among a call's limits: account and key may both have one of a kind."""
    return f"{standing.limit.scope}_{standing.limit.name}".encode()


def _duration(milliseconds: int) -> bytes:
    """As OpenAI writes it: `6m0s`, `1s`, `120ms`."""
    if milliseconds < MS_PER_S:
        return b"%dms" % milliseconds
    minutes, seconds = divmod(-(-milliseconds // MS_PER_S), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds
