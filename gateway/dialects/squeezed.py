"""Spares a reader the pictures: base64 is taken out of its copy of an answer, all else stays.

Ten pictures take a hundred megabytes, what is said about them a few hundred bytes. What is left of
each is long enough to see that there was one.
"""

from gateway.dialects.base import AnswerReader, OutputPiece, Reported
from gateway.metering.usage import Usage

# No text that matters here is as long and has no blank.
LONG_BYTES = 512
KEPT_BYTES = 16
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_"


class Squeezed:
    """Implements `AnswerReader` by another one."""

    __slots__ = ("_reader", "_spared_bytes")

    def __init__(self, reader: AnswerReader) -> None:
        self._reader = reader
        self._spared_bytes = 0

    @property
    def pending_bytes(self) -> int:
        return self._reader.pending_bytes + self._spared_bytes

    def feed(self, data: bytes) -> None:
        short = squeezed(data)
        self._spared_bytes += len(data) - len(short)
        self._reader.feed(short)

    def digest(self) -> list[OutputPiece]:
        self._spared_bytes = 0
        return self._reader.digest()

    def close(self) -> Reported | None:
        return self._reader.close()

    @property
    def so_far(self) -> Usage | None:
        return self._reader.so_far

    @property
    def extra(self) -> Usage:
        return self._reader.extra

    def boundary(self, data: bytes, start: int) -> int:
        return self._reader.boundary(data, start)

    def withdraw(self) -> None:
        self._reader.withdraw()

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:
        return self._reader.ending(usage=usage, include_usage=include_usage)


def squeezed(data: bytes) -> bytes:
    """The same JSON with its long base64 texts shortened. It may begin and end anywhere."""
    if len(data) < LONG_BYTES:
        return data
    return b'"'.join(
        [
            text if len(text) < LONG_BYTES or text.translate(None, _BASE64) else text[:KEPT_BYTES]
            for text in data.split(b'"')
        ]
    )
