from pathlib import Path

import pytest

from gateway.dialects.sound_stream import SoundStream
from gateway.simulator.media import mp3, pcm, wav

SOUNDS = Path(__file__).parents[2] / "sounds"


def heard(data: bytes, *, step: int = 10**9, raw: bool = False) -> float:
    sound = SoundStream(raw=raw)
    for start in range(0, len(data), step):
        sound.feed(data[start : start + step])
    return sound.seconds


@pytest.mark.parametrize("step", [1, 3, 1_400, 10**9])
@pytest.mark.parametrize(
    "name", ["cbr.mp3", "vbr_tagged.mp3", "adts.aac", "opus.ogg", "vorbis.ogg", "mu_law.wav"]
)
def test_sound_is_as_long_as_it_is_however_it_is_cut(name, step):
    data = (SOUNDS / name).read_bytes()

    assert 1.2 <= heard(data, step=step) <= 1.34
    assert heard(data) == heard(data, step=step)


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("sound", [mp3(8), wav(8, stated_bytes=0xFFFFFFFF), pcm(8)])
def test_what_came_of_it_counts(sound, part):
    cut = sound[: round(len(sound) * part)]

    assert heard(cut, raw=sound == pcm(8)) == pytest.approx(8 * part, abs=0.05)


def test_raw_samples_are_samples_whatever_they_look_like():
    assert 0.1 == heard(b"\xff\xfb\x90\xc4" * 1_200, raw=True)
    assert 0.1 == heard(b"OggS" * 1_200, raw=True)


def test_lossless_sound_is_taken_for_speech():
    """FLAC of speech takes about half of its samples, which is all that can be known."""
    data = (SOUNDS / "plain.flac").read_bytes()

    assert heard(data) == pytest.approx(2 * len(data) / 16_000)


def test_no_sound_is_no_seconds():
    assert 0 == heard(b"") == heard(b"", raw=True)
    assert 0 == heard(b"RIFF") == heard(b"OggS")
