"""Errors of the Metering API as `application/problem+json` (RFC 9457), with stable codes.

`type` is a URI reference to the page that explains the code; `code` is the same word as in the data
plane's errors. What a program can act on stands beside: numbers, names, never a key.
"""

import math
from collections.abc import Mapping

import orjson
from aiohttp import web

from gateway.errors import GatewayError

MEDIA_TYPE = "application/problem+json"
# Where `type` leads, under this API's own root.
TYPES = "/metering/v1/problems/"

TITLES: Mapping[str, str] = {
    "invalid_request": "The request is not valid",
    "request_too_large": "The request body is too large",
    "invalid_api_key": "No valid key",
    "scope_missing": "The key does not have the scope",
    "cross_site": "Another site's page asked",
    "too_many_attempts": "Too many wrong keys",
    "not_found": "There is nothing here",
    "model_not_allowed": "The model is not available to this account or key",
    "model_not_priced": "It has no price here",
    "account_inactive": "The account is not active",
    "project_inactive": "The project is not active",
    "key_inactive": "The key is not active",
    "reservation_ended": "The reservation has ended",
    "signature_invalid": "The event is not signed as it should be",
    "payer_unknown": "It cannot be told whose payment that is",
    "currency_unknown": "The currency has no rate",
    "conflict": "The id stands for something else",
    "idempotency_key_missing": "The Idempotency-Key header is missing",
    "idempotency_key_reused": "The Idempotency-Key was used for another request",
    "idempotency_in_flight": "The same request is still running",
    "changed_meanwhile": "It has changed meanwhile",
    "insufficient_quota": "Not enough credit",
    "balance_held": "The credit is held by running calls",
    "rate_limit_exceeded": "A limit is reached",
    "metering_unavailable": "The ledger does not answer",
    "history_unavailable": "What was used cannot be looked up now",
    "draining": "The gateway is shutting down",
    "internal_error": "Something failed inside the gateway",
}


def document(error: GatewayError) -> dict[str, object]:
    return {
        "type": f"{TYPES}{error.code}",
        "title": TITLES.get(error.code, error.code.replace("_", " ").capitalize()),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        **error.details,
    }


def response(error: GatewayError, *, request_id: str) -> web.Response:
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    if error.status == 401:  # noqa: PLR2004 (RFC 9110: the one status that must name a scheme)
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(0, math.ceil(error.retry_after_s)))
    told = document(error) | {"instance": request_id}
    body = orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(status=error.status, headers=headers, body=body)
