"""The length of sound in boxes: MP4 (M4A) and WebM (Matroska).

MP4: ISO/IEC 14496-12 (8.2.2 `mvhd`, 8.4.2 `mdhd`, 8.8.12 `tfdt`). A file that was written while it
was recorded has no length in its header: there the last fragment's time counts. WebM: RFC 9559,
5.1.2 (Info) and 5.1.3 (Cluster); recordings made in a browser have no length either, and there the
last block's time counts. Headers are taken at their word: only walking every sample could tell
that they lie.
"""

import struct
from collections.abc import Iterator

# A recording is a few dozen boxes deep and wide; walking stops there.
BOXES_MAX = 4_096
_BOX_HEADER_BYTES, _LONG_HEADER_BYTES = 8, 16
_CONTAINERS = (b"moov", b"trak", b"mdia")
_MOVIE, _TRACK = b"mvhd", b"mdhd"

_INFO, _CLUSTER = b"\x15\x49\xa9\x66", b"\x1f\x43\xb6\x75"
_SCALE, _DURATION, _TIMESTAMP = 0x2AD7B1, 0x4489, 0xE7
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xA3, 0xA0, 0xA1
_SCALE_NS = 1_000_000
_NS_PER_S = 1_000_000_000
_INFO_BYTES = 1_024


def mp4_seconds(data: bytes) -> float | None:
    """What the movie says, or its longest track where that is another thing altogether; None when
    neither says anything."""
    movie = track = 0.0
    scale = 0
    for kind, start, end in _boxes(data):
        if kind in (_MOVIE, _TRACK) and (told := _time(data[start:end])) is not None:
            ticks_per_s, ticks = told
            if kind == _MOVIE:
                movie = max(movie, ticks / ticks_per_s)
            else:
                scale, track = ticks_per_s, max(track, ticks / ticks_per_s)
    if not movie and not track and scale:
        track = _fragments_ticks(data) / scale
    # Tracks are a little longer: they hold samples that are not played.
    return (movie if 2 * movie > track else track) or None


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each box's content; those that hold what is looked for are entered."""
    at = 0
    for _ in range(BOXES_MAX):
        header = data[at : at + _LONG_HEADER_BYTES]
        if len(header) < _BOX_HEADER_BYTES:
            return
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        start = at + _BOX_HEADER_BYTES
        if size == 1:
            size, start = int.from_bytes(header[8:16], "big"), at + _LONG_HEADER_BYTES
        end = len(data) if size == 0 else at + size
        if end < start:
            return
        yield kind, start, end
        at = start if kind in _CONTAINERS else end


def _time(content: bytes) -> tuple[int, int] | None:
    """Ticks per second, and ticks; None without either."""
    long = content[:1] == b"\1"
    form = ">20xIQ" if long else ">12xII"
    if len(content) < struct.calcsize(form):
        return None
    ticks_per_s, ticks = struct.unpack_from(form, content)
    # All ones: not known.
    unknown = ticks in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
    return (ticks_per_s, 0 if unknown else ticks) if ticks_per_s else None


def _fragments_ticks(data: bytes) -> int:
    """When the last fragment begins, and as much again as it began after the one before."""
    last = data.rfind(b"tfdt")
    before = data.rfind(b"tfdt", 0, max(last, 0))
    begins = _fragment_time(data, last)
    return begins + max(0, begins - _fragment_time(data, before))


def _fragment_time(data: bytes, at: int) -> int:
    if at < 0:
        return 0
    long = data[at + 4 : at + 5] == b"\1"
    return int.from_bytes(data[at + 8 : at + (16 if long else 12)], "big")


def webm_seconds(data: bytes) -> float | None:
    """What its head says, else the time of its last block; None without either."""
    scale_ns, told = _SCALE_NS, 0.0
    at = data.find(_INFO, 0, _INFO_BYTES)
    if at >= 0:
        for kind, content in _elements(data, at + len(_INFO), inside=True):
            if kind == _SCALE and content:
                scale_ns = int.from_bytes(content, "big") or _SCALE_NS
            elif kind == _DURATION and len(content) in (4, 8):
                [told] = struct.unpack(">f" if len(content) == 4 else ">d", content)  # noqa: PLR2004 (the two sizes of a float)
    # Not a number is not above 0 either.
    ticks = told if 0 < told < float("inf") else _last_block_ticks(data)
    return ticks * scale_ns / _NS_PER_S or None


def _last_block_ticks(data: bytes) -> int:
    at = data.rfind(_CLUSTER)
    if at < 0:
        return 0
    begins = latest = 0
    for kind, content in _elements(data, at + len(_CLUSTER), inside=True):
        if kind == _TIMESTAMP:
            begins = int.from_bytes(content[:8], "big")
        elif kind in (_SIMPLE_BLOCK, _BLOCK_GROUP):
            block = _inner_block(content) if kind == _BLOCK_GROUP else content
            # Behind the track's number, of one byte in all recordings with less than 127 tracks.
            latest = max(latest, int.from_bytes(block[1:3], "big", signed=True))
    return begins + latest


def _inner_block(group: bytes) -> bytes:
    return next((block for kind, block in _elements(group, 0) if kind == _BLOCK), b"")


def _elements(data: bytes, at: int, *, inside: bool = False) -> Iterator[tuple[int, bytes]]:
    """Number and content of the elements from here on; `inside`: of the element whose size
    stands here."""
    end = len(data)
    if inside:
        size, at = _number(data, at, marked=False)
        # All ones, as browsers write while they record: up to the end.
        end = at + size if size >= 0 and at + size <= end else end
    for _ in range(BOXES_MAX):
        if at >= end:
            return
        kind, at = _number(data, at, marked=True)
        size, at = _number(data, at, marked=False)
        if kind < 0 or size < 0:
            return
        yield kind, data[at : min(end, at + size)]
        at += size


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    """A number of one to eight bytes, its length told by its first bit that is set (RFC 8794 4),
    and where it ends; -1 for none, and for a size that is not known. `marked` keeps that bit."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if not first or at + length > len(data):
        return -1, len(data)
    number = int.from_bytes(data[at : at + length], "big")
    if marked:
        return number, at + length
    bits = 7 * length
    number &= (1 << bits) - 1
    return (-1 if number == (1 << bits) - 1 else number), at + length
