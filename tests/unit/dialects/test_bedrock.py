from support.standings import standing

from gateway.dialects.bedrock import BedrockApi
from gateway.dialects.limit_headers import fields_of
from gateway.metering.limits import Unit


def test_limits_are_told_in_the_generic_headers_only():
    charge, room = standing(Unit.REQUESTS, 60, 59)

    headers = dict(fields_of(BedrockApi().limit_headers([charge], [room], now_ms=0)))

    assert {b"RateLimit-Policy", b"RateLimit"} == set(headers)
    assert b'"account_requests_per_minute";q=60;w=60' == headers[b"RateLimit-Policy"]
