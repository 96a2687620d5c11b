"""How long a sound or a film is, from the few bytes of its header that say so.

WAV: RIFF chunks, `fmt ` (Microsoft, "Multiple Channel Audio Data and WAVE Files"). MP4 and
QuickTime: `moov`/`mvhd` (ISO/IEC 14496-12, 8.2.2). Raw PCM: RFC 2586 (`audio/L16`), 16 bits a
sample. Reads only the base64 it needs. What does not say how long it is has no length: the caller
then assumes the longest.
"""

import re

from gateway.dialects.image_size import bytes_at

# No codec accepted by any vendor goes below 8 kbit/s (MPEG-2.5 layer III).
SOUND_BYTES_PER_S_MIN = 1_000
PCM_BYTES_PER_SAMPLE = 2
PCM_RATE = 24_000

_RATE = re.compile(r"rate=(\d{1,6})")
_BOXES_MAX = 256
_CHUNKS_MAX = 64
_BOX_HEAD_BYTES = 8
_MVHD_BYTES = 32
_BYTE_RATE_AT = 8


def seconds_of_sound(mime_type: str, data: str) -> float:
    """An upper bound, exact where the length can be read off; `data` is base64."""
    size_bytes = len(data) * 3 // 4
    kind = mime_type.lower()
    if kind.startswith(("audio/l16", "audio/pcm")):
        named = _RATE.search(kind)
        bytes_per_s = PCM_BYTES_PER_SAMPLE * (int(named[1]) if named else PCM_RATE)
    else:
        bytes_per_s = _wav_bytes_per_s(data)
    return size_bytes / max(bytes_per_s, SOUND_BYTES_PER_S_MIN)


def seconds_of_film(data: str) -> float | None:
    """From an MP4's or QuickTime's movie header; None for another format, or one that does not
    tell (fragmented files leave it to their fragments)."""
    at = 0
    for _ in range(_BOXES_MAX):
        head = bytes_at(data, at, _BOX_HEAD_BYTES + 8)
        kind = head[4:8]
        if len(head) < _BOX_HEAD_BYTES or not kind.isascii():
            return None
        size, head_bytes = int.from_bytes(head[:4], "big"), _BOX_HEAD_BYTES
        if size == 1:
            size, head_bytes = int.from_bytes(head[8:16], "big"), _BOX_HEAD_BYTES + 8
        if kind == b"mvhd":
            return _movie_seconds(bytes_at(data, at + head_bytes, _MVHD_BYTES))
        if kind == b"moov":
            at += head_bytes
        elif size < head_bytes:
            return None
        else:
            at += size
    return None


def _movie_seconds(header: bytes) -> float | None:
    if len(header) < _MVHD_BYTES:
        return None
    long = header[0] == 1
    scale = header[20:24] if long else header[12:16]
    length = header[24:32] if long else header[16:20]
    ticks_per_s, ticks = int.from_bytes(scale, "big"), int.from_bytes(length, "big")
    # All ones: unknown.
    unknown = not ticks_per_s or not ticks or length == b"\xff" * len(length)
    return None if unknown else ticks / ticks_per_s


def _wav_bytes_per_s(data: str) -> int:
    """0 for another format."""
    head = bytes_at(data, 0, 12)
    if not (head.startswith(b"RIFF") and head[8:12] == b"WAVE"):
        return 0
    at = 12
    for _ in range(_CHUNKS_MAX):
        chunk = bytes_at(data, at, 8 + _BYTE_RATE_AT + 4)
        if len(chunk) < 8 + _BYTE_RATE_AT + 4:
            return 0
        if chunk[:4] == b"fmt ":
            return int.from_bytes(chunk[8 + _BYTE_RATE_AT :], "little")
        size = int.from_bytes(chunk[4:8], "little")
        at += 8 + size + size % 2
    return 0
