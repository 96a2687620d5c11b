"""What an image in a prompt costs, by OpenAI's published formulas.

Source: "Images and vision", sections "Model sizing behavior" and "Calculating costs",
developers.openai.com/api/docs/guides/images-vision, as of September 2026. Two schemes:

- *tiles*: the image is fitted into 2048 x 2048, then its shorter side to 768 (never enlarged), and
  each 512 px square costs `tile`, on top of `base`. Low detail costs `base` alone.
- *patches*: squares of 32 px up to a budget that depends on detail, then a multiplier. Low detail
  fits into 512 x 512. Above the budget the image is shrunk, or, at 30 000, refused.

The published figures are used even where bills were seen to differ: the mini and nano models have
been charged less (factors 1.2 and 1.5), images shrunk to the budget up to 6 % more. The 2048 px
limit of high detail is left out, because bills do not show it and it could only lower the count.
What cannot be known counts as its maximum: an unknown size or model, detail left to the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import floor, sqrt

from gateway.metering.call import ImageInput
from gateway.metering.model_names import bare_name

PATCH_PX = 32
TILE_PX = 512
FIT_PX = 2_048
SHORT_SIDE_PX = 768
# 2048 x 768 is the largest image that is left after fitting.
TILES_MAX = (FIT_PX // TILE_PX) * (-(-SHORT_SIDE_PX // TILE_PX))
# 512 x 512, whatever the image.
LOW_PATCHES = (TILE_PX // PATCH_PX) ** 2
# Images above are scaled down to it; sizes beyond are not worth computing with.
SIDE_PX_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Tiles:
    base: int
    tile: int


@dataclass(frozen=True, slots=True)
class Patches:
    """`percent` is the multiplier. `budgets` by detail; "auto" also stands for any other word."""

    percent: int
    budgets: Mapping[str, int]


_SMALL = {"low": LOW_PATCHES, "auto": 1_536}
# Models whose guide does not mention that low detail makes their images smaller.
_SMALL_FIXED = {"auto": 1_536}
_MEDIUM = {"low": LOW_PATCHES, "high": 2_500, "original": 10_000, "auto": 2_500}
_LARGE = {"low": LOW_PATCHES, "high": 2_500, "original": 10_000, "auto": 10_000}
_UNBOUNDED = {"low": LOW_PATCHES, "high": 2_500, "original": 30_000, "auto": 30_000}

# The first matching row counts, so the more particular names come first.
FAMILIES: tuple[tuple[str, Tiles | Patches], ...] = (
    ("gpt-6*", Patches(120, _UNBOUNDED)),
    ("gpt-5.6*", Patches(120, _UNBOUNDED)),
    ("gpt-5.5*", Patches(120, _LARGE)),
    ("gpt-5.4-mini*", Patches(162, _SMALL)),
    ("gpt-5.4-nano*", Patches(246, _SMALL)),
    ("gpt-5.4*", Patches(120, _MEDIUM)),
    ("gpt-5.3*", Patches(120, _SMALL)),
    ("gpt-5.2*", Patches(120, _SMALL)),
    ("gpt-5.1-codex-mini*", Patches(162, _SMALL)),
    ("gpt-5-codex-mini*", Patches(162, _SMALL)),
    ("gpt-5-mini*", Patches(162, _SMALL)),
    ("gpt-5-nano*", Patches(246, _SMALL)),
    ("gpt-5*", Tiles(70, 140)),
    ("gpt-4.1-mini*", Patches(162, _SMALL_FIXED)),
    ("gpt-4.1-nano*", Patches(246, _SMALL_FIXED)),
    ("o4-mini*", Patches(172, _SMALL_FIXED)),
    ("gpt-4o-mini*", Tiles(2_833, 5_667)),
    # Built on gpt-4o: OpenAI, "Upgrading the Moderation API" (2024-09-26).
    ("omni-moderation*", Tiles(85, 170)),
    ("gpt-4*", Tiles(85, 170)),
    ("chatgpt-4o*", Tiles(85, 170)),
    ("o1*", Tiles(75, 150)),
    ("o3*", Tiles(75, 150)),
    ("computer-use-preview*", Tiles(65, 129)),
)


def image_tokens(model: str, image: ImageInput) -> int:
    """Tokens of one image; by the dearest of all formulas for a model none is known for."""
    name = bare_name(model)
    for match, formula in FAMILIES:
        if fnmatchcase(name, match):
            return _tokens(formula, image)
    return max(_tokens(formula, image) for _, formula in FAMILIES)


def _tokens(formula: Tiles | Patches, image: ImageInput) -> int:
    match formula:
        case Tiles():
            tiles = 0 if image.detail == "low" else _tiles(image.width, image.height)
            return formula.base + tiles * formula.tile
        case Patches():
            budget = formula.budgets.get(image.detail, formula.budgets["auto"])
            # A small image may be enlarged to fill low detail's square.
            low = image.detail == "low" and "low" in formula.budgets
            patches = budget if low else _patches(image.width, image.height, budget=budget)
            return -(-patches * formula.percent // 100)


def _tiles(width: int | None, height: int | None) -> int:
    if not width or not height or min(width, height) < 1:
        return TILES_MAX
    if max(width, height) > FIT_PX:
        width, height = _scaled(width, height, over=max(width, height), to=FIT_PX)
    if min(width, height) > SHORT_SIDE_PX:
        width, height = _scaled(width, height, over=min(width, height), to=SHORT_SIDE_PX)
    return -(-width // TILE_PX) * -(-height // TILE_PX)


def _scaled(width: int, height: int, *, over: int, to: int) -> tuple[int, int]:
    """Both sides times to / over, rounded half up; at least a pixel."""
    return (
        max(1, (2 * width * to + over) // (2 * over)),
        max(1, (2 * height * to + over) // (2 * over)),
    )


def _patches(width: int | None, height: int | None, *, budget: int) -> int:
    if not width or not height or min(width, height) < 1 or max(width, height) > SIDE_PX_MAX:
        return budget
    whole = -(-width // PATCH_PX) * -(-height // PATCH_PX)
    if whole <= budget:
        return whole
    shrink = sqrt(PATCH_PX * PATCH_PX * budget / (width * height))
    columns, rows = floor(width * shrink / PATCH_PX), floor(height * shrink / PATCH_PX)
    if not columns or not rows:
        # Thinner than a patch once shrunk; the guide does not say what happens then.
        return budget
    adjusted = shrink * min(
        columns / (width * shrink / PATCH_PX), rows / (height * shrink / PATCH_PX)
    )
    return min(budget, _cover(width * adjusted) * _cover(height * adjusted))


def _cover(pixels: float) -> int:
    """Patches along a side of that length, rounded to whole pixels first."""
    return -(-floor(pixels + 0.5) // PATCH_PX)
