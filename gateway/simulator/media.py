"""Little files that are real: a picture, and sound of a given length. Silence, and one colour."""

import struct
import zlib

SAMPLE_RATE = 24_000
_PNG = b"\x89PNG\r\n\x1a\n"
# MPEG-1 layer III, 128 kbit/s, 44.1 kHz, no padding: 1 152 samples in 417 bytes.
_MP3_HEADER = b"\xff\xfb\x90\xc4"
_MP3_FRAME_BYTES, _MP3_SAMPLES, _MP3_RATE = 417, 1_152, 44_100


def png(width: int, height: int, *, grey: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes([grey]) * width) * height
    return b"".join(
        (_PNG, _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pcm(seconds: float) -> bytes:
    """16 bits, one channel, SAMPLE_RATE, as OpenAI's speech is."""
    return bytes(2 * round(seconds * SAMPLE_RATE))


def wav(seconds: float, *, stated_bytes: int | None = None) -> bytes:
    """`stated_bytes`: what the header says of the data's length, where that is not the truth, as
    in files that are written while they are made."""
    data = pcm(seconds)
    stated = len(data) if stated_bytes is None else stated_bytes
    kind = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    riff = min(stated + 36, 0xFFFFFFFF)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", riff, b"WAVE"),
            struct.pack("<4sI", b"fmt ", len(kind)),
            kind,
            struct.pack("<4sI", b"data", stated),
            data,
        )
    )


def mp3(seconds: float) -> bytes:
    """At least as long, in whole frames."""
    frame = _MP3_HEADER + bytes(_MP3_FRAME_BYTES - len(_MP3_HEADER))
    return frame * -(-round(seconds * _MP3_RATE) // _MP3_SAMPLES)
