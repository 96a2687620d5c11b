"""OpenAI's conventions: its errors and its rate-limit headers. Spoken by compatible servers too."""

from collections.abc import Sequence

from gateway.dialects import openai_errors
from gateway.dialects.base import Rendered
from gateway.dialects.limit_headers import Told
from gateway.dialects.openai_limits import OPENAI_LIMITS
from gateway.errors import GatewayError
from gateway.metering.limits import Charge


class OpenAIApi:
    """Implements `Api`. `quota_status`: the status of a call refused because credit is gone; None
    means this API's own, 429."""

    name = "openai"

    def __init__(self, *, quota_status: int | None = None) -> None:
        self._quota_status = quota_status

    def limit_headers(
        self, charges: Sequence[Charge], rooms: Sequence[int], *, now_ms: int
    ) -> Told:
        return OPENAI_LIMITS.told(charges, rooms, now_ms=now_ms)

    def render_error(
        self,
        error: GatewayError,
        *,
        request_id: str = "",  # noqa: ARG002 (the protocol's)
    ) -> Rendered:
        return openai_errors.render_error(error, quota_status=self._quota_status)
