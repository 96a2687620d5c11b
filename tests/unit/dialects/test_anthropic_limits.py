import pytest
from support.standings import fields_of, standing

from gateway.dialects.anthropic_limits import ANTHROPIC_LIMITS
from gateway.metering.limits import Unit


def limit_headers(standings):
    return fields_of(ANTHROPIC_LIMITS, standings)


def test_requests_and_tokens_have_anthropics_headers():
    headers = dict(
        limit_headers([standing(Unit.REQUESTS, 60, 59), standing(Unit.TOKENS, 1000, 900)])
    )

    assert {
        b"anthropic-ratelimit-requests-limit": b"60",
        b"anthropic-ratelimit-requests-remaining": b"59",
        b"anthropic-ratelimit-requests-reset": b"1970-01-01T00:17:10Z",
        b"anthropic-ratelimit-tokens-limit": b"1000",
        b"anthropic-ratelimit-tokens-remaining": b"900",
        b"anthropic-ratelimit-tokens-reset": b"1970-01-01T00:17:10Z",
    }.items() <= headers.items()
    assert b'"account_requests_per_minute";q=60;w=60' in headers[b"RateLimit-Policy"]
    assert b'"account_requests_per_minute";r=59;t=30' in headers[b"RateLimit"]


@pytest.mark.parametrize(
    ("resets_in_ms", "moment"),
    [
        (-5, b"1970-01-01T00:16:40Z"),
        (1, b"1970-01-01T00:16:41Z"),
        (86_400_000, b"1970-01-02T00:16:40Z"),
    ],
)
def test_a_reset_is_a_moment_never_before_it_comes(resets_in_ms, moment):
    headers = dict(limit_headers([standing(Unit.TOKENS, 5, 5, resets_in_ms=resets_in_ms)]))

    assert moment == headers[b"anthropic-ratelimit-tokens-reset"]
