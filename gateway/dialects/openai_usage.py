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
`.rejected_prediction_tokens` (inside completion_tokens and billed like it). Any other number is
reported as unmapped: it never changes a total.

A usage is reported whole or not at all: a number that is missing, not a non-negative integer,
beyond any model's context, or a part larger than its whole, makes all of it unbelievable.

Sources (read 2026-11-23): OpenAI API reference, chat completion object, and the openai package
3.54.0; DeepSeek API reference; xAI: "total_tokens" = prompt + completion + reasoning.
"""

from collections.abc import Mapping

from gateway.dialects.base import Reported
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Usage

# Some hundred times the largest context sold: beyond it is a defect, not a usage.
TOKENS_MAX = 1_000_000_000


KNOWN: Known = {
    "prompt_tokens": None,
    "completion_tokens": None,
    "total_tokens": None,
    "prompt_cache_hit_tokens": None,
    "prompt_cache_miss_tokens": None,
    "prompt_tokens_details": {
        "audio_tokens": None,
        "cache_write_tokens": None,
        "cached_tokens": None,
        "image_tokens": None,
        "text_tokens": None,
    },
    "completion_tokens_details": {
        "accepted_prediction_tokens": None,
        "audio_tokens": None,
        "reasoning_tokens": None,
        "rejected_prediction_tokens": None,
        "text_tokens": None,
    },
}


class _UnbelievableError(Exception):
    """A number in a usage object that no honest answer can carry."""


def read_usage(reported: object) -> Reported | None:
    """The tokens by class, or None when the object does not state them believably."""
    if not isinstance(reported, dict):
        return None
    try:
        return Reported(_read(reported), unmapped(reported, KNOWN))
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
    prompt = _part(reported["prompt_tokens"], TOKENS_MAX)
    completion = _part(reported["completion_tokens"], TOKENS_MAX)
    heard = _details(reported.get("prompt_tokens_details"))
    said = _details(reported.get("completion_tokens_details"))

    # Cached audio is reported in both places: the dearer class keeps it, the sum stays right.
    audio_in = written = 0
    cached_tokens = None
    if heard:
        audio_in = _part(heard.get("audio_tokens"), prompt)
        written = min(_part(heard.get("cache_write_tokens"), prompt), prompt - audio_in)
        cached_tokens = heard.get("cached_tokens")
    if cached_tokens is None:
        cached_tokens = reported.get("prompt_cache_hit_tokens")
    cached = min(_part(cached_tokens, prompt), prompt - audio_in - written)

    reasoning = audio_out = 0
    if said:
        reasoning = _part(said.get("reasoning_tokens"), TOKENS_MAX)
        if reasoning and reported.get("total_tokens") == prompt + completion + reasoning:
            completion += reasoning
        audio_out = _part(said.get("audio_tokens"), completion)
        reasoning = min(_part(reasoning, completion), completion - audio_out)
    return Usage(
        input_uncached=prompt - audio_in - written - cached,
        input_cache_read=cached,
        input_cache_write_5m=written,
        input_audio=audio_in,
        output_text=completion - audio_out - reasoning,
        output_reasoning=reasoning,
        output_audio=audio_out,
    )


def _details(value: object) -> Mapping[str, object] | None:
    if value is not None and not isinstance(value, dict):
        raise _UnbelievableError
    return value


def _part(tokens: object, whole: int) -> int:
    """Tokens that are part of a whole; missing or null counts as none."""
    if tokens is None:
        return 0
    # By type, not isinstance: true is no token.
    if type(tokens) is not int or not 0 <= tokens <= whole:
        raise _UnbelievableError
    return tokens
