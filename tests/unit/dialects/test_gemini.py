from support.standings import NOW_MS, standing

from gateway.dialects.gemini import GeminiApi
from gateway.dialects.limit_headers import fields_of
from gateway.metering.limits import Unit


def test_limits_are_told_in_the_generic_headers_alone():
    charge, room = standing(Unit.REQUESTS, 60, 59)

    headers = dict(fields_of(GeminiApi().limit_headers((charge,), (room,), now_ms=NOW_MS)))

    assert {
        b"RateLimit-Policy": b'"account_requests_per_minute";q=60;w=60',
        b"RateLimit": b'"account_requests_per_minute";r=59;t=30',
    } == headers
