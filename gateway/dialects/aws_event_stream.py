"""AWS event streams (`application/vnd.amazon.eventstream`): frames in bytes, and bytes as frames.

A frame, big-endian: total length (4 bytes), length of its headers (4), CRC-32 of these eight bytes
(4), headers, payload, CRC-32 of everything before (4). A header: length of its name (1), name,
type of its value (1), value. Facts: Smithy 2.0, "Amazon Event Stream Specification"; sizes and
header types as in botocore 1.44, `eventstream.py` (read 2026-11-24).

A frame's start is known only from the end of the one before: nothing marks it. So where lengths are
damaged, all that follows is unreadable; otherwise only the damaged frame is. Bytes are kept as they
come and cut only when asked; what a payload means is not known here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from struct import Struct
from zlib import crc32

# What AWS's own clients accept.
HEADERS_BYTES_MAX = 128 * 1024
PAYLOAD_BYTES_MAX = 24 * 1024 * 1024

NO_FRAME = -1

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


@dataclass(frozen=True, slots=True)
class Frame:
    """One event. `kind`: its event type, or for a failure its exception type or error code."""

    kind: str
    payload: bytes
    failed: bool = False


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
        {_EVENT_TYPE: kind, ":content-type": "application/json", _MESSAGE_TYPE: "event"}, payload
    )


def frame_ends(data: bytes) -> list[int]:
    """Where the complete frames of `data` end. Looks at their lengths only."""
    return _walked(data)[0]


def frame_at(data: bytes, start: int, end: int) -> Frame | None:
    """The frame that stands there; None when it is damaged."""
    checked = end - _CRC.size
    if _CRC.unpack_from(data, checked)[0] != crc32(data[start:checked]):
        return None
    _, headers_bytes, _ = _PRELUDE.unpack_from(data, start)
    headers_end = start + _PRELUDE.size + headers_bytes
    try:
        kind, failed = _kind(data[start + _PRELUDE.size : headers_end])
    except ValueError:
        return None
    return Frame(kind, data[headers_end:checked], failed)


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
        """Where the frame ends that `data[start:]` begins with, or goes on with if what was fed had
        its beginning; -1 while its end is still to come.

        What belongs to no frame ends with the data: nothing readable follows it.
        """
        kept = self._joined()
        begun = kept[_last(_walked(kept)[0]) :]
        length = _frame_bytes(begun + data[start : start + _PRELUDE.size], 0)
        end = len(data) if length == NO_FRAME else start + length - len(begun)
        return end if start < end <= len(data) else -1

    def tail(self, size: int) -> bytes:  # noqa: ARG002 (frames are found from their beginning only)
        """All that is pending, which begins with the beginning of a frame."""
        return self._joined()

    def take(self, *, final: bool = False) -> list[Frame]:
        """The complete frames that can be read; all of them are forgotten here. The beginning of
        one stays, unless this is the `final` look: what is unfinished then stays so."""
        if self.pending_bytes < self._awaited_bytes and not final:
            return []
        data = self._joined()
        ends, self._awaited_bytes = _walked(data)
        self._unreadable = self._unreadable or self._awaited_bytes == NO_FRAME
        dropped = final or self._unreadable
        rest = b"" if dropped else data[_last(ends) :]
        self._kept = [rest]
        self.pending_bytes = len(rest)
        found = [frame_at(data, start, end) for start, end in pairwise((0, *ends))]
        return [frame for frame in found if frame is not None]

    def _joined(self) -> bytes:
        if len(self._kept) != 1:
            self._kept = [b"".join(self._kept)]
        return self._kept[0]


def _last(ends: list[int]) -> int:
    return ends[-1] if ends else 0


def _walked(data: bytes) -> tuple[list[int], int]:
    """Where the complete frames end, and how long the one after them is, as far as it is known."""
    ends: list[int] = []
    at = 0
    while True:
        length = _frame_bytes(data, at)
        if length == NO_FRAME or at + length > len(data):
            return ends, length
        at += length
        ends.append(at)


def _frame_bytes(data: bytes, start: int) -> int:
    """The length of the frame that begins there; NO_FRAME when none does. Before its prelude is
    there, that much."""
    if len(data) - start < _PRELUDE.size:
        return _PRELUDE.size
    total, headers_bytes, crc = _PRELUDE.unpack_from(data, start)
    payload_bytes = total - headers_bytes - _PRELUDE.size - _CRC.size
    if headers_bytes > HEADERS_BYTES_MAX or not 0 <= payload_bytes <= PAYLOAD_BYTES_MAX:
        return NO_FRAME
    right = crc == crc32(data[start : start + _LENGTHS_BYTES])
    return int(total) if right else NO_FRAME


# The frames of a stream differ in their payloads only. No real headers are longer than a few
# hundred bytes, so remembering some costs nothing.
@lru_cache(maxsize=64)
def _kind(raw: bytes) -> tuple[str, bool]:
    """Raises ValueError for headers that do not add up."""
    headers = dict(_strings(raw))
    match headers.get(_MESSAGE_TYPE, ""):
        case "exception":
            return headers.get(_EXCEPTION_TYPE, ""), True
        case "error":
            return headers.get(_ERROR_CODE, ""), True
        case _:
            return headers.get(_EVENT_TYPE, ""), False


def _strings(raw: bytes) -> Iterator[tuple[str, str]]:
    """The headers that are strings."""
    at = 0
    while at < len(raw):
        name_end = at + 1 + raw[at]
        start = name_end + 1
        if start > len(raw):
            raise ValueError("a name without a value")
        kind = raw[name_end]
        end = start + _value_bytes(raw, start, kind)
        if end > len(raw):
            raise ValueError("a value that is cut off")
        if kind == _STRING:
            yield raw[at + 1 : name_end].decode(), raw[start + 2 : end].decode()
        at = end


def _value_bytes(raw: bytes, start: int, kind: int) -> int:
    if kind in _SIZED:
        return 2 + int.from_bytes(raw[start : start + 2], "big")
    if kind in _FIXED_SIZES:
        return _FIXED_SIZES[kind]
    raise ValueError("an unknown type")


def _header(name: bytes, value: bytes) -> bytes:
    return b"%c%b%b%b" % (len(name), name, _STRING_HEAD.pack(_STRING, len(value)), value)
