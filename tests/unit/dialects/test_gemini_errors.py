import httpx2
import orjson
import pytest
from google.genai import errors as genai_errors

from gateway import errors
from gateway.dialects.gemini import GeminiApi


def raised_by_the_sdk(rendered):
    response = httpx2.Response(
        rendered.status, headers=dict(rendered.headers), content=rendered.body
    )
    with pytest.raises(genai_errors.APIError) as raised:
        genai_errors.APIError.raise_for_response(response)
    return raised.value


def rendered(error, *, quota_status=None):
    return GeminiApi(quota_status=quota_status).render_error(error, request_id="req_1")


def details_of(answer):
    return {
        detail.pop("@type").removeprefix("type.googleapis.com/google.rpc."): detail
        for detail in orjson.loads(answer.body)["error"]["details"]
    }


@pytest.mark.parametrize(
    ("error", "code", "status", "sdk"),
    [
        (errors.BadCall, 400, "INVALID_ARGUMENT", genai_errors.ClientError),
        (errors.Unauthenticated, 401, "UNAUTHENTICATED", genai_errors.ClientError),
        (errors.Forbidden, 403, "PERMISSION_DENIED", genai_errors.ClientError),
        (errors.UnknownEndpoint, 404, "NOT_FOUND", genai_errors.ClientError),
        (errors.Conflict, 409, "ABORTED", genai_errors.ClientError),
        (errors.BodyTooLarge, 413, "INVALID_ARGUMENT", genai_errors.ClientError),
        (errors.QuotaExceeded, 429, "RESOURCE_EXHAUSTED", genai_errors.ClientError),
        (errors.GatewayError, 500, "INTERNAL", genai_errors.ServerError),
        (errors.UpstreamFailed, 502, "UNAVAILABLE", genai_errors.ServerError),
        (errors.StoreUnavailable, 503, "UNAVAILABLE", genai_errors.ServerError),
        (errors.UpstreamTimeout, 504, "DEADLINE_EXCEEDED", genai_errors.ServerError),
    ],
)
def test_each_error_is_what_the_official_sdk_expects(error, code, status, sdk):
    raised = raised_by_the_sdk(rendered(error("Do this.")))

    assert sdk is type(raised)
    assert (code, status, "Do this.") == (raised.code, raised.status, raised.message)


@pytest.mark.parametrize(("quota_status", "code"), [(None, 429), (402, 402), (429, 429)])
def test_an_empty_account_is_told_so_once(quota_status, code):
    error = errors.QuotaExceeded("No credit.", code="insufficient_quota", retry_after_s=5)
    answer = rendered(error, quota_status=quota_status)
    raised = raised_by_the_sdk(answer)

    assert (code, "RESOURCE_EXHAUSTED") == (raised.code, raised.status)
    assert "false" == answer.headers["x-should-retry"]
    assert "Retry-After" not in answer.headers
    assert ["ErrorInfo"] == list(details_of(answer))


def test_a_limit_says_which_it_is_and_when_to_try_again():
    error = errors.QuotaExceeded(
        "Slow down.", retry_after_s=1.25, details={"limit": "requests_per_minute", "available": 0}
    )
    answer = rendered(error)

    assert "2" == answer.headers["Retry-After"]
    assert {
        "ErrorInfo": {
            "reason": "RATE_LIMIT_EXCEEDED",
            "domain": "tollkeeper",
            "metadata": {"limit": "requests_per_minute", "available": "0"},
        },
        "QuotaFailure": {
            "violations": [{"subject": "requests_per_minute", "description": "Slow down."}]
        },
        "RetryInfo": {"retryDelay": "1.250s"},
    } == details_of(answer)


def test_a_field_at_fault_is_named():
    answer = rendered(errors.BadCall("Give it once.", details={"param": "contents"}))

    assert {
        "ErrorInfo": {"reason": "INVALID_REQUEST", "domain": "tollkeeper", "metadata": {}},
        "BadRequest": {"fieldViolations": [{"field": "contents", "description": "Give it once."}]},
    } == details_of(answer)


def test_only_an_unauthenticated_caller_is_told_the_scheme():
    assert "Bearer" == rendered(errors.Unauthenticated("x")).headers["WWW-Authenticate"]
    assert "WWW-Authenticate" not in rendered(errors.Forbidden("x")).headers
