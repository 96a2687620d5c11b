"""Gemini's conventions, which are those of Google's APIs: its errors. It has no rate-limit headers
of its own, so only the generic ones are sent."""

from collections.abc import Sequence

from gateway.dialects import gemini_errors
from gateway.dialects.base import Rendered
from gateway.dialects.limit_headers import LimitHeaders, Told
from gateway.errors import GatewayError
from gateway.metering.limits import Charge

GEMINI_LIMITS = LimitHeaders({})


class GeminiApi:
    """Implements `Api`. `quota_status`: the status of a call refused because credit is gone; None
    means this API's own, 429."""

    name = "gemini"

    def __init__(self, *, quota_status: int | None = None) -> None:
        self._quota_status = quota_status

    def limit_headers(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> Told:
        return GEMINI_LIMITS.told(charges, rooms, now_ms=now_ms)

    def render_error(self, error: GatewayError, *, request_id: str = "") -> Rendered:  # noqa: ARG002 (the protocol's)
        return gemini_errors.render_error(error, quota_status=self._quota_status)
