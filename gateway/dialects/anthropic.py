"""Anthropic's conventions: its errors and its rate-limit headers."""

from collections.abc import Sequence

from gateway.dialects import anthropic_errors
from gateway.dialects.anthropic_limits import ANTHROPIC_LIMITS
from gateway.dialects.base import Rendered
from gateway.dialects.limit_headers import Told
from gateway.errors import GatewayError
from gateway.metering.limits import Charge


class AnthropicApi:
    """Implements `Api`. `quota_status`: the status of a call refused because credit is gone; None
    means this API's own, 402."""

    name = "anthropic"

    def __init__(self, *, quota_status: int | None = None) -> None:
        self._quota_status = quota_status

    def limit_headers(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> Told:
        return ANTHROPIC_LIMITS.told(charges, rooms, now_ms=now_ms)

    def render_error(self, error: GatewayError, *, request_id: str = "") -> Rendered:
        return anthropic_errors.render_error(
            error, request_id=request_id, quota_status=self._quota_status
        )
