"""Sounds and films that are nothing but their headers, for tests of what is read there."""

import base64
import struct


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def wav(*, bytes_per_s: int, seconds: int, before: bytes = b"") -> bytes:
    head = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, bytes_per_s, 2, 16)
    data = b"data" + struct.pack("<I", bytes_per_s * seconds) + bytes(bytes_per_s * seconds)
    return b"RIFF" + bytes(4) + b"WAVE" + before + head + data


def box(kind: bytes, content: bytes, *, large: bool = False) -> bytes:
    if large:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


def movie_header(ticks_per_s: int, ticks: int, *, version: int = 0) -> bytes:
    times = struct.pack(">QQIQ", 0, 0, ticks_per_s, ticks)
    if version == 0:
        times = struct.pack(">IIII", 0, 0, ticks_per_s, ticks)
    return box(b"mvhd", struct.pack(">I", version << 24) + times + bytes(80))


def film(header: bytes, *, first: bytes = b"", large: bool = False) -> str:
    boxes = box(b"ftyp", b"isom" + bytes(12)) + first
    return encoded(boxes + box(b"moov", header + bytes(40), large=large))
