"""Errors as Anthropic's API and its official SDKs know them.

Body: `{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}`;
beside the code stand the numbers a program can act on. The id is also in the header `request-id`.
Sources: Anthropic API reference "Errors"; anthropic package 2.14.0, `types/shared` and
`_exceptions.py` (read 2026-11-23).
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.base import Rendered
from gateway.dialects.error_headers import credit_is_gone, error_headers
from gateway.errors import GatewayError

CREDIT_GONE_STATUS = 402
OVERLOADED_STATUS = 529

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# A ledger that is away and a process that shuts down: this API says 529 for "not now".
_UNAVAILABLE_STATUS = 503
_SERVER_ERRORS_FROM = 500


def render_error(
    error: GatewayError, *, request_id: str, quota_status: int | None = None
) -> Rendered:
    """`quota_status` replaces 402 where credit is gone; other refusals keep their own status."""
    status = _status(error, quota_status)
    document = {
        "type": "error",
        "error": {
            "type": _type(status),
            "message": error.message,
            "details": {"error_code": error.code, **error.details},
        },
        "request_id": request_id,
    }
    return Rendered(
        status=status,
        headers=error_headers(error, status=status) | {"request-id": request_id},
        body=orjson.dumps(document),
    )


def _status(error: GatewayError, quota_status: int | None) -> int:
    if credit_is_gone(error):
        return CREDIT_GONE_STATUS if quota_status is None else quota_status
    return OVERLOADED_STATUS if error.status == _UNAVAILABLE_STATUS else error.status


def _type(status: int) -> str:
    if status in _TYPES:
        return _TYPES[status]
    return "api_error" if status >= _SERVER_ERRORS_FROM else "invalid_request_error"
