"""OpenAI's rate-limit headers: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`.

Source: OpenAI guide "Rate limits", section "Rate limits in headers" (read 2026-11-23).
"""

from functools import lru_cache

from gateway.dialects.limit_headers import MS_PER_S, LimitHeaders, UnitNames
from gateway.metering.limits import Unit


def _duration(wait_ms: int, _now_ms: int) -> bytes:
    """As OpenAI writes it: `6m0s`, `1s`, `120ms`."""
    if wait_ms < MS_PER_S:
        return b"%dms" % wait_ms
    return _whole_seconds(-(-wait_ms // MS_PER_S))


@lru_cache(maxsize=256)
def _whole_seconds(seconds: int) -> bytes:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, seconds)
    return b"%dm%ds" % (minutes, seconds) if minutes else b"%ds" % seconds


# It names only these two; the generic headers carry all.
OPENAI_LIMITS = LimitHeaders(
    {
        unit: UnitNames(
            limit=b"x-ratelimit-limit-%b" % name,
            remaining=b"x-ratelimit-remaining-%b" % name,
            reset=b"x-ratelimit-reset-%b" % name,
        )
        for unit, name in ((Unit.REQUESTS, b"requests"), (Unit.TOKENS, b"tokens"))
    },
    reset_text=_duration,
)
