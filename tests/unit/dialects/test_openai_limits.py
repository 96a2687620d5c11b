import pytest

from gateway.dialects import openai_limits
from gateway.metering.limits import Charge, Limit, Scope, Unit, Window

NOW_MS = 1_000_000


def standing(unit, ceiling, room, *, window=Window.MINUTE, resets_in_ms=30_000, **more):
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


def limit_headers(standings):
    charges = tuple(charge for charge, _ in standings)
    rooms = tuple(room for _, room in standings)
    return openai_limits.limit_headers(charges, rooms, now_ms=NOW_MS)


def test_without_limits_there_is_nothing_to_say():
    assert [] == limit_headers([])
    assert [] == limit_headers([standing(Unit.REQUESTS, 10, 9, shadow=True)])


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


def test_of_several_limits_of_a_unit_the_nearest_to_exhaustion_speaks():
    headers = dict(
        limit_headers(
            [
                standing(Unit.REQUESTS, 9, 9),
                standing(Unit.REQUESTS, 20, 10, window=Window.DAY),
                standing(Unit.REQUESTS, 0, 0, shadow=True),
            ]
        )
    )

    assert b"20" == headers[b"x-ratelimit-limit-requests"]


def test_the_generic_headers_carry_every_limit():
    headers = dict(
        limit_headers(
            [
                standing(Unit.TOKENS, 1000, 900, scope=Scope.KEY, resets_in_ms=1),
                standing(Unit.MICROCREDITS, 5, 4, window=Window.MONTH),
                standing(Unit.CALLS, 3, 2, window=Window.NONE),
            ]
        )
    )

    assert (
        b'"key_tokens_per_minute";q=1000;w=60, "account_microcredits_per_month";q=5, '
        b'"account_calls_in_parallel";q=3'
    ) == headers[b"RateLimit-Policy"]
    assert (
        b'"key_tokens_per_minute";r=900;t=1, "account_microcredits_per_month";r=4;t=30, '
        b'"account_calls_in_parallel";r=2'
    ) == headers[b"RateLimit"]


def test_what_is_overdrawn_or_over_has_nothing_left_and_no_time_to_wait():
    headers = dict(limit_headers([standing(Unit.TOKENS, 1000, -5, resets_in_ms=-1)]))

    assert b"0" == headers[b"x-ratelimit-remaining-tokens"]
    assert b"0ms" == headers[b"x-ratelimit-reset-tokens"]
    assert b'"account_tokens_per_minute";r=0' == headers[b"RateLimit"]


def test_the_room_is_told_anew_with_every_answer():
    [first, second] = [
        dict(limit_headers([standing(Unit.REQUESTS, 60, room)]))[b"x-ratelimit-remaining-requests"]
        for room in (59, 58)
    ]

    assert (b"59", b"58") == (first, second)


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
