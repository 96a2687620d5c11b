"""Reading the `usage` object of embeddings: all of it is input.

| vendor field | our class | |
|---|---|---|
| prompt_tokens | input_uncached | what is left of it after the part below |
| total_tokens (Voyage, older Jina) | input_uncached | where prompt_tokens is missing |
| prompt_tokens_details.cached_tokens (vLLM) | input_cache_read | inside prompt_tokens |

Named and ignored: `completion_tokens` (none are made), `total_tokens` beside prompt_tokens (the
same number), `prompt_tokens_details.audio_tokens` (vLLM, inside), `text_tokens`, `image_tokens`
and `image_pixels` (Voyage and Jina, inside total_tokens), `prompt_audio_seconds` and
`num_cached_tokens` (Mistral; null or inside). Any other number is reported as unmapped: it never
changes a total.

Sources (read 2026-11-26): OpenAI API reference, "Create embeddings", and the openai package 3.57.0;
Voyage AI, Jina AI and Mistral API references; vLLM, `UsageInfo`.
"""

from collections.abc import Mapping

from gateway.dialects.base import Reported
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Usage

# A request takes some 300 000 tokens at most: beyond this is a defect, not a usage.
TOKENS_MAX = 1_000_000_000

KNOWN: Known = {
    "prompt_tokens": None,
    "total_tokens": None,
    "completion_tokens": None,
    "text_tokens": None,
    "image_tokens": None,
    "image_pixels": None,
    "prompt_audio_seconds": None,
    "num_cached_tokens": None,
    "prompt_tokens_details": {"cached_tokens": None, "audio_tokens": None},
}


def read_usage(reported: object) -> Reported | None:
    """The tokens by class, or None when the object does not state them believably."""
    if not isinstance(reported, dict):
        return None
    prompt = reported.get("prompt_tokens")
    if prompt is None:
        prompt = reported.get("total_tokens")
    # By type, not isinstance: true is no token.
    if type(prompt) is not int or not 0 <= prompt <= TOKENS_MAX:
        return None
    cached = _cached(reported, prompt)
    return Reported(
        Usage(input_uncached=prompt - cached, input_cache_read=cached), unmapped(reported, KNOWN)
    )


def _cached(reported: Mapping[str, object], prompt: int) -> int:
    """Cached tokens are cheaper: what is not told believably is none."""
    details = reported.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return cached if type(cached) is int and 0 <= cached <= prompt else 0
