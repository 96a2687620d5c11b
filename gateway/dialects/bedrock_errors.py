"""Errors as Amazon Bedrock and AWS's SDKs know them: the type in a header, the text in the body.

Header `x-amzn-errortype`, body `{"message"}`; beside it the code and the numbers a program can act
on. AWS's SDKs decide by type and status whether to try again: they do for throttling and for 5xx,
not for a quota that is used up, which is 400 there. Sources: botocore 1.44, service model
`bedrock-runtime` and `retries/standard.py`; "Common Error Types" of the Amazon Bedrock API
reference (read 2026-11-24).
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.base import Rendered
from gateway.dialects.error_headers import credit_is_gone, error_headers
from gateway.errors import GatewayError

CREDIT_GONE_STATUS = 400
CREDIT_GONE_TYPE = "ServiceQuotaExceededException"

_TYPES: Mapping[int, str] = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    409: "ConflictException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
_SERVER_ERRORS_FROM = 500


def render_error(
    error: GatewayError, *, request_id: str, quota_status: int | None = None
) -> Rendered:
    """`quota_status` replaces 400 where credit is gone; other refusals keep their own status."""
    status, kind = error.status, _type(error.status)
    if credit_is_gone(error):
        status = CREDIT_GONE_STATUS if quota_status is None else quota_status
        kind = CREDIT_GONE_TYPE
    headers = {"x-amzn-errortype": kind, "x-amzn-requestid": request_id}
    return Rendered(
        status=status,
        headers=error_headers(error, status=status) | headers,
        body=orjson.dumps({"message": error.message, "code": error.code, **error.details}),
    )


def _type(status: int) -> str:
    if status in _TYPES:
        return _TYPES[status]
    return "InternalServerException" if status >= _SERVER_ERRORS_FROM else "ValidationException"
