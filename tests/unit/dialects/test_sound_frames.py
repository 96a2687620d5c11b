"""Lengths of sound in frames, held against files that ffmpeg made of a tone of 1.2 seconds."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.sound_frames import Frames
from gateway.simulator.media import mp3

SOUNDS = Path(__file__).parents[2] / "sounds"


def fed(data: bytes, *, step: int = 10**9) -> Frames:
    frames = Frames()
    for start in range(0, len(data), step):
        frames.feed(data[start : start + step])
    return frames


@pytest.mark.parametrize("step", [1, 7, 1_400, 10**9])
@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        # Encoders add what they need before and after, and one frame with their name.
        ("cbr.mp3", 37 * 576 / 16_000),
        ("vbr_tagged.mp3", 37 * 576 / 16_000),
        ("no_xing.mp3", 36 * 576 / 16_000),
        ("layer_2.mp2", 34 * 576 / 16_000),
        ("adts.aac", 20 * 1_024 / 16_000),
    ],
)
def test_frames_are_as_long_as_they_are_however_they_are_cut(name, seconds, step):
    data = (SOUNDS / name).read_bytes()

    assert fed(data, step=step).seconds == pytest.approx(seconds)


def test_a_tag_before_the_sound_is_no_sound():
    tag = b"ID3\4\0\0" + bytes([0, 0, 0x4E, 0x10]) + b"\xff\xfb\x90\xc4" * 2_500

    assert len(tag) == 10 + (0x4E << 7 | 0x10)
    for step in (1, 100, 10**6):
        assert fed(tag + mp3(1), step=step).seconds == pytest.approx(fed(mp3(1)).seconds)


def test_it_gets_into_step_again():
    """Half a frame, then rubbish that looks like headers, then sound."""
    rubbish = b"\xff\xfb\x90\xc4" * 30 + b"\xff" * 100
    whole = fed(mp3(2)).seconds

    assert fed(mp3(1)[:200] + rubbish + mp3(2)).seconds == pytest.approx(whole, abs=0.15)


@pytest.mark.parametrize("layer", [b"\xff\xff\x10\x00", b"\xff\xf5\x10\x00", b"\xff\xe3\x10\x00"])
def test_all_versions_and_layers_have_frames(layer):
    assert fed(layer + bytes(4_000)).frame_bytes > 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xff" * 5_000_000,
        b"\xff\xfb\x9c" * 2_000_000,
        b"\xff\xfb\x00\x00" * 1_000_000,
        b"ID3" + b"\xff" * 10,
        bytes(5_000_000),
    ],
)
def test_what_is_no_sound_takes_no_time(data):
    began_s = time.process_time()

    assert 0 == fed(data).seconds
    assert time.process_time() - began_s < 0.5


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_bytes_raise_and_cuts_change_no_more_than_a_false_start(data, step):
    frames = fed(data, step=step)

    assert frames.seconds >= 0
    assert frames.frame_bytes >= 0
