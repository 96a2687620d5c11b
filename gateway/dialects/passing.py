"""For formats in which nothing has to be hidden, and which are never cut."""

from gateway.dialects.base import Reported
from gateway.dialects.story_readers import Tail
from gateway.metering.usage import Usage


class Passing:
    """Implements `BodyFilter`."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        return data

    def close(self) -> bytes:
        return b""


class NeverCut:
    """Implements `Closing` for answers that are billed as a whole (`Call.whole`)."""

    __slots__ = ()

    def add(self, document: object) -> None:
        """Nothing will build on it."""

    def end(self) -> None:
        """Nothing will follow it."""

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""


def no_glance(tail: Tail) -> Reported | None:  # noqa: ARG001 (the protocol's)
    """For short streams: they are read as a whole."""
    return None
