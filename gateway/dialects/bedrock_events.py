"""The events of a Bedrock stream: JSON documents of the model's vendor, in chunks, in frames.

A frame of type `chunk` has the payload `{"bytes": "<the document in base64>", "p": "<padding>"}`;
one that tells of a failure, such as `modelStreamErrorException`, has `{"message"}` and is the last.
Source: botocore 1.44, service model `bedrock-runtime`, shape ResponseStream (read 2026-11-24).
"""

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Mapping

import orjson

from gateway.dialects.aws_event_stream import Frame, FrameBuffer, event

CHUNK = "chunk"


def chunk(document: Mapping[str, object]) -> bytes:
    """The frame of one document."""
    payload = {"bytes": b64encode(orjson.dumps(document)).decode()}
    return event(CHUNK, orjson.dumps(payload))


def document_in(frame: Frame) -> bytes:
    """The document a frame carries; a failure as the event that Anthropic's own API sends for it.
    Empty for what is neither."""
    try:
        payload = orjson.loads(frame.payload)
    except orjson.JSONDecodeError:
        payload = None
    fields = payload if isinstance(payload, dict) else {}
    if frame.failed:
        error = {"type": frame.kind, "message": str(fields.get("message", ""))}
        return orjson.dumps({"type": "error", "error": error})
    packed = fields.get("bytes")
    if frame.kind != CHUNK or not isinstance(packed, str):
        return b""
    try:
        return a2b_base64(packed)
    except ValueError:
        return b""


class ChunkBuffer:
    """Keeps a stream's bytes until `take` cuts the complete documents off. Implements `Framing`."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames = FrameBuffer()

    @property
    def pending_bytes(self) -> int:
        return self._frames.pending_bytes

    def feed(self, data: bytes) -> None:
        self._frames.feed(data)

    def boundary(self, data: bytes, start: int) -> int:
        return self._frames.boundary(data, start)

    def tail(self, size: int) -> bytes:
        return self._frames.tail(size)

    def take(self, *, final: bool = False) -> list[bytes]:
        return [document_in(frame) for frame in self._frames.take(final=final)]

    def withdraw(self) -> None:
        """What was taken last was not relayed. Another frame may take its place as it is."""
