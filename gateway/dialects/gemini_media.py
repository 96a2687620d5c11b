"""What a picture, a sound or a film in a prompt costs, by Gemini's published rules.

- *pictures*: up to Gemini 2.5, one of at most 384 px on either side costs 258 tokens; a larger one
  is cut into squares of two thirds of its shorter side (from 256 to 768 px), 258 each; at a low or
  medium resolution the whole picture costs 64 or 256. Since Gemini 3 the resolution alone decides.
- *sound*: 32 tokens a second, in one channel.
- *film*: one frame a second unless more are asked for; its sound beside.

The figures are upper limits ("up to") where the guides say so. What cannot be known counts as its
maximum: an unknown size or model, a resolution left to the model.

Sources (read 2026-11-26): "Image understanding", "Audio understanding", "Video understanding" and
"Media resolution" in the Gemini API guide; "Understand and count tokens", ibid.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from gateway.dialects.media_length import seconds_of_film, seconds_of_sound
from gateway.metering.call import ImageInput

TILE_TOKENS = 258
UNTILED_PX = 384
TILE_PX_MIN, TILE_PX_MAX = 256, 768
# Larger pictures are scaled down to this side; the most squares are left of 3072 x 400.
SIDE_PX_MAX = 3_072
TILES_MAX = 24

AUDIO_TOKENS_PER_S = 32
# A frame's time stamp, and the film's own framing: the guide's 300 tokens a second are 258 of
# picture, 32 of sound, and these.
STAMP_TOKENS = 10

_FIXED = {"low": 64, "medium": 256}
_BY_RESOLUTION = {"low": 280, "medium": 560, "high": 1_120, "ultra_high": 2_240}
_UNSET = "high"
_FRAMES = {"high": 280, "ultra_high": 280}
_FRAME_TOKENS = 70

# Whether the resolution alone decides; the first matching row counts.
_RESOLVED: tuple[tuple[str, bool], ...] = (
    ("gemini-1*", False),
    ("gemini-2*", False),
    ("gemini-3*", True),
    ("gemini-4*", True),
)


def image_tokens(model: str, image: ImageInput) -> int:
    """`image.detail` is a resolution as `resolution` names it."""
    tiled = _tiled(image)
    resolved = _BY_RESOLUTION.get(image.detail, _BY_RESOLUTION[_UNSET])
    return _either(model, tiled, resolved)


def audio_tokens(mime_type: str, data: str) -> int:
    """Of a base64-encoded sound; an upper bound where its length is not told."""
    return _ceil(seconds_of_sound(mime_type, data) * AUDIO_TOKENS_PER_S)


def film_tokens(
    model: str, data: str, *, detail: str, metadata: Mapping[str, object]
) -> int | None:
    """Of a base64-encoded film, sound and all; None when it does not tell its length.

    `metadata`: the part's videoMetadata, with the names of either spelling.
    """
    seconds = seconds_of_film(data)
    if seconds is None:
        return None
    asked = metadata.get("fps")
    frames_per_s = float(asked) if isinstance(asked, int | float) and asked > 1 else 1.0
    frame = _either(model, _FIXED.get(detail, TILE_TOKENS), _FRAMES.get(detail, _FRAME_TOKENS))
    return _ceil(seconds * (frames_per_s * (frame + STAMP_TOKENS) + AUDIO_TOKENS_PER_S))


def resolution(level: object) -> str:
    """`low`, `medium`, `high`, `ultra_high`, or empty for the model's own."""
    if not isinstance(level, str):
        return ""
    named = level.lower().removeprefix("media_resolution_")
    return named if named in _BY_RESOLUTION else ""


def _either(model: str, tiled: int, resolved: int) -> int:
    name = model.rpartition("/")[2]
    for match, by_resolution in _RESOLVED:
        if fnmatchcase(name, match):
            return resolved if by_resolution else tiled
    return max(tiled, resolved)


def _tiled(image: ImageInput) -> int:
    if image.detail in _FIXED:
        return _FIXED[image.detail]
    width, height = image.width, image.height
    if width is None or height is None:
        return TILES_MAX * TILE_TOKENS
    if max(width, height) <= UNTILED_PX:
        return TILE_TOKENS
    shrink = min(1.0, SIDE_PX_MAX / max(width, height))
    width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
    tile = min(max(TILE_PX_MIN, min(width, height) * 2 // 3), TILE_PX_MAX)
    return -(-width // tile) * -(-height // tile) * TILE_TOKENS


def _ceil(tokens: float) -> int:
    return -int(-tokens // 1)
