"""Errors as OpenAI's API and its official SDKs know them.

Body: `{"error": {"message", "type", "param", "code"}}`, and beside these the numbers a program
can act on. The SDKs retry 408, 409, 429 and 5xx twice unless `x-should-retry` says otherwise, and
wait for `retry-after-ms` or `retry-after`. Sources: OpenAI guide "Error codes"; openai package
3.54.0, `_base_client.py` (read 2026-11-23); RFC 9110 10.2.3 (Retry-After) and 11.6.1
(WWW-Authenticate).
"""

import math
from collections.abc import Mapping

import orjson

from gateway.dialects.base import Rendered
from gateway.errors import GatewayError

INSUFFICIENT_QUOTA = "insufficient_quota"

# The official type of a refused call; an empty account is its own type there.
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_SERVER_ERRORS_FROM = 500


def render_error(error: GatewayError, *, quota_status: int | None = None) -> Rendered:
    """`quota_status` replaces 429 where credit is gone; other refusals keep their own status."""
    gone = error.code == INSUFFICIENT_QUOTA
    status = quota_status if gone and quota_status is not None else error.status
    return Rendered(
        status=status,
        headers=_headers(error, status=status, gone=gone),
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


def _headers(error: GatewayError, *, status: int, gone: bool) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if status == 401:  # noqa: PLR2004 (RFC 9110: the one status that must name a scheme)
        headers["WWW-Authenticate"] = "Bearer"
    # Waiting brings no credit back: an empty account must not cause a storm of retries.
    should_retry = False if gone else error.should_retry
    if should_retry is not None:
        headers["x-should-retry"] = "true" if should_retry else "false"
    if error.retry_after_s is not None and not gone:
        headers["Retry-After"] = str(max(0, math.ceil(error.retry_after_s)))
        headers["retry-after-ms"] = str(max(0, math.ceil(error.retry_after_s * 1000)))
    return headers
