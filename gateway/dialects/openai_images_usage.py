"""Reading the `usage` of made pictures.

| vendor field | our class | |
|---|---|---|
| input_tokens | input_uncached | what is left of it after the parts below |
| input_tokens_details.image_tokens | input_image | inside input_tokens |
| input_tokens_details.cached_tokens | input_cache_read | inside; taken from the text first |
| output_tokens | output_image | what is left of it after the part below |
| output_tokens_details.text_tokens | output_text | inside output_tokens |
| svg_usage.input_tokens | input_uncached | beside: another model draws after the picture |
| svg_usage.output_tokens | output_text | beside; what is left after the part below |
| svg_usage.reasoning_tokens | output_reasoning | inside svg_usage.output_tokens |

`svg_usage` is charged at the rates of the model that was asked for: the card knows one per call.
Named and ignored: `total_tokens` (sums), `input_tokens_details.text_tokens` (the rest of a sum),
`input_tokens_details.cached_tokens_details` (cached is one class here) and
`output_tokens_details.image_tokens` (the rest of a sum). Any other number is reported as unmapped.

A usage is reported whole or not at all. Sources (read 2026-11-26): OpenAI API reference, images
response and stream events, and the openai package 3.57.0.
"""

from collections.abc import Mapping

from gateway.dialects.base import Reported
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Usage

# Hundreds of times what ten pictures take: beyond it is a defect, not a usage.
TOKENS_MAX = 100_000_000

KNOWN: Known = {
    "input_tokens": None,
    "output_tokens": None,
    "total_tokens": None,
    "input_tokens_details": {
        "cached_tokens": None,
        "cached_tokens_details": {"image_tokens": None, "text_tokens": None},
        "image_tokens": None,
        "text_tokens": None,
    },
    "output_tokens_details": {"image_tokens": None, "text_tokens": None},
}
SVG_KNOWN: Known = {
    "input_tokens": None,
    "output_tokens": None,
    "reasoning_tokens": None,
    "total_tokens": None,
}


class _UnbelievableError(Exception):
    """A number in a usage object that no honest answer can carry."""


def read_usage(reported: object, svg: object = None) -> Reported | None:
    """The tokens by class, or None when the objects do not state them believably."""
    if not isinstance(reported, dict):
        return None
    try:
        usage = _picture(reported)
        if not isinstance(svg, dict):
            return Reported(usage, unmapped(reported, KNOWN))
        beside = {f"svg_usage.{name}": value for name, value in unmapped(svg, SVG_KNOWN).items()}
        return Reported(usage + _drawing(svg), unmapped(reported, KNOWN) | beside)
    except _UnbelievableError:
        return None


def _picture(reported: Mapping[str, object]) -> Usage:
    if reported.get("input_tokens") is None or reported.get("output_tokens") is None:
        raise _UnbelievableError
    given = _part(reported["input_tokens"], TOKENS_MAX)
    made = _part(reported["output_tokens"], TOKENS_MAX)
    seen = _details(reported.get("input_tokens_details"))
    said = _details(reported.get("output_tokens_details"))
    images = _part(seen.get("image_tokens"), given)
    cached = _part(seen.get("cached_tokens"), given)
    cached_images = max(0, cached - (given - images))
    text = _part(said.get("text_tokens"), made)
    return Usage(
        input_uncached=given - images - (cached - cached_images),
        input_cache_read=cached,
        input_image=images - cached_images,
        output_text=text,
        output_image=made - text,
    )


def _drawing(svg: Mapping[str, object]) -> Usage:
    written = _part(svg.get("output_tokens"), TOKENS_MAX)
    thought = _part(svg.get("reasoning_tokens"), written)
    return Usage(
        input_uncached=_part(svg.get("input_tokens"), TOKENS_MAX),
        output_text=written - thought,
        output_reasoning=thought,
    )


def _details(value: object) -> Mapping[str, object]:
    if value is not None and not isinstance(value, dict):
        raise _UnbelievableError
    return value or {}


def _part(tokens: object, whole: int) -> int:
    """Tokens that are part of a whole; missing or null counts as none."""
    if tokens is None:
        return 0
    # By type, not isinstance: true is no token.
    if type(tokens) is not int or not 0 <= tokens <= whole:
        raise _UnbelievableError
    return tokens
