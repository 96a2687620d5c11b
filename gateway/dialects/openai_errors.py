"""Errors as OpenAI's API and its official SDKs know them.

Body: `{"error": {"message", "type", "param", "code"}}`, and beside these the numbers a program
can act on. Sources: OpenAI guide "Error codes"; openai package 3.54.0 (read 2026-11-23).
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.base import Rendered
from gateway.dialects.error_headers import INSUFFICIENT_QUOTA, credit_is_gone, error_headers
from gateway.errors import GatewayError

# The official type of a refused call; an empty account is its own type there.
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_SERVER_ERRORS_FROM = 500


def render_error(error: GatewayError, *, quota_status: int | None = None) -> Rendered:
    """`quota_status` replaces 429 where credit is gone; other refusals keep their own status."""
    gone = credit_is_gone(error)
    status = quota_status if gone and quota_status is not None else error.status
    return Rendered(
        status=status,
        headers=error_headers(error, status=status),
        body=orjson.dumps({"error": _body(error, status=status, gone=gone)}),
    )


def _body(error: GatewayError, *, status: int, gone: bool) -> dict[str, object]:
    details = dict(error.details)
    return {
        "message": error.message,
        "type": INSUFFICIENT_QUOTA if gone else _type(status),
        "param": details.pop("param", None),
        "code": error.code,
        **details,
    }


def _type(status: int) -> str:
    if status >= _SERVER_ERRORS_FROM:
        return "server_error"
    return _TYPES.get(status, "invalid_request_error")
