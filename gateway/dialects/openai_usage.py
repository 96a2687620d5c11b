"""Reading and writing OpenAI's `usage` object of chat completions.

| vendor field | our class | |
|---|---|---|
| prompt_tokens | input_uncached | what is left of it after the parts below |
| prompt_tokens_details.audio_tokens | input_audio | inside prompt_tokens |
| prompt_tokens_details.cache_write_tokens | input_cache_write_5m | inside; one price |
| prompt_tokens_details.cached_tokens | input_cache_read | inside; may overlap the above |
| prompt_cache_hit_tokens (DeepSeek) | input_cache_read | inside; when cached_tokens is missing |
| completion_tokens | output_text | what is left of it after the parts below |
| completion_tokens_details.audio_tokens | output_audio | inside completion_tokens |
| completion_tokens_details.reasoning_tokens | output_reasoning | inside; beside at xAI |

Named and ignored: `total_tokens` (a sum), `prompt_cache_miss_tokens` (the rest of a sum),
`prompt_tokens_details.text_tokens` and `.image_tokens` (both at the input price in this API),
`completion_tokens_details.text_tokens`, `.accepted_prediction_tokens` and
`.rejected_prediction_tokens` (inside completion_tokens and billed like it). Any other field is
ignored too: an unknown number never changes a total.

A usage is reported whole or not at all: a number that is missing, not a non-negative integer,
beyond any model's context, or a part larger than its whole, makes all of it unbelievable.

Sources (read 2026-11-23): OpenAI API reference, chat completion object, and the openai package
3.54.0; DeepSeek API reference; xAI: "total_tokens" = prompt + completion + reasoning.
"""

from collections.abc import Mapping

from gateway.metering.usage import Usage

# Some hundred times the largest context sold: beyond it is a defect, not a usage.
TOKENS_MAX = 1_000_000_000


class _UnbelievableError(Exception):
    """A number in a usage object that no honest answer can carry."""


def read_usage(reported: object) -> Usage | None:
    """The tokens by class, or None when the object does not state them believably."""
    if not isinstance(reported, dict):
        return None
    try:
        return _read(reported)
    except _UnbelievableError:
        return None


def write_usage(usage: Usage) -> dict[str, object]:
    """The usage object for a stream we end ourselves."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.input_cache_read,
            "audio_tokens": usage.input_audio,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.output_reasoning,
            "audio_tokens": usage.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _read(reported: Mapping[str, object]) -> Usage:
    if reported.get("prompt_tokens") is None or reported.get("completion_tokens") is None:
        raise _UnbelievableError
    prompt = _count(reported, "prompt_tokens")
    completion = _count(reported, "completion_tokens")
    heard = _details(reported, "prompt_tokens_details")
    said = _details(reported, "completion_tokens_details")

    # Cached audio is reported in both places: the dearer class keeps it, the sum stays right.
    audio_in = _part(heard, "audio_tokens", whole=prompt)
    written = min(_part(heard, "cache_write_tokens", whole=prompt), prompt - audio_in)
    cached = min(_cached(reported, heard, prompt=prompt), prompt - audio_in - written)

    reasoning = _count(said, "reasoning_tokens")
    if reasoning and reported.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning
    audio_out = _part(said, "audio_tokens", whole=completion)
    reasoning = min(_part(said, "reasoning_tokens", whole=completion), completion - audio_out)
    return Usage(
        input_uncached=prompt - audio_in - written - cached,
        input_cache_read=cached,
        input_cache_write_5m=written,
        input_audio=audio_in,
        output_text=completion - audio_out - reasoning,
        output_reasoning=reasoning,
        output_audio=audio_out,
    )


def _cached(reported: Mapping[str, object], heard: Mapping[str, object], *, prompt: int) -> int:
    if heard.get("cached_tokens") is not None:
        return _part(heard, "cached_tokens", whole=prompt)
    return _part(reported, "prompt_cache_hit_tokens", whole=prompt)


def _details(reported: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = reported.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _UnbelievableError
    return value


def _count(fields: Mapping[str, object], name: str) -> int:
    """A field's tokens; missing or null counts as none."""
    value = fields.get(name)
    if value is None:
        return 0
    # By type, not isinstance: true is no token.
    if type(value) is not int or not 0 <= value <= TOKENS_MAX:
        raise _UnbelievableError
    return value


def _part(fields: Mapping[str, object], name: str, *, whole: int) -> int:
    tokens = _count(fields, name)
    if tokens > whole:
        raise _UnbelievableError
    return tokens
