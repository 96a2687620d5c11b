"""Boxes and elements made by hand, for what the files of tests/sounds do not show."""

import struct

import pytest

from gateway.dialects.sound_boxes import mp4_seconds, webm_seconds


def box(kind: bytes, content: bytes, *, long: bool = False) -> bytes:
    if long:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


def times(ticks_per_s: int, ticks: int, *, long: bool = False) -> bytes:
    head = b"\1\0\0\0" + bytes(16) if long else bytes(12)
    return head + struct.pack(">IQ" if long else ">II", ticks_per_s, ticks)


def movie(header: bytes, track: bytes | None = None, *, long: bool = False) -> bytes:
    inside = box(b"mvhd", header)
    if track is not None:
        inside += box(b"trak", box(b"tkhd", bytes(80)) + box(b"mdia", box(b"mdhd", track)))
    return box(b"ftyp", b"M4A ") + box(b"mdat", bytes(50), long=long) + box(b"moov", inside)


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (movie(times(1_000, 2_500)), 2.5),
        (movie(times(1_000, 2_500, long=True), long=True), 2.5),
        # A track is a little longer than what is played of it.
        (movie(times(1_000, 2_500), times(16_000, 41_000)), 2.5),
        # A movie that denies most of its track is not believed.
        (movie(times(1_000, 1), times(16_000, 32_000)), 2),
        (movie(times(1_000, 0xFFFFFFFF), times(16_000, 32_000)), 2),
        (movie(times(0, 2_500)), None),
        (movie(b""), None),
        (box(b"ftyp", b"M4A "), None),
        (b"\0\0\0\x05moov", None),
        # Written while it was recorded: two fragments, a second apart.
        (
            movie(times(1_000, 0), times(16_000, 0))
            + box(b"moof", box(b"tfdt", bytes(4) + struct.pack(">I", 16_000)))
            + box(b"moof", box(b"tfdt", b"\1\0\0\0" + struct.pack(">Q", 32_000))),
            3,
        ),
        (
            movie(times(1_000, 0), times(16_000, 0))
            + box(b"moof", box(b"tfdt", bytes(4) + struct.pack(">I", 16_000))),
            2,
        ),
    ],
)
def test_a_movie_is_as_long_as_it_says(data, seconds):
    assert seconds == mp4_seconds(data)


def element(kind: bytes, content: bytes, *, open_end: bool = False) -> bytes:
    size = b"\x01\xff\xff\xff\xff\xff\xff\xff" if open_end else bytes([0x40, len(content)])
    return kind + size + content


INFO, CLUSTER = b"\x15\x49\xa9\x66", b"\x1f\x43\xb6\x75"
SCALE, DURATION, TIMESTAMP = b"\x2a\xd7\xb1", b"\x44\x89", b"\xe7"
BLOCK_GROUP, BLOCK, SIMPLE_BLOCK = b"\xa0", b"\xa1", b"\xa3"
HEAD = b"\x1a\x45\xdf\xa3\x80"


def block(ticks: int) -> bytes:
    return b"\x81" + struct.pack(">h", ticks) + b"\x80sound"


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (HEAD + element(INFO, element(DURATION, struct.pack(">d", 2_500.0))), 2.5),
        (HEAD + element(INFO, element(DURATION, struct.pack(">f", 2_500.0))), 2.5),
        (
            HEAD
            + element(
                INFO,
                element(SCALE, struct.pack(">I", 100_000))
                + element(DURATION, struct.pack(">f", 2_500.0)),
            ),
            0.25,
        ),
        # Recorded in a browser: no length, and a cluster that is still open.
        (
            HEAD
            + element(INFO, element(SCALE, struct.pack(">I", 1_000_000)))
            + element(
                CLUSTER,
                element(TIMESTAMP, b"\0\0") + element(SIMPLE_BLOCK, block(9)),
                open_end=True,
            )
            + element(
                CLUSTER,
                element(TIMESTAMP, b"\x0b\xb8")
                + element(SIMPLE_BLOCK, block(100))
                + element(BLOCK_GROUP, element(BLOCK, block(260)))
                + element(SIMPLE_BLOCK, block(-5)),
                open_end=True,
            ),
            3.26,
        ),
        (HEAD + element(INFO, element(DURATION, struct.pack(">d", float("nan")))), None),
        (HEAD + element(INFO, element(DURATION, struct.pack(">d", float("inf")))), None),
        (HEAD + element(INFO, element(DURATION, struct.pack(">d", -5.0))), None),
        (HEAD + element(INFO, element(DURATION, b"\0")), None),
        (HEAD, None),
        (HEAD + CLUSTER, None),
        (HEAD + CLUSTER + b"\0", None),
    ],
)
def test_a_recording_is_as_long_as_its_head_says_or_its_last_block(data, seconds):
    assert seconds == webm_seconds(data)
