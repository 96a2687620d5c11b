"""How long files are, held against files that ffmpeg made of a tone of 1.2 seconds."""

import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.sound_length import (
    KINDS,
    LEAST_BYTES_PER_S,
    SECONDS_MAX,
    WINDOW_BYTES,
    WINDOWS,
    seconds,
    whole_seconds,
)
from gateway.simulator.media import mp3, wav

SOUNDS = Path(__file__).parents[2] / "sounds"
NAMES = sorted(path.name for path in SOUNDS.iterdir())
# Those that were written without knowing their end, and hold no time near it.
ROUGH = {"piped.flac": 3.3, "fragments.mp4": 1.4}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_as_long_as_its_sound(name):
    """Compressed sound is a little longer: encoders add what they need before and after."""
    found = seconds((SOUNDS / name).read_bytes())

    assert 1.2 <= found <= ROUGH.get(name, 1.34)
    assert whole_seconds((SOUNDS / name).read_bytes()) == -(-found // 1)


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (wav(2.5), 2.5),
        (wav(2.5, stated_bytes=0xFFFFFFFF), 2.5),
        (wav(2.5, stated_bytes=0), 2.5),
        # Less than half of it is there.
        (wav(2.5)[:50_044], 50_000 / 48_000),
        (wav(1) + b"LIST\x04\0\0\0abcd", 1),
        (wav(1) + b"data" + struct.pack("<I", 48_000) + bytes(48_000), 2),
        (mp3(10), 383 * 1_152 / 44_100),
        (mp3(1_500), 57_422 * 1_152 / 44_100),
        (b"", 0),
        (b"any text", 8 / LEAST_BYTES_PER_S),
        (b"RIFF1234AVI " + bytes(738), 1),
        (b"RIFF1234WAVE" + bytes(738), 1),
    ],
)
def test_lengths(data, length):
    assert length == pytest.approx(seconds(data))


def test_seconds_are_billed_whole():
    assert [0, 1, 1, 3] == [whole_seconds(data) for data in (b"", b"x", wav(1), wav(2.001))]


def test_a_long_file_with_a_long_tag_is_as_long_as_its_sound():
    tag = b"ID3\4\0\0" + bytes([0, 0x7F, 0x7F, 0x7F]) + bytes(0x1FFFFF)
    sound = mp3(300)

    assert len(sound) > WINDOWS * WINDOW_BYTES
    assert seconds(tag + sound) == pytest.approx(seconds(sound), rel=0.001)


def test_bit_rates_that_differ_from_part_to_part_are_added_up():
    """Half of it at 128 kbit/s, half at 32: the bytes are one to four, the seconds equal."""
    low = (b"\xff\xfb\x10\xc4" + bytes(100)) * 4_000
    high = mp3(4_000 * 1_152 / 44_100)

    assert seconds(high + low) == pytest.approx(8_000 * 1_152 / 44_100, rel=0.15)


@pytest.mark.parametrize(
    ("name", "at", "claim"),
    [
        # The position on the last page of an Ogg file, and FLAC's number of samples.
        ("opus.ogg", None, bytes(8)),
        ("plain.flac", 22, bytes([0, 0, 0, 1])),
    ],
)
def test_a_header_that_claims_less_than_its_bytes_hold_is_not_believed(name, at, claim):
    data = bytearray((SOUNDS / name).read_bytes() * (200 if at is None else 1))
    at = data.rfind(b"OggS") + 6 if at is None else at
    data[at : at + len(claim)] = claim

    assert seconds(bytes(data)) >= len(data) / 64_000 > 0.1


def test_no_file_is_longer_than_a_day():
    flac = bytearray((SOUNDS / "plain.flac").read_bytes())
    flac[22:26] = b"\xff\xff\xff\xff"

    assert SECONDS_MAX == seconds(bytes(flac)) == seconds(bytes(80_000_000))


@pytest.mark.parametrize("times", [1, 500_000])
@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"\xff\xfb\x9c",
        b"OggS",
        b"fLaC",
        b"\x1aE\xdf\xa3",
        b"\x1aE\xdf\xa3\x1fC\xb6u",
        b"\x1aE\xdf\xa3\x15I\xa9f",
        b"\0\0\0\x08moov",
        b"\0\0\0\x01ftyp\0\0\0\0\0\0\0\x10",
        b"\0\0\0\0mdat",
        b"RIFF1234WAVE",
        b"ID3",
    ],
)
def test_hostile_files_take_no_time(data, times):
    began_s = time.process_time()

    assert 0 <= seconds(data * times) <= SECONDS_MAX
    assert time.process_time() - began_s < 0.5


@given(
    st.sampled_from([beginning for _, beginnings, _ in KINDS for beginning in beginnings]),
    st.binary(max_size=400),
)
def test_no_bytes_raise(beginning, data):
    for head in (beginning, b"1234" + beginning, b"OggS" + bytes(23) + b"OpusHead"):
        assert 0 <= seconds(head + data) <= SECONDS_MAX


@given(st.sampled_from(NAMES), st.integers(0, 6_000), st.binary(max_size=12))
def test_damage_raises_nothing(name, at, junk):
    data = (SOUNDS / name).read_bytes()

    assert 0 <= seconds(data[:at] + junk + data[at + len(junk) :]) <= SECONDS_MAX
    assert 0 <= seconds(data[:at]) <= SECONDS_MAX
