import httpx2
import openai
import orjson
import pytest

from gateway import errors
from gateway.dialects.openai_errors import render_error


def error_of(rendered):
    return orjson.loads(rendered.body)["error"]


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "sdk"),
    [
        (errors.BadCall, 400, "invalid_request_error", "invalid_request", openai.BadRequestError),
        (
            errors.Unauthenticated,
            401,
            "authentication_error",
            "invalid_api_key",
            openai.AuthenticationError,
        ),
        (
            errors.Forbidden,
            403,
            "permission_error",
            "model_not_allowed",
            openai.PermissionDeniedError,
        ),
        (
            errors.UnknownEndpoint,
            404,
            "invalid_request_error",
            "unknown_endpoint",
            openai.NotFoundError,
        ),
        (
            errors.BodyTooLarge,
            413,
            "invalid_request_error",
            "request_too_large",
            openai.APIStatusError,
        ),
        (
            errors.QuotaExceeded,
            429,
            "rate_limit_error",
            "rate_limit_exceeded",
            openai.RateLimitError,
        ),
        (errors.UpstreamFailed, 502, "server_error", "upstream_failed", openai.InternalServerError),
        (
            errors.StoreUnavailable,
            503,
            "server_error",
            "metering_unavailable",
            openai.InternalServerError,
        ),
        (
            errors.UpstreamTimeout,
            504,
            "server_error",
            "upstream_timeout",
            openai.InternalServerError,
        ),
    ],
)
def test_each_error_is_what_the_official_sdk_expects(error, status, kind, code, sdk):
    rendered = render_error(error("Do this."))
    request = httpx2.Request("POST", "http://gateway/v1/chat/completions")
    response = httpx2.Response(
        rendered.status, headers=dict(rendered.headers), content=rendered.body, request=request
    )
    raised = openai.OpenAI(api_key="tk_1")._make_status_error_from_response(response)

    assert status == rendered.status
    assert sdk is type(raised)
    assert (kind, None, code) == (raised.type, raised.param, raised.code)
    assert "Do this." in str(raised)
    assert "application/json" == rendered.headers["Content-Type"]


def test_facts_stand_beside_the_message():
    error = errors.QuotaExceeded("No.", details={"available": 5, "required": 9, "param": "n"})

    assert {
        "message": "No.",
        "type": "rate_limit_error",
        "param": "n",
        "code": "rate_limit_exceeded",
        "available": 5,
        "required": 9,
    } == error_of(render_error(error))


def test_only_an_unauthenticated_caller_is_told_the_scheme():
    assert "Bearer" == render_error(errors.Unauthenticated("x")).headers["WWW-Authenticate"]
    assert "WWW-Authenticate" not in render_error(errors.Forbidden("x")).headers


@pytest.mark.parametrize(
    ("wait_s", "seconds", "milliseconds"),
    [(0.05, "1", "50"), (2, "2", "2000"), (2.0001, "3", "2001"), (0, "0", "0"), (-1, "0", "0")],
)
def test_the_wait_is_rounded_up(wait_s, seconds, milliseconds):
    error = errors.QuotaExceeded("x", code="balance_held", retry_after_s=wait_s)
    headers = render_error(error).headers

    assert (seconds, milliseconds) == (headers["Retry-After"], headers["retry-after-ms"])
    assert "x-should-retry" not in headers


@pytest.mark.parametrize(("should_retry", "header"), [(True, "true"), (False, "false")])
def test_an_order_to_retry_is_passed_on(should_retry, header):
    error = errors.StoreUnavailable("x", should_retry=should_retry)

    assert header == render_error(error).headers["x-should-retry"]


def test_an_empty_account_causes_no_retry_storm():
    error = errors.QuotaExceeded("x", code="insufficient_quota", retry_after_s=5, should_retry=True)
    rendered = render_error(error)

    assert 429 == rendered.status
    assert "insufficient_quota" == error_of(rendered)["type"]
    assert "false" == rendered.headers["x-should-retry"]
    assert {"Retry-After", "retry-after-ms"}.isdisjoint(rendered.headers)


@pytest.mark.parametrize(
    ("code", "status"),
    [("insufficient_quota", 402), ("balance_held", 429), ("rate_limit_exceeded", 429)],
)
def test_the_status_can_be_overridden_where_credit_is_gone(code, status):
    assert status == render_error(errors.QuotaExceeded("x", code=code), quota_status=402).status
