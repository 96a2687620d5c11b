"""What AWS's SDK makes of an error, and whether it tries again."""

import anthropic
import httpx2
import orjson
import pytest
from botocore.awsrequest import AWSResponse
from botocore.parsers import RestJSONParser
from botocore.retries.standard import (
    RetryContext,
    ThrottledRetryableChecker,
    TransientRetryableChecker,
)

from gateway import errors
from gateway.dialects.bedrock import BedrockApi

CREDIT_GONE = errors.QuotaExceeded("No credit.", code="insufficient_quota", retry_after_s=5)


def rendered(error, *, quota_status=None):
    return BedrockApi(quota_status=quota_status).render_error(error, request_id="req_1")


def parsed_by_botocore(answer):
    headers = {name.lower(): value for name, value in answer.headers.items()}
    response = {"status_code": answer.status, "headers": headers, "body": answer.body}
    return RestJSONParser().parse(response, None)


def tried_again_by_botocore(answer):
    headers = dict(answer.headers)
    context = RetryContext(
        attempt_number=1,
        parsed_response=parsed_by_botocore(answer),
        http_response=AWSResponse("http://gateway", answer.status, headers, None),
    )
    return any(
        checker.is_retryable(context)
        for checker in (ThrottledRetryableChecker(), TransientRetryableChecker())
    )


@pytest.mark.parametrize(
    ("error", "status", "kind", "again"),
    [
        (errors.BadCall, 400, "ValidationException", False),
        (errors.Unauthenticated, 401, "UnrecognizedClientException", False),
        (errors.Forbidden, 403, "AccessDeniedException", False),
        (errors.UnknownEndpoint, 404, "ResourceNotFoundException", False),
        (errors.Conflict, 409, "ConflictException", False),
        (errors.BodyTooLarge, 413, "ValidationException", False),
        (errors.QuotaExceeded, 429, "ThrottlingException", True),
        (errors.GatewayError, 500, "InternalServerException", True),
        (errors.UpstreamFailed, 502, "InternalServerException", True),
        (errors.StoreUnavailable, 503, "ServiceUnavailableException", True),
        (errors.Draining, 503, "ServiceUnavailableException", True),
        (errors.UpstreamTimeout, 504, "ModelTimeoutException", True),
    ],
)
def test_each_error_is_what_the_official_sdk_expects(error, status, kind, again):
    answer = rendered(error("Do this."))
    parsed = parsed_by_botocore(answer)

    assert status == answer.status
    assert {"Code": kind, "Message": "Do this."} == parsed["Error"]
    assert "req_1" == parsed["ResponseMetadata"]["RequestId"]
    assert again == tried_again_by_botocore(answer)


@pytest.mark.parametrize(("quota_status", "status"), [(None, 400), (402, 402)])
def test_an_empty_account_is_told_so_once(quota_status, status):
    answer = rendered(CREDIT_GONE, quota_status=quota_status)

    assert status == answer.status
    assert "ServiceQuotaExceededException" == parsed_by_botocore(answer)["Error"]["Code"]
    assert not tried_again_by_botocore(answer)
    assert "false" == answer.headers["x-should-retry"]
    assert "Retry-After" not in answer.headers


def test_anthropics_sdk_shows_the_message():
    answer = rendered(CREDIT_GONE)
    client = anthropic.AnthropicBedrock(api_key="tk_1", aws_region="us-east-1")
    raised = client._make_status_error_from_response(
        httpx2.Response(
            answer.status,
            headers=dict(answer.headers),
            content=answer.body,
            request=httpx2.Request("POST", "http://gateway"),
        )
    )

    assert isinstance(raised, anthropic.BadRequestError)
    assert "No credit." in str(raised)


def test_facts_stand_beside_the_message():
    error = errors.QuotaExceeded("No.", details={"available": 5, "limit": "calls_in_parallel"})

    assert {
        "message": "No.",
        "code": "rate_limit_exceeded",
        "available": 5,
        "limit": "calls_in_parallel",
    } == orjson.loads(rendered(error).body)
