"""What the errors of every API have in common: the status of an empty account, and the headers
that tell a client whether and when to try again.

Official SDKs of several vendors come from one generator: they retry 408, 409, 429 and 5xx twice
unless `x-should-retry` says otherwise, and wait for `retry-after-ms` or `retry-after`. Sources:
openai package 3.57.0 and anthropic package 2.14.0, `_base_client.py` (read 2026-11-23); RFC 9110
10.2.3 (Retry-After) and 11.6.1 (WWW-Authenticate).
"""

import math

from gateway.errors import GatewayError

INSUFFICIENT_QUOTA = "insufficient_quota"


def credit_is_gone(error: GatewayError) -> bool:
    return error.code == INSUFFICIENT_QUOTA


def error_headers(error: GatewayError, *, status: int) -> dict[str, str]:
    """For a JSON body. `status`: what the error goes out with."""
    gone = credit_is_gone(error)
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
