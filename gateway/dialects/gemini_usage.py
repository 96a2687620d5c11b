"""Reading and writing Gemini's `usageMetadata`.

| vendor field | our class | |
|---|---|---|
| promptTokenCount | input_uncached | what is left of it after the parts below |
| promptTokensDetails, AUDIO | input_audio | inside promptTokenCount, cached or not |
| cachedContentTokenCount | input_cache_read | inside promptTokenCount; less its AUDIO |
| promptTokensDetails, IMAGE, VIDEO, DOCUMENT | input_image | inside; less what is cached of them |
| cacheTokensDetails | | how much of the above is cached, by modality |
| toolUsePromptTokenCount | input_uncached | beside: what tools gave the model to read |
| candidatesTokenCount, responseTokenCount | output_text | what is left of it, likewise |
| candidatesTokensDetails, AUDIO | output_audio | inside candidatesTokenCount |
| candidatesTokensDetails, IMAGE, VIDEO | output_image | inside candidatesTokenCount |
| thoughtsTokenCount | output_reasoning | beside; inside where totalTokenCount says so (Vertex) |
| serviceTier, trafficType | service_tier | else the tier that was asked for |

Named and ignored: `totalTokenCount` (a sum, but it tells where thoughts are) and
`toolUsePromptTokensDetails` (at the input price whatever they are). Cached sound stays in the
dearer class: a card has one price for cached input. Any other number is reported as unmapped: it
never changes a total.

A field that is zero is left out on the wire, so a missing one counts as zero, but a usage without
promptTokenCount tells nothing (Vertex's chunks before the last). Every chunk of a stream repeats
the usage so far: the last one stands. A usage is reported whole or not at all: a number that is
no non-negative integer, beyond any model's context, or a part larger than its whole, makes all of
it unbelievable.

Sources (read 2026-11-26): Gemini API reference, UsageMetadata; Vertex AI reference,
GenerateContentResponse; google-genai package 3.6.1.
"""

from collections.abc import Mapping

from gateway.dialects.base import Reported
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Usage

# Some hundred times the largest context sold: beyond it is a defect, not a usage.
TOKENS_MAX = 1_000_000_000

KNOWN: Known = dict.fromkeys(
    (
        "promptTokenCount",
        "promptTokensDetails",
        "promptTokenDetails",
        "cachedContentTokenCount",
        "cacheTokensDetails",
        "toolUsePromptTokenCount",
        "toolUsePromptTokensDetails",
        "candidatesTokenCount",
        "candidatesTokensDetails",
        "responseTokenCount",
        "responseTokensDetails",
        "thoughtsTokenCount",
        "totalTokenCount",
        "serviceTier",
        "trafficType",
    )
)

SEEN = ("IMAGE", "VIDEO", "DOCUMENT")
"""Modalities that are priced like pictures."""

# Tiers whose tokens have another price; the rest (standard, provisioned, off-peak) are ordinary.
_TIERS = {
    "priority": "priority",
    "flex": "flex",
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
}


class _UnbelievableError(Exception):
    """A number in a usage object that no honest answer can carry."""


def read_usage(reported: object, *, asked_tier: str = "") -> Reported | None:
    """The tokens by class, or None when the object does not state them believably.

    `asked_tier`: the service tier of the request, which stands where the answer names none.
    """
    if not isinstance(reported, dict) or reported.get("promptTokenCount") is None:
        return None
    try:
        return Reported(_read(reported, asked_tier), unmapped(reported, KNOWN))
    except _UnbelievableError:
        return None


def write_usage(usage: Usage) -> dict[str, object]:
    """The usage object for a stream we end ourselves."""
    written = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.output_reasoning,
        "totalTokenCount": usage.total_tokens,
        "cachedContentTokenCount": usage.input_cache_read,
        "thoughtsTokenCount": usage.output_reasoning,
    }
    return {name: tokens for name, tokens in written.items() if tokens}


def service_tier(named: object) -> str:
    """The tier by our name: `priority`, `flex`, or empty for every ordinary one.

    Requests write it in either case and with or without the enumeration's prefix.
    """
    if not isinstance(named, str):
        return ""
    return _TIERS.get(named.lower().removeprefix("service_tier_"), "")


def _read(reported: Mapping[str, object], asked_tier: str) -> Usage:
    prompt = _part(reported["promptTokenCount"], TOKENS_MAX)
    # Embeddings spell it otherwise.
    heard_tokens = reported.get("promptTokensDetails", reported.get("promptTokenDetails"))
    heard = _by_modality(heard_tokens, prompt)
    cached_tokens = _part(reported.get("cachedContentTokenCount"), prompt)
    kept = _by_modality(reported.get("cacheTokensDetails"), cached_tokens)

    audio_in = heard.get("AUDIO", 0)
    cached = min(cached_tokens - kept.get("AUDIO", 0), prompt - audio_in)
    image_in = max(0, sum(heard.get(kind, 0) - kept.get(kind, 0) for kind in SEEN))
    image_in = min(image_in, prompt - audio_in - cached)

    spoken = "candidates" if "candidatesTokenCount" in reported else "response"
    produced = _part(reported.get(f"{spoken}TokenCount"), TOKENS_MAX)
    said = _by_modality(reported.get(f"{spoken}TokensDetails"), produced)
    tools = _part(reported.get("toolUsePromptTokenCount"), TOKENS_MAX)
    thoughts = _part(reported.get("thoughtsTokenCount"), TOKENS_MAX)
    if thoughts <= produced and reported.get("totalTokenCount") == prompt + tools + produced:
        produced -= thoughts
    audio_out = min(said.get("AUDIO", 0), produced)
    image_out = min(said.get("IMAGE", 0) + said.get("VIDEO", 0), produced - audio_out)
    return Usage(
        input_uncached=prompt - audio_in - cached - image_in + tools,
        input_cache_read=cached,
        input_audio=audio_in,
        input_image=image_in,
        output_text=produced - audio_out - image_out,
        output_reasoning=thoughts,
        output_audio=audio_out,
        output_image=image_out,
        service_tier=_tier(reported, asked_tier),
    )


def _tier(reported: Mapping[str, object], asked_tier: str) -> str:
    named = reported.get("serviceTier") or reported.get("trafficType")
    return service_tier(named) if named else asked_tier


def _by_modality(details: object, whole: int) -> Mapping[str, int]:
    """Tokens by modality; none of them may be more than the whole."""
    if details is None:
        return {}
    if not isinstance(details, list):
        raise _UnbelievableError
    tokens: dict[str, int] = {}
    for detail in details:
        if isinstance(detail, dict) and isinstance(kind := detail.get("modality"), str):
            more = _part(detail.get("tokenCount"), whole)
            tokens[kind] = _part(tokens.get(kind, 0) + more, whole)
    return tokens


def _part(tokens: object, whole: int) -> int:
    """Tokens that are part of a whole; missing or null counts as none."""
    if tokens is None:
        return 0
    # By type, not isinstance: true is no token.
    if type(tokens) is not int or not 0 <= tokens <= whole:
        raise _UnbelievableError
    return tokens
