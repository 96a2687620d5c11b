import struct

import pytest
from support.media_files import box, encoded, film, movie_header, wav

from gateway.dialects.media_length import seconds_of_film, seconds_of_sound


@pytest.mark.parametrize(
    "before", [b"", b"LIST" + struct.pack("<I", 5) + bytes(6), b"JUNK" + bytes(4)]
)
def test_a_wav_files_length_is_read_from_its_header(before):
    data = encoded(wav(bytes_per_s=32_000, seconds=3, before=before))

    assert 3 == pytest.approx(seconds_of_sound("audio/wav", data), abs=0.01)


@pytest.mark.parametrize(
    ("mime_type", "seconds"),
    [
        ("audio/L16;rate=16000", 1.5),
        ("audio/l16; codec=pcm; rate=24000", 1),
        ("audio/pcm", 1),
        # A rate too low to be one.
        ("audio/pcm;rate=1", 48),
    ],
)
def test_raw_samples_are_counted_by_their_rate(mime_type, seconds):
    assert seconds == pytest.approx(seconds_of_sound(mime_type, encoded(bytes(48_000))), abs=0.01)


@pytest.mark.parametrize(
    "data",
    [
        b"ID3" + bytes(7_997),
        b"RIFF" + bytes(4) + b"WAVE" + bytes(7_988),
        b"RIFF" + bytes(4) + b"WAVEfmt " + bytes(7_984),
        b"RIFF" + bytes(4) + b"AVI " + bytes(7_988),
    ],
)
def test_other_sounds_are_taken_for_the_slowest_there_are(data):
    assert 8 == pytest.approx(seconds_of_sound("audio/mp3", encoded(data)), abs=0.01)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("large", [False, True])
def test_a_films_length_is_read_from_its_header(version, large):
    header = movie_header(600, 4_500, version=version)

    assert 7.5 == seconds_of_film(film(header, large=large))


def test_the_films_header_is_found_behind_its_pictures_and_in_either_alphabet():
    data = film(movie_header(1_000, 2_000), first=box(b"mdat", b"\xfb\xff\xfe" * 100_000))

    assert 2 == seconds_of_film(data)
    assert "/" in data
    assert 2 == seconds_of_film(data.replace("/", "_"))


@pytest.mark.parametrize(
    "data",
    [
        "",
        "no base64!",
        encoded(bytes(200)),
        encoded(b"\x1aE\xdf\xa3" + bytes(200)),
        film(movie_header(0, 5)),
        film(movie_header(600, 0)),
        film(movie_header(600, 0xFFFFFFFF)),
        film(b""),
        encoded(box(b"ftyp", b"isom") + box(b"moov", movie_header(1, 1)[:20])),
        encoded(box(b"free", b"") * 300 + box(b"moov", movie_header(1, 1))),
    ],
)
def test_a_film_that_does_not_tell_has_no_length(data):
    assert None is seconds_of_film(data)
