"""Reading what a transcription reports: tokens, or the seconds that were heard.

| vendor field | our class | |
|---|---|---|
| usage.input_tokens | input_audio | what is left of it after the part below |
| usage.input_token_details.text_tokens | input_uncached | inside input_tokens |
| usage.output_tokens | output_text | |
| usage.seconds (`type: duration`) | piece audio_second | rounded up |
| usage.prompt_audio_seconds (Mistral) | piece audio_second | rounded up |
| duration (`verbose_json`; Groq) | piece audio_second | where the usage tells no seconds |

Named and ignored: `total_tokens` (a sum), `input_token_details.audio_tokens` (the rest of a sum),
and Mistral's `prompt_tokens` and `completion_tokens` beside its seconds, by which it bills. Any
other number of the usage is reported as unmapped.

Sources (read 2026-11-26): OpenAI API reference, "Create transcription" and event
`transcript.text.done`, and the openai package 3.57.0; Groq and Mistral API references.
"""

from collections.abc import Mapping
from math import ceil
from typing import TypeGuard

from gateway.dialects.base import Reported
from gateway.dialects.sound_length import SECONDS_MAX
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Usage

# A day of sound at ten tokens a second is less than a million.
TOKENS_MAX = 100_000_000

KNOWN: Known = {
    "type": None,
    "seconds": None,
    "input_tokens": None,
    "output_tokens": None,
    "total_tokens": None,
    "prompt_audio_seconds": None,
    "prompt_tokens": None,
    "completion_tokens": None,
    "input_token_details": {"audio_tokens": None, "text_tokens": None},
}
SECONDS = ("seconds", "prompt_audio_seconds")


def read_tokens(answer: Mapping[str, object]) -> Reported | None:
    """For a model that is sold by the token; None where no tokens are told believably."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    heard, said = usage.get("input_tokens"), usage.get("output_tokens")
    details = usage.get("input_token_details")
    text = details.get("text_tokens") if isinstance(details, dict) else None
    if not _is_count(heard) or not _is_count(said):
        return None
    read = text if _is_count(text) else 0
    if read > heard:
        return None
    return Reported(
        Usage(input_uncached=read, input_audio=heard - read, output_text=said),
        unmapped(usage, KNOWN),
    )


def read_seconds(answer: Mapping[str, object]) -> Reported | None:
    """For a model that is sold by the second; None where no seconds are told believably."""
    usage = answer.get("usage")
    fields = usage if isinstance(usage, dict) else {}
    told = next((fields[name] for name in SECONDS if name in fields), answer.get("duration"))
    # By type, not isinstance: true is no number. A duration has been told as a text as well.
    if type(told) is not int and type(told) is not float:
        return None
    if not 0 < told <= SECONDS_MAX:
        return None
    return Reported(Usage(pieces=(("audio_second", ceil(told)),)), unmapped(fields, KNOWN))


def _is_count(value: object) -> TypeGuard[int]:
    # By type, not isinstance: true is no token.
    return type(value) is int and 0 <= value <= TOKENS_MAX
