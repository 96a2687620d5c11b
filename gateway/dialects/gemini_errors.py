"""Errors as Gemini's API and Google's SDKs know them: `google.rpc.Status` in JSON.

Body: `{"error": {"code", "message", "status", "details": [...]}}`. Of the standard details,
`ErrorInfo` carries our machine code and the numbers a program can act on, `RetryInfo` when to try
again, `QuotaFailure` which limit refused, `BadRequest` which field is at fault. Sources: "Errors"
in Google's API design guide (AIP-193), google/rpc/error_details.proto; google-genai package 3.6.1,
`errors.py` (read 2026-11-26).
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.base import Rendered
from gateway.dialects.error_headers import credit_is_gone, error_headers
from gateway.errors import GatewayError

DOMAIN = "tollkeeper"
_TYPE = "type.googleapis.com/google.rpc."

# google.rpc.Code by HTTP status.
_STATUSES: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def render_error(error: GatewayError, *, quota_status: int | None = None) -> Rendered:
    """`quota_status` replaces 429 where credit is gone; other refusals keep their own status."""
    gone = credit_is_gone(error)
    status = quota_status if gone and quota_status is not None else error.status
    document = {
        "error": {
            "code": status,
            "message": error.message,
            "status": _STATUSES.get(status, "INVALID_ARGUMENT"),
            "details": _details(error),
        }
    }
    return Rendered(
        status=status, headers=error_headers(error, status=status), body=orjson.dumps(document)
    )


def _details(error: GatewayError) -> list[dict[str, object]]:
    facts = dict(error.details)
    details: list[dict[str, object]] = []
    if (field := facts.pop("param", None)) is not None:
        violation = {"field": field, "description": error.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if "limit" in facts:
        violation = {"subject": facts["limit"], "description": error.message}
        details.append({"@type": f"{_TYPE}QuotaFailure", "violations": [violation]})
    # Waiting brings no credit back.
    if error.retry_after_s is not None and not credit_is_gone(error):
        delay = f"{max(0.0, error.retry_after_s):.3f}s"
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": delay})
    return [
        {
            "@type": f"{_TYPE}ErrorInfo",
            "reason": error.code.upper(),
            "domain": DOMAIN,
            "metadata": {name: str(value) for name, value in facts.items()},
        },
        *details,
    ]
