"""Files made by code, read by others: Python's own wave module, and an image library's rules."""

import io
import struct
import wave
import zlib

import pytest

from gateway.simulator.media import SAMPLE_RATE, mp3, pcm, png, wav


def test_a_picture_is_one_that_a_reader_accepts():
    data = png(40, 30, grey=7)

    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, kinds = 8, []
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(data[at + 8 + length : at + 12 + length])
        kinds.append(kind)
        if kind == b"IDAT":
            assert zlib.decompress(body) == (b"\0" + b"\7" * 40) * 30
        at += 12 + length
    assert [b"IHDR", b"IDAT", b"IEND"] == kinds


@pytest.mark.parametrize("seconds", [0, 0.5, 3])
def test_a_sound_is_as_long_as_it_should_be(seconds):
    with wave.open(io.BytesIO(wav(seconds))) as sound:
        assert seconds * SAMPLE_RATE == sound.getnframes()
    assert 2 * seconds * SAMPLE_RATE == len(pcm(seconds))


def test_packed_sound_comes_in_whole_frames():
    data = mp3(2)

    assert 0 == len(data) % 417
    assert 2 <= len(data) // 417 * 1_152 / 44_100 < 2.03
    assert {b"\xff\xfb\x90\xc4"} == {data[at : at + 4] for at in range(0, len(data), 417)}
