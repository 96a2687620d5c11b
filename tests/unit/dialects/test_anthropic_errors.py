import anthropic
import httpx2
import orjson
import pytest

from gateway import errors
from gateway.dialects.anthropic import AnthropicApi


def raised_by_the_sdk(rendered):
    request = httpx2.Request("POST", "http://gateway/v1/messages")
    response = httpx2.Response(
        rendered.status, headers=dict(rendered.headers), content=rendered.body, request=request
    )
    return anthropic.Anthropic(api_key="tk_1")._make_status_error_from_response(response)


def rendered(error, *, quota_status=None):
    return AnthropicApi(quota_status=quota_status).render_error(error, request_id="req_1")


@pytest.mark.parametrize(
    ("error", "status", "kind", "sdk"),
    [
        (errors.BadCall, 400, "invalid_request_error", anthropic.BadRequestError),
        (errors.Unauthenticated, 401, "authentication_error", anthropic.AuthenticationError),
        (errors.Forbidden, 403, "permission_error", anthropic.PermissionDeniedError),
        (errors.UnknownEndpoint, 404, "not_found_error", anthropic.NotFoundError),
        (errors.Conflict, 409, "conflict_error", anthropic.ConflictError),
        (errors.BodyTooLarge, 413, "request_too_large", anthropic.APIStatusError),
        (errors.QuotaExceeded, 429, "rate_limit_error", anthropic.RateLimitError),
        (errors.GatewayError, 500, "api_error", anthropic.InternalServerError),
        (errors.UpstreamFailed, 502, "api_error", anthropic.InternalServerError),
        (errors.UpstreamTimeout, 504, "timeout_error", anthropic.APIStatusError),
        (errors.StoreUnavailable, 529, "overloaded_error", anthropic.APIStatusError),
        (errors.Draining, 529, "overloaded_error", anthropic.APIStatusError),
    ],
)
def test_each_error_is_what_the_official_sdk_expects(error, status, kind, sdk):
    answer = rendered(error("Do this."))
    raised = raised_by_the_sdk(answer)

    assert status == answer.status
    assert isinstance(raised, sdk)
    assert (kind, "Do this.", error.code) == (raised.type, raised.api_message, raised.error_code)
    assert "req_1" == raised.request_id == orjson.loads(answer.body)["request_id"]


@pytest.mark.parametrize(
    ("quota_status", "status", "kind", "sdk"),
    [
        (None, 402, "billing_error", anthropic.PaymentRequiredError),
        (402, 402, "billing_error", anthropic.PaymentRequiredError),
        (429, 429, "rate_limit_error", anthropic.RateLimitError),
    ],
)
def test_an_empty_account_is_told_so_once(quota_status, status, kind, sdk):
    error = errors.QuotaExceeded("No credit.", code="insufficient_quota", retry_after_s=5)
    answer = rendered(error, quota_status=quota_status)
    raised = raised_by_the_sdk(answer)

    assert (status, kind) == (answer.status, raised.type)
    assert isinstance(raised, sdk)
    assert "false" == answer.headers["x-should-retry"]
    assert "Retry-After" not in answer.headers


def test_credit_that_is_only_held_is_worth_a_retry():
    answer = rendered(errors.QuotaExceeded("Held.", code="balance_held", retry_after_s=1))

    assert 429 == answer.status
    assert ("1", "1000") == (answer.headers["Retry-After"], answer.headers["retry-after-ms"])
    assert "x-should-retry" not in answer.headers


def test_facts_stand_beside_the_code():
    error = errors.QuotaExceeded("No.", details={"available": 5, "limit": "calls_in_parallel"})

    assert {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "message": "No.",
            "details": {
                "error_code": "rate_limit_exceeded",
                "available": 5,
                "limit": "calls_in_parallel",
            },
        },
        "request_id": "req_1",
    } == orjson.loads(rendered(error).body)


def test_only_an_unauthenticated_caller_is_told_the_scheme():
    assert "Bearer" == rendered(errors.Unauthenticated("x")).headers["WWW-Authenticate"]
    assert "WWW-Authenticate" not in rendered(errors.Forbidden("x")).headers
