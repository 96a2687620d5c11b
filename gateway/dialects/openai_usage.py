"""Reading and writing OpenAI's `usage` object of chat completions and completions.

| vendor field | our class | |
|---|---|---|
| prompt_tokens | input_uncached | what is left of it after the parts below |
| prompt_tokens_details.audio_tokens | input_audio | inside prompt_tokens |
| prompt_tokens_details.cache_write_tokens | input_cache_write_5m | inside; one price |
| prompt_tokens_details.cached_tokens | input_cache_read | inside; may overlap the above |
| prompt_cache_hit_tokens (DeepSeek), | input_cache_read | inside; the first that is there, when |
| num_cached_tokens (Mistral), | | prompt_tokens_details.cached_tokens is missing |
| cached_tokens (Together, Moonshot) | | |
| completion_tokens | output_text | what is left of it after the parts below |
| completion_tokens_details.audio_tokens | output_audio | inside completion_tokens |
| completion_tokens_details.image_tokens (OpenRouter) | output_image | inside |
| completion_tokens_details.reasoning_tokens | output_reasoning | inside; beside at xAI |
| total_tokens | output_reasoning | what it has beyond prompt and completion, where no |
| | | reasoning_tokens are named (Gemini's OpenAI endpoint) |
| prompt_audio_seconds (Mistral) | audio_second (piece) | beside |
| server_tool_use.web_search_requests (OpenRouter) | web_search (piece) | beside |
| service_tier (of the answer) | the tier of all of it | see `TIERS` |

Named and ignored: `prompt_cache_miss_tokens` (the rest of a sum),
`prompt_tokens_details.text_tokens`, `.image_tokens` and `.video_tokens` (at the input price in
this API), `completion_tokens_details.text_tokens`, `.accepted_prediction_tokens` and
`.rejected_prediction_tokens` (inside completion_tokens and billed like it), Groq's
`queue_time`, `prompt_time`, `completion_time`, `total_time` (seconds), and OpenAI's
`latency_checkpoint` (milliseconds; in no reference, but in recorded answers of 2026).

Any other number is kept as unmapped and never changes a total. That is deliberate for what a
vendor says it charged (OpenRouter's `cost` and `cost_details`, xAI's `cost_in_usd_ticks`): it
stands in the usage event, to be compared with ours. What stands beside a usage is not read:
llama.cpp's `timings`, Groq's `usage_breakdown`, Cerebras' `time_info`.

A usage is reported whole or not at all: a number that is missing, not a non-negative integer,
beyond any model's context, or a part larger than its whole, makes all of it unbelievable.

Sources (read 2026-11-23): OpenAI API reference, chat completion object, and the openai package
3.57.0; DeepSeek, Groq, Mistral, Moonshot, OpenRouter and Together API references; xAI:
"total_tokens" = prompt + completion + reasoning.
"""

from collections.abc import Mapping

from gateway.dialects.base import Reported
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Pieces, Usage, make_usage

# Some hundred times the largest context sold: beyond it is a defect, not a usage.
TOKENS_MAX = 1_000_000_000

# The name of each tier at the vendor, and ours. "fast" asks for what "priority" does, and answers
# name either; a tier that is not here costs the ordinary price.
TIERS: Mapping[str, str] = {
    "batch": "batch",
    "fast": "priority",
    "flex": "flex",
    "performance": "performance",
    "priority": "priority",
    "scale": "scale",
    "ultrafast": "ultrafast",
}

KNOWN: Known = {
    "prompt_tokens": None,
    "completion_tokens": None,
    "total_tokens": None,
    "prompt_cache_hit_tokens": None,
    "prompt_cache_miss_tokens": None,
    "num_cached_tokens": None,
    "cached_tokens": None,
    "prompt_audio_seconds": None,
    "queue_time": None,
    "prompt_time": None,
    "completion_time": None,
    "total_time": None,
    "latency_checkpoint": {
        "engine_tbt_ms": None,
        "engine_ttft_ms": None,
        "engine_ttlt_ms": None,
        "pre_inference_ms": None,
        "service_tbt_ms": None,
        "service_ttft_ms": None,
        "service_ttlt_ms": None,
        "user_visible_ttft_ms": None,
    },
    "server_tool_use": {"web_search_requests": None},
    "prompt_tokens_details": {
        "audio_tokens": None,
        "cache_write_tokens": None,
        "cached_tokens": None,
        "image_tokens": None,
        "text_tokens": None,
        "video_tokens": None,
    },
    "completion_tokens_details": {
        "accepted_prediction_tokens": None,
        "audio_tokens": None,
        "image_tokens": None,
        "reasoning_tokens": None,
        "rejected_prediction_tokens": None,
        "text_tokens": None,
    },
}

# The fields of a usage of text: see `_in_words`.
_WORDS = frozenset(
    (
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    )
)


class UnbelievableError(Exception):
    """A number in a usage object that no honest answer can carry."""


def service_tier(document: Mapping[str, object]) -> str:
    """The tier that a request asks for or an answer was served in; empty for the ordinary one."""
    named = document.get("service_tier")
    return TIERS.get(named, "") if isinstance(named, str) else ""


def usage_in(document: Mapping[str, object]) -> Mapping[str, object] | None:
    """The usage object of a completion or a chunk, wherever this vendor puts it."""
    usage = document.get("usage")
    if usage is None:
        groq = document.get("x_groq")
        usage = groq.get("usage") if isinstance(groq, dict) else None
    choices = document.get("choices")
    if usage is None and isinstance(choices, list) and choices:
        # Moonshot's last choice chunk.
        last = choices[-1]
        usage = last.get("usage") if isinstance(last, dict) else None
    return usage if isinstance(usage, dict) else None


def read_answer(document: Mapping[str, object], *, pieces: Pieces = ()) -> Reported | None:
    """What a completion, or the chunk with a stream's usage, reports."""
    return read_usage(usage_in(document), tier=service_tier(document), pieces=pieces)


def read_usage(reported: object, *, tier: str = "", pieces: Pieces = ()) -> Reported | None:
    """The tokens by class, or None when the object does not state them believably.

    `pieces`: what was used for all that is known, where the object does not count it itself.
    """
    if not isinstance(reported, dict):
        return None
    usage = _in_words(reported, tier=tier, pieces=pieces)
    if usage is not None:
        return Reported(usage, {})
    try:
        usage = _read(reported, tier=tier, pieces=pieces)
    except UnbelievableError:
        return None
    return Reported(usage, unmapped(reported, KNOWN))


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


def _in_words(reported: Mapping[str, object], *, tier: str, pieces: Pieces) -> Usage | None:
    """What `_read` makes of a usage of text, as nearly all are: so many tokens, and of them so many
    cached and thought. None for one that tells, or is, anything else."""
    prompt, completion = reported.get("prompt_tokens"), reported.get("completion_tokens")
    # By type, not isinstance: true is no token.
    if type(prompt) is not int or type(completion) is not int or not _WORDS.issuperset(reported):
        return None
    cached = _alone(reported.get("prompt_tokens_details"), "cached_tokens")
    reasoning = _alone(reported.get("completion_tokens_details"), "reasoning_tokens")
    total = reported.get("total_tokens")
    if (
        not 0 <= cached <= prompt <= TOKENS_MAX
        or not 0 <= reasoning <= completion <= TOKENS_MAX
        or (total is not None and total != prompt + completion)
    ):
        return None
    return make_usage(
        input_uncached=prompt - cached,
        input_cache_read=cached,
        output_text=completion - reasoning,
        output_reasoning=reasoning,
        pieces=pieces,
        service_tier=tier,
    )


def _alone(inside: object, name: str) -> int:
    """How many tokens of that name are told, where none of another are; -1 where anything else
    is."""
    if inside is None:
        return 0
    if type(inside) is not dict:
        return -1
    found = 0
    for each, tokens in inside.items():
        if type(tokens) is not int or (tokens and each != name):
            return -1
        found += tokens
    return found


def _read(reported: Mapping[str, object], *, tier: str, pieces: Pieces) -> Usage:
    if reported.get("prompt_tokens") is None or reported.get("completion_tokens") is None:
        raise UnbelievableError
    prompt = part(reported["prompt_tokens"], TOKENS_MAX)
    completion = part(reported["completion_tokens"], TOKENS_MAX)
    heard = details(reported.get("prompt_tokens_details")) or {}
    said = details(reported.get("completion_tokens_details")) or {}

    # Cached audio is reported in both places: the dearer class keeps it, the sum stays right.
    audio_in = part(heard.get("audio_tokens"), prompt)
    written = min(part(heard.get("cache_write_tokens"), prompt), prompt - audio_in)
    cached = min(part(_cached(reported, heard), prompt), prompt - audio_in - written)

    reasoning = part(said.get("reasoning_tokens"), TOKENS_MAX)
    if beside := _beside(reported, prompt + completion, reasoning):
        completion += beside
        reasoning = beside
    audio_out = part(said.get("audio_tokens"), completion)
    image_out = min(part(said.get("image_tokens"), completion), completion - audio_out)
    reasoning = min(part(reasoning, completion), completion - audio_out - image_out)
    return make_usage(
        input_uncached=prompt - audio_in - written - cached,
        input_cache_read=cached,
        input_cache_write_5m=written,
        input_audio=audio_in,
        output_text=completion - audio_out - image_out - reasoning,
        output_reasoning=reasoning,
        output_audio=audio_out,
        output_image=image_out,
        pieces=_pieces(reported, pieces),
        service_tier=tier,
    )


def _cached(reported: Mapping[str, object], heard: Mapping[str, object]) -> object:
    cached = heard.get("cached_tokens")
    for name in ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens"):
        if cached is None:
            cached = reported.get(name)
    return cached


def _beside(reported: Mapping[str, object], told: int, reasoning: int) -> int:
    """Tokens thought beside the completion: the total has them, the completion has not."""
    total = reported.get("total_tokens")
    if type(total) is not int or not told < total <= TOKENS_MAX:
        return 0
    return total - told if reasoning in (0, total - told) else 0


def _pieces(reported: Mapping[str, object], known: Pieces) -> Pieces:
    tools = details(reported.get("server_tool_use"))
    # Mistral's own examples show an empty object where nothing was heard.
    heard_s = reported.get("prompt_audio_seconds") or None
    if tools is None and heard_s is None:
        return known
    told = {
        "audio_second": part(heard_s, TOKENS_MAX),
        "web_search": part((tools or {}).get("web_search_requests"), TOKENS_MAX),
    }
    return tuple(sorted((dict(known) | {name: told[name] for name in told if told[name]}).items()))


def details(value: object) -> Mapping[str, object] | None:
    """An object inside a usage; None when it is missing."""
    if value is not None and not isinstance(value, dict):
        raise UnbelievableError
    return value


def part(tokens: object, whole: int) -> int:
    """Tokens that are part of a whole; missing or null counts as none."""
    if tokens is None:
        return 0
    # By type, not isinstance: true is no token.
    if type(tokens) is not int or not 0 <= tokens <= whole:
        raise UnbelievableError
    return tokens
