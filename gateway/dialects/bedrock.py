"""Amazon Bedrock's conventions: its errors. It has no headers for limits: callers get generic ones.

Callers present their virtual key as a Bedrock API key: AWS's SDKs send it as a bearer token when it
stands in AWS_BEARER_TOKEN_BEDROCK. A signature (Signature Version 4) is no key: whoever could check
it would have to know the caller's secret.
"""

from collections.abc import Sequence

from gateway.dialects import bedrock_errors
from gateway.dialects.base import Rendered
from gateway.dialects.limit_headers import LimitHeaders, Told
from gateway.errors import GatewayError
from gateway.metering.limits import Charge

_LIMITS = LimitHeaders({})


class BedrockApi:
    """Implements `Api`. `quota_status`: the status of a call refused because credit is gone; None
    means this API's own, 400."""

    name = "bedrock"

    def __init__(self, *, quota_status: int | None = None) -> None:
        self._quota_status = quota_status

    def limit_headers(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> Told:
        return _LIMITS.told(charges, rooms, now_ms=now_ms)

    def render_error(self, error: GatewayError, *, request_id: str = "") -> Rendered:
        return bedrock_errors.render_error(
            error, request_id=request_id, quota_status=self._quota_status
        )
