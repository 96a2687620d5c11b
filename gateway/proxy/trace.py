"""What is observed of one call, for its log line and its metrics. Nothing decides by it."""

from dataclasses import dataclass

from gateway.telemetry.spans import Span


@dataclass(slots=True, kw_only=True)
class Trace:
    """Filled in as the call goes on; empty texts are what never became known. Times in seconds
    of the monotonic clock; 0 = did not happen."""

    request_id: str
    started_s: float
    api: str = ""
    dialect: str = ""
    provider: str = ""
    model: str = ""
    key_id: str = ""
    account_id: str = ""
    status: int = 0
    reason: str = ""
    """Machine code of the refusal or error, if any."""
    forwarded_s: float = 0.0
    first_byte_s: float = 0.0
    attempts: int = 0
    """Providers that were asked: more than one if another did not answer it."""
    relayed_bytes: int = 0
    span: Span | None = None
    """Where spans are made."""

    @property
    def ttfb_s(self) -> float:
        """Until the answer began; 0 if it did not."""
        return self.first_byte_s - self.started_s if self.first_byte_s else 0.0
