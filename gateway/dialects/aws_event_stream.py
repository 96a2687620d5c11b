"""AWS event streams (`application/vnd.amazon.eventstream`): frames in bytes, and bytes as frames.

A frame, big-endian: total length (4 bytes), length of its headers (4), CRC-32 of these eight bytes
(4), headers, payload, CRC-32 of everything before (4). A header: length of its name (1), name,
type of its value (1), value. Facts: Smithy 2.0, "Amazon Event Stream Specification"; sizes and
header types as in botocore 1.44, `eventstream.py` (read 2026-11-24).

A frame's start is known only from the end of the one before: nothing marks it. So where a stream
is damaged, all that follows is unreadable. Bytes are kept as they come and cut only when asked;
what a payload means is not known here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from zlib import crc32

# What AWS's own clients accept.
HEADERS_BYTES_MAX = 128 * 1024
PAYLOAD_BYTES_MAX = 24 * 1024 * 1024

_PRELUDE = Struct(">III")
_LENGTHS_BYTES = 8
_CRC = Struct(">I")
_STRING = 7
_STRING_HEAD = Struct(">BH")
# The sizes of the values whose size goes by their type: true, false, 1 to 8 byte integers,
# a moment, a UUID.
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
# Byte arrays and strings say their size in two bytes.
_SIZED = frozenset({6, _STRING})
_MESSAGE_TYPE, _EVENT_TYPE = ":message-type", ":event-type"
_EXCEPTION_TYPE, _ERROR_CODE = ":exception-type", ":error-code"
_CONTENT_TYPE = ":content-type"


@dataclass(frozen=True, slots=True)
class Frame:
    """One event. `kind`: its event type, or for a failure its exception type or error code."""

    kind: str
    payload: bytes
    failed: bool = False


class _NoFrame(Exception):
    """What stands here cannot be read as one."""


def encoded(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame; all headers are strings."""
    head = b"".join([_header(name.encode(), value.encode()) for name, value in headers.items()])
    total = _PRELUDE.size + len(head) + len(payload) + _CRC.size
    lengths = _PRELUDE.pack(total, len(head), 0)[:_LENGTHS_BYTES]
    frame = b"%b%b%b%b" % (lengths, _CRC.pack(crc32(lengths)), head, payload)
    return frame + _CRC.pack(crc32(frame))


def event(kind: str, payload: bytes) -> bytes:
    """A frame as services send their events."""
    return encoded(
        {_EVENT_TYPE: kind, _CONTENT_TYPE: "application/json", _MESSAGE_TYPE: "event"}, payload
    )


def exception(kind: str, payload: bytes) -> bytes:
    """A frame that tells of a modelled failure; a service ends its stream with it."""
    return encoded(
        {_EXCEPTION_TYPE: kind, _CONTENT_TYPE: "application/json", _MESSAGE_TYPE: "exception"},
        payload,
    )


class FrameBuffer:
    """Keeps a stream's bytes until `take` cuts the complete frames off.

    Once something in it is no frame, or claims to be larger than any, the rest is dropped.
    """

    __slots__ = ("_awaited_bytes", "_kept", "_unreadable", "pending_bytes")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        # No frame is complete before as many are pending: a large one is not searched again
        # and again while it arrives.
        self._awaited_bytes = 0
        self._unreadable = False
        self.pending_bytes = 0

    def feed(self, data: bytes) -> None:
        if not self._unreadable:
            self._kept.append(data)
            self.pending_bytes += len(data)

    def boundary(self, data: bytes, start: int) -> int:
        """Where the frame ends of which `data[start:]` is the beginning, or the continuation of
        what was fed; -1 while its end is still to come.

        What belongs to no frame ends with the data: nothing readable follows it.
        """
        kept = self._joined()
        at = 0
        try:
            while (end := _frame_end(kept, at)) <= len(kept):
                at = end
            opening = kept[at:] + data[start : start + _PRELUDE.size]
            end = start + _frame_end(opening, 0) - len(kept[at:])
        except _NoFrame:
            end = len(data)
        return end if start < end <= len(data) else -1

    def take(self) -> list[Frame]:
        """The complete frames, which are forgotten here; the beginning of one stays."""
        if self.pending_bytes < self._awaited_bytes:
            return []
        data = self._joined()
        frames: list[Frame] = []
        at = 0
        try:
            while (end := _frame_end(data, at)) <= len(data):
                frames.append(_frame(data, at, end))
                at = end
            self._awaited_bytes = end - at
        except _NoFrame:
            self._unreadable = True
            at = len(data)
        self._kept = [data[at:]]
        self.pending_bytes = len(data) - at
        return frames

    def _joined(self) -> bytes:
        if len(self._kept) != 1:
            self._kept = [b"".join(self._kept)]
        return self._kept[0]


def _frame_end(data: bytes, start: int) -> int:
    """May lie beyond the data. Raises _NoFrame."""
    if len(data) - start < _PRELUDE.size:
        return start + _PRELUDE.size
    total, headers_bytes, crc = _PRELUDE.unpack_from(data, start)
    payload_bytes = total - headers_bytes - _PRELUDE.size - _CRC.size
    if headers_bytes > HEADERS_BYTES_MAX or not 0 <= payload_bytes <= PAYLOAD_BYTES_MAX:
        raise _NoFrame
    if crc != crc32(data[start : start + _LENGTHS_BYTES]):
        raise _NoFrame
    return int(start + total)


def _frame(data: bytes, start: int, end: int) -> Frame:
    checked = end - _CRC.size
    if _CRC.unpack_from(data, checked)[0] != crc32(data[start:checked]):
        raise _NoFrame
    _, headers_bytes, _ = _PRELUDE.unpack_from(data, start)
    headers_end = start + _PRELUDE.size + headers_bytes
    kind, failed = _kind(data[start + _PRELUDE.size : headers_end])
    return Frame(kind, data[headers_end:checked], failed)


# The frames of a stream differ in their payloads only. No real headers are longer than a few
# hundred bytes, so remembering some costs nothing.
@lru_cache(maxsize=64)
def _kind(raw: bytes) -> tuple[str, bool]:
    headers = dict(_strings(raw))
    match headers.get(_MESSAGE_TYPE, ""):
        case "exception":
            return headers.get(_EXCEPTION_TYPE, ""), True
        case "error":
            return headers.get(_ERROR_CODE, ""), True
        case _:
            return headers.get(_EVENT_TYPE, ""), False


def _strings(raw: bytes) -> Iterator[tuple[str, str]]:
    """The headers that are strings. Raises _NoFrame where they do not add up."""
    at = 0
    while at < len(raw):
        name_end = at + 1 + raw[at]
        if name_end >= len(raw):
            raise _NoFrame
        kind = raw[name_end]
        start = name_end + 1
        end = _value_end(raw, start, kind)
        if end > len(raw):
            raise _NoFrame
        if kind == _STRING:
            try:
                yield raw[at + 1 : name_end].decode(), raw[start + 2 : end].decode()
            except UnicodeDecodeError as error:
                raise _NoFrame from error
        at = end


def _value_end(raw: bytes, start: int, kind: int) -> int:
    """May lie beyond the headers."""
    if kind in _SIZED:
        return start + 2 + int.from_bytes(raw[start : start + 2], "big")
    if kind in _FIXED_SIZES:
        return start + _FIXED_SIZES[kind]
    raise _NoFrame


def _header(name: bytes, value: bytes) -> bytes:
    return b"%c%b%b%b" % (len(name), name, _STRING_HEAD.pack(_STRING, len(value)), value)
