"""Reading and writing Anthropic's `usage` object of messages.

| vendor field | our class | |
|---|---|---|
| input_tokens | input_uncached | all of it: what is cached stands beside |
| cache_read_input_tokens | input_cache_read | beside input_tokens |
| cache_creation_input_tokens | input_cache_write_5m | beside; less the 1 h part |
| cache_creation.ephemeral_1h_input_tokens | input_cache_write_1h | inside the field above |
| output_tokens | output_text | what is left of it after thinking |
| output_tokens_details.thinking_tokens | output_reasoning | inside output_tokens |
| iterations[] of type `compaction` | the classes above | beside all of the above |
| server_tool_use.web_search_requests | piece web_search | |
| service_tier, speed, inference_geo | service_tier | where it is not the ordinary one |

Named and ignored: `cache_creation.ephemeral_5m_input_tokens` (the rest of a sum),
`server_tool_use.web_fetch_requests` (free), the other `iterations` (inside the top-level fields).
Code execution is sold by the hour of a container and stands in no usage. Any other number is
reported as unmapped: it never changes a total.

A stream tells its usage twice: `message_start` has the input, `message_delta` what it came to in
the end, cumulative. Where the latter states the input again, it wins, unless with zeros only, as
some compatible servers do (others have zeros at the start).

A usage is reported whole or not at all: a number that is missing, not a non-negative integer,
beyond any model's context, or a part larger than its whole, makes all of it unbelievable.

Sources (read 2026-11-23): anthropic package 2.14.0, `types/usage.py`, `types/beta/beta_usage.py`,
`types/message_delta_usage.py`; Anthropic API reference "Messages" and "Service tiers".
"""

from collections.abc import Iterable, Mapping

from gateway.dialects.base import Reported
from gateway.dialects.json_body import objects
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.pieces import TIER_JOIN
from gateway.metering.usage import Pieces, Usage

# Some hundred times the largest context sold: beyond it is a defect, not a usage.
TOKENS_MAX = 1_000_000_000
SEARCHES_MAX = 1_000_000

WEB_SEARCH = "web_search"
# What is out of the ordinary, by field: `us` is inference in the United States only.
TIERS: Mapping[str, frozenset[str]] = {
    "service_tier": frozenset({"batch", "flex", "priority"}),
    "speed": frozenset({"fast"}),
    "inference_geo": frozenset({"us"}),
}

KNOWN: Known = {
    "input_tokens": None,
    "cache_read_input_tokens": None,
    "cache_creation_input_tokens": None,
    "cache_creation": {
        "ephemeral_5m_input_tokens": None,
        "ephemeral_1h_input_tokens": None,
    },
    "output_tokens": None,
    "output_tokens_details": {"thinking_tokens": None},
    "server_tool_use": {"web_search_requests": None, "web_fetch_requests": None},
    "iterations": None,
}
_INPUT_FIELDS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


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


def merged(start: Mapping[str, object], delta: Mapping[str, object]) -> dict[str, object]:
    """The usage of `message_start`, brought up to what a `message_delta` says."""
    told = {name: value for name, value in delta.items() if value is not None}
    if not any(told.get(name) for name in _INPUT_FIELDS):
        told = {name: value for name, value in told.items() if name not in _INPUT_FIELDS}
    written, split = told.get("cache_creation_input_tokens"), start.get("cache_creation")
    if isinstance(split, dict) and type(written) is int and _sum(split) > written:
        # Another total than the one that was split.
        told.setdefault("cache_creation", None)
    return {**start, **told}


def write_usage(usage: Usage) -> dict[str, object]:
    """The usage of the `message_delta` of a stream we end ourselves."""
    return {
        "input_tokens": usage.input_uncached,
        "cache_creation_input_tokens": usage.input_cache_write_5m + usage.input_cache_write_1h,
        "cache_read_input_tokens": usage.input_cache_read,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.output_reasoning},
    }


def asked_tier(document: Mapping[str, object]) -> str:
    """The tier that a request asks for, where it costs more than the ordinary one."""
    if "speed" not in document and "inference_geo" not in document:
        return ""
    return _tier(document, ("speed", "inference_geo"))


def _read(reported: Mapping[str, object]) -> Usage:
    if reported.get("input_tokens") is None or reported.get("output_tokens") is None:
        raise _UnbelievableError
    usage = _tokens(reported)
    for iteration in objects(reported.get("iterations")):
        if iteration.get("type") == "compaction":
            usage += _tokens(iteration)
    pieces = _pieces(_details(reported.get("server_tool_use")))
    tier = _tier(reported, TIERS)
    return usage + Usage(pieces=pieces, service_tier=tier) if pieces or tier else usage


def _tokens(reported: Mapping[str, object]) -> Usage:
    split = _details(reported.get("cache_creation"))
    written = reported.get("cache_creation_input_tokens")
    if written is None and split:
        written = _sum(split)
    written = _part(written, TOKENS_MAX)
    written_1h = _part(split.get("ephemeral_1h_input_tokens"), written) if split else 0
    if written_1h and not split.get("ephemeral_5m_input_tokens"):
        # Told at the start; what a loop of tools wrote since has the same lifetime.
        written_1h = written
    output = _part(reported.get("output_tokens"), TOKENS_MAX)
    thinking = _part(_details(reported.get("output_tokens_details")).get("thinking_tokens"), output)
    return Usage(
        input_uncached=_part(reported.get("input_tokens"), TOKENS_MAX),
        input_cache_read=_part(reported.get("cache_read_input_tokens"), TOKENS_MAX),
        input_cache_write_5m=written - written_1h,
        input_cache_write_1h=written_1h,
        output_text=output - thinking,
        output_reasoning=thinking,
    )


def _pieces(tools: Mapping[str, object]) -> Pieces:
    searches = _part(tools.get("web_search_requests"), SEARCHES_MAX)
    return ((WEB_SEARCH, searches),) if searches else ()


def _tier(told: Mapping[str, object], fields: Iterable[str]) -> str:
    return TIER_JOIN.join(
        value
        for name in fields
        if isinstance(value := told.get(name), str) and value in TIERS[name]
    )


def _sum(split: Mapping[str, object]) -> int:
    return sum(tokens for tokens in split.values() if type(tokens) is int)


def _details(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
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
