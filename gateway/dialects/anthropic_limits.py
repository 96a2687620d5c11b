"""Anthropic's rate-limit headers: `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`.

`tokens` there is input and output together, which is what our limits count; the separate kinds
for input and for output are left out, for there are no such limits. A reset is a moment, in RFC
3339. Source: Anthropic API reference "Rate limits", section "Response headers" (read 2026-11-23).
"""

from datetime import UTC, datetime
from functools import lru_cache

from gateway.dialects.limit_headers import MS_PER_S, LimitHeaders, UnitNames
from gateway.metering.limits import Unit


def _moment(wait_ms: int, now_ms: int) -> bytes:
    return _whole_second(-(-(now_ms + wait_ms) // MS_PER_S))


@lru_cache(maxsize=256)
def _whole_second(epoch_s: int) -> bytes:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


ANTHROPIC_LIMITS = LimitHeaders(
    {
        unit: UnitNames(
            limit=b"anthropic-ratelimit-%b-limit" % name,
            remaining=b"anthropic-ratelimit-%b-remaining" % name,
            reset=b"anthropic-ratelimit-%b-reset" % name,
        )
        for unit, name in ((Unit.REQUESTS, b"requests"), (Unit.TOKENS, b"tokens"))
    },
    reset_text=_moment,
)
