"""Width and height of a base64-encoded image, from the first bytes of its header.

PNG: W3C PNG 11.2.2 (IHDR). GIF89a 18 (logical screen). JPEG: ITU-T T.81 B.2.2 (frame header).
WebP: RFC 9649 2.5-2.7. Reads only the base64 it needs, never the pixels. What it cannot read
has no size: the caller then assumes the largest.
"""

import base64
import binascii

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_HEAD_BYTES = 30
_MARKER = 0xFF
_FRAME_BYTES = 9
# Frame headers (SOF): C0-CF without DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Metadata comes in segments of up to 64 KB; a file with more of them than this is unusual.
_SEGMENTS_MAX = 256
# RFC 4648 5, which Google's SDKs write.
_URL_SAFE = str.maketrans("-_", "+/")


def base64_payload(url: str) -> str | None:
    """The base64 part of a `data:` URL (RFC 2397), or None when the URL is of another kind."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url.partition(",")
    return data if comma and head.lower().endswith(";base64") else None


def image_size(data: str) -> tuple[int, int] | None:
    """Pixels (width, height) of a base64-encoded PNG, JPEG, GIF or WebP file."""
    head = bytes_at(data, 0, _HEAD_BYTES)
    size = _jpeg(data) if head.startswith(_JPEG) else _fixed(head)
    return size if size and min(size) > 0 else None


def _fixed(head: bytes) -> tuple[int, int] | None:
    if len(head) < _HEAD_BYTES:
        return None
    if head.startswith(_PNG):
        return _big(head[16:20]), _big(head[20:24])
    if head.startswith((b"GIF87a", b"GIF89a")):
        return _little(head[6:8]), _little(head[8:10])
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8 ":
            return _little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF
        case b"VP8L":
            bits = _little(head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _little(head[24:27]) + 1, _little(head[27:30]) + 1
        case _:
            return None


def _jpeg(data: str) -> tuple[int, int] | None:
    at = len(_JPEG)
    for _ in range(_SEGMENTS_MAX):
        segment = bytes_at(data, at, _FRAME_BYTES)
        if len(segment) < _FRAME_BYTES or segment[0] != _MARKER:
            return None
        if segment[1] in _FRAMES:
            return _big(segment[7:9]), _big(segment[5:7])
        # A marker may be preceded by fill bytes of the same value.
        at += 1 if segment[1] == _MARKER else 2 + _big(segment[2:4])
    return None


def bytes_at(data: str, offset: int, count: int) -> bytes:
    """`count` bytes of the decoded file; fewer, or none, where it ends or is not base64, in either
    of its alphabets."""
    begin = offset // 3 * 4
    end = -(-(offset + count) // 3) * 4
    try:
        decoded = base64.b64decode(data[begin:end].translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return decoded[offset % 3 : offset % 3 + count]


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
