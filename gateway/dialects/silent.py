"""The reader of answers that tell nothing of what a call used: others look at those."""

from gateway.dialects.base import OutputPiece, Reported
from gateway.metering.usage import NOTHING, Usage


class Silent:
    """Implements `AnswerReader`."""

    __slots__ = ("pending_bytes",)

    so_far: Usage | None = None
    extra = NOTHING

    def __init__(self) -> None:
        self.pending_bytes = 0

    def feed(self, data: bytes) -> None:
        self.pending_bytes += len(data)

    def digest(self) -> list[OutputPiece]:
        self.pending_bytes = 0
        return []

    def close(self) -> Reported | None:
        return None

    def boundary(self, data: bytes, start: int) -> int:  # noqa: ARG002 (the protocol's)
        """Never: a job is not ended by ending its answer."""
        return -1

    def withdraw(self) -> None:
        """Nothing was digested."""

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""
