import pytest
from google.genai import types
from support.media_files import encoded, film, movie_header, wav

from gateway.dialects.gemini_media import (
    TILES_MAX,
    audio_tokens,
    film_tokens,
    image_tokens,
    resolution,
)
from gateway.metering.call import ImageInput


def image(width, height, detail=""):
    return ImageInput(width=width, height=height, detail=detail)


@pytest.mark.parametrize(
    ("size", "tiles"),
    [
        ((1, 1), 1),
        ((384, 384), 1),
        ((385, 385), 4),
        # The guide's example: squares of 360.
        ((960, 540), 6),
        ((1_152, 1_152), 4),
        ((3_072, 3_072), 16),
        # Scaled down to 3 072 first.
        ((12_288, 12_288), 16),
        ((3_072, 400), 24),
    ],
)
def test_older_models_cut_pictures_into_squares(size, tiles):
    assert tiles * 258 == image_tokens("gemini-2.5-flash", image(*size))


def test_no_picture_has_more_squares_than_one_of_unknown_size():
    most = max(
        image_tokens("gemini-2.0-flash", image(3_072, height)) for height in range(1, 3_073, 7)
    )

    assert TILES_MAX * 258 == most == image_tokens("gemini-2.0-flash", image(None, None))


@pytest.mark.parametrize(
    ("model", "detail", "tokens"),
    [
        ("gemini-2.5-pro", "low", 64),
        ("gemini-2.5-pro", "medium", 256),
        ("gemini-2.5-pro", "high", 6 * 258),
        ("gemini-3-pro-preview", "", 1_120),
        ("gemini-3-pro-preview", "low", 280),
        ("gemini-3-pro-preview", "medium", 560),
        ("gemini-3-pro-preview", "high", 1_120),
        ("gemini-3-pro-preview", "ultra_high", 2_240),
        ("gemini-4-argon", "", 1_120),
        # Whatever it turns out to be.
        ("fast", "", 6 * 258),
        ("fast", "low", 280),
        ("google/gemini-2.5-pro", "low", 64),
    ],
)
def test_the_resolution_decides_as_the_model_has_it(model, detail, tokens):
    assert tokens == image_tokens(model, image(960, 540, detail))


@pytest.mark.parametrize(
    "level", [*types.MediaResolution, *types.PartMediaResolutionLevel], ids=str
)
def test_every_resolution_of_the_sdk_is_known_or_unset(level):
    unset = level.value.endswith("UNSPECIFIED")

    assert unset == (resolution(level.value) == "")


def test_a_resolution_that_is_none_is_unset():
    assert "low" == resolution("media_resolution_low")
    assert ["", "", ""] == [resolution(None), resolution(3), resolution("MEDIA_RESOLUTION_NEW")]


def test_sound_is_counted_by_the_second():
    ten_seconds = encoded(wav(bytes_per_s=32_000, seconds=10))

    assert 320 <= audio_tokens("audio/wav", ten_seconds) <= 321
    assert 32 == audio_tokens("audio/mp3", encoded(bytes(999)))


@pytest.mark.parametrize(
    ("model", "detail", "metadata", "per_second"),
    [
        # The guides: about 300 a second, and about 100 at a low resolution.
        ("gemini-2.5-flash", "", {}, 300),
        ("gemini-2.5-flash", "low", {}, 106),
        ("gemini-2.5-flash", "", {"fps": 2}, 568),
        ("gemini-2.5-flash", "", {"fps": 0.5}, 300),
        ("gemini-2.5-flash", "", {"fps": "many"}, 300),
        ("gemini-3-flash-preview", "", {}, 112),
        ("gemini-3-flash-preview", "high", {}, 322),
        ("fast", "", {}, 300),
    ],
)
def test_a_film_is_counted_by_its_frames_and_its_sound(model, detail, metadata, per_second):
    ten_seconds = film(movie_header(1_000, 10_000))

    assert 10 * per_second == film_tokens(model, ten_seconds, detail=detail, metadata=metadata)


def test_a_film_that_does_not_tell_its_length_is_not_counted():
    assert None is film_tokens("gemini-2.5-flash", "AAAA", detail="", metadata={})
