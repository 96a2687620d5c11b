import pytest
from support.standings import fields_of, standing

from gateway.dialects.openai_limits import OPENAI_LIMITS
from gateway.metering.limits import Unit


def limit_headers(standings):
    return fields_of(OPENAI_LIMITS, standings)


def test_requests_and_tokens_have_openais_headers():
    headers = dict(
        limit_headers([standing(Unit.REQUESTS, 60, 59), standing(Unit.TOKENS, 1000, 900)])
    )

    assert {
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"59",
        b"x-ratelimit-reset-requests": b"30s",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"900",
        b"x-ratelimit-reset-tokens": b"30s",
    }.items() <= headers.items()


@pytest.mark.parametrize(
    ("resets_in_ms", "text"),
    [
        (0, b"0ms"),
        (999, b"999ms"),
        (1_000, b"1s"),
        (1_001, b"2s"),
        (59_001, b"1m0s"),
        (360_000, b"6m0s"),
        (86_399_000, b"23h59m59s"),
    ],
)
def test_durations_are_written_as_openai_does(resets_in_ms, text):
    headers = dict(limit_headers([standing(Unit.REQUESTS, 5, 5, resets_in_ms=resets_in_ms)]))

    assert text == headers[b"x-ratelimit-reset-requests"]
