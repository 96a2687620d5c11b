"""Tokens of pictures that a model makes, and of those it is given to work on.

Only for the size of a hold, and for answers that report no usage; what is reported is the better
count. Sources: OpenAI guide "Image generation", section "Cost and latency" (tables of gpt-image-1,
100 tokens a preview, input fidelity), and, for gpt-image-2, the calculator on that page, whose
formula was read out by users (community.openai.com, topic 1382699; both read 2026-11-26). The
steps above `high` are not published: they are taken to go on as the ones below.
"""

from collections.abc import Mapping

PREVIEW_TOKENS = 100
# gpt-image-1 and its successors up to 1.5 make three sizes: square, upright, wide.
_FIXED: Mapping[str, tuple[int, int, int]] = {
    "low": (272, 408, 400),
    "medium": (1_056, 1_584, 1_568),
    "high": (4_160, 6_240, 6_208),
}
# By quality: into how many steps the longer side of any other model's picture is divided.
_STEPS: Mapping[str, int] = {"low": 16, "medium": 48, "high": 96, "xhigh": 144, "max": 192}
_AREA_OFFSET_PX = 2_000_000
_AREA_SCALE_PX = 4_000_000
# What is made when the model may choose: the dearest of the usual.
_QUALITY_OF_CHOICE = "high"
_SIZES_OF_CHOICE = ((1_024, 1_024), (1_024, 1_536), (1_536, 1_024))
SIDE_PX_MAX = 8_192

# Given pictures: tiles after the shorter side is scaled down, and as much again as a picture of
# high quality where it is to be kept in detail.
_BASE, _TILE, _TILE_PX = 65, 129, 512
_TILES_MAX = 4
_DETAIL_SQUARE, _DETAIL_OTHER = 4_160, 6_240


def made_image_tokens(model: str, *, quality: str, size: str) -> int:
    """One picture; `size` as `WIDTHxHEIGHT`. Anything else leaves the choice to the model."""
    sides = parse_size(size)
    return max(_made(model, quality, *each) for each in ((sides,) if sides else _SIZES_OF_CHOICE))


def given_image_tokens(model: str, *, width: int | None, height: int | None, detail: str) -> int:
    """One picture to work on; `detail` is the input fidelity. Unknown sides count as largest."""
    tiles, square = _TILES_MAX, False
    if width and height and min(width, height) > 0:
        short, long = min(width, height), max(width, height)
        scaled = long if short <= _TILE_PX else -(-long * _TILE_PX // short)
        tiles, square = min(_TILES_MAX, -(-scaled // _TILE_PX)), 4 * short > 3 * long
    tokens = _BASE + tiles * _TILE
    # The later models always keep them in detail.
    if detail == "high" or not _is_first(model):
        tokens += _DETAIL_SQUARE if square else _DETAIL_OTHER
    return tokens


def parse_size(size: str) -> tuple[int, int] | None:
    width, _, height = size.partition("x")
    if not (width.isascii() and width.isdecimal() and height.isascii() and height.isdecimal()):
        return None
    sides = int(width[:6]), int(height[:6])
    return sides if min(sides) > 0 and max(sides) <= SIDE_PX_MAX else None


def _made(model: str, quality: str, width: int, height: int) -> int:
    first = _FIXED.get(quality, _FIXED[_QUALITY_OF_CHOICE])
    of_first = first[0] if width == height else first[1] if width < height else first[2]
    if _is_first(model):
        return of_first
    steps = _STEPS.get(quality, _STEPS[_QUALITY_OF_CHOICE])
    short, long = min(width, height), max(width, height)
    other_steps = (2 * steps * short + long) // (2 * long)
    area = _AREA_OFFSET_PX + width * height
    of_later = -(-steps * other_steps * area // _AREA_SCALE_PX)
    return of_later if _is_later(model) else max(of_first, of_later)


def _is_first(model: str) -> bool:
    """gpt-image-1, gpt-image-1-mini, gpt-image-1.5 and their dated names."""
    return "gpt-image-1" in model


def _is_later(model: str) -> bool:
    return "gpt-image-" in model and not _is_first(model)
