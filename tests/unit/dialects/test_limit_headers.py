from support.standings import fields_of, standing

from gateway.dialects.limit_headers import LimitHeaders, UnitNames
from gateway.metering.limits import Scope, Unit, Window

HEADERS = LimitHeaders(
    {
        Unit.REQUESTS: UnitNames(limit=b"calls-of", remaining=b"calls-left", reset=b"calls-at"),
        Unit.TOKENS: UnitNames(limit=b"tokens-of", remaining=b"tokens-left", reset=b"tokens-at"),
    },
    reset_text=lambda wait_ms, now_ms: b"%d+%d" % (now_ms, wait_ms),
)


def limit_headers(standings):
    return fields_of(HEADERS, standings)


def test_without_limits_there_is_nothing_to_say():
    assert [] == limit_headers([])
    assert [] == limit_headers([standing(Unit.REQUESTS, 10, 9, shadow=True)])


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

    assert b"20" == headers[b"calls-of"]


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

    assert b"0" == headers[b"tokens-left"]
    assert b"1000000+0" == headers[b"tokens-at"]
    assert b'"account_tokens_per_minute";r=0' == headers[b"RateLimit"]


def test_the_room_is_told_anew_with_every_answer():
    [first, second] = [
        dict(limit_headers([standing(Unit.REQUESTS, 60, room)]))[b"calls-left"] for room in (59, 58)
    ]

    assert (b"59", b"58") == (first, second)


def test_a_vendor_without_headers_of_its_own_has_the_generic_ones():
    headers = fields_of(LimitHeaders({}), [standing(Unit.REQUESTS, 60, 59)])

    assert [
        (b"RateLimit-Policy", b'"account_requests_per_minute";q=60;w=60'),
        (b"RateLimit", b'"account_requests_per_minute";r=59;t=30'),
    ] == headers
