"""Reading and writing the `usage` of OpenAI's Responses API.

| vendor field | our class | |
|---|---|---|
| input_tokens | input_uncached | what is left of it after the parts below |
| input_tokens_details.cache_write_tokens | input_cache_write_5m | inside input_tokens |
| input_tokens_details.cache_write_tokens_details | input_cache_write_1h | inside the line above: |
| .ttl_12h_tokens | | the longer of the two lifetimes there |
| input_tokens_details.cached_tokens | input_cache_read | inside; may overlap the above |
| output_tokens | output_text | what is left of it after the part below |
| output_tokens_details.reasoning_tokens | output_reasoning | inside output_tokens |
| tool_usage.web_search.num_requests | web_search (piece) | beside; without it the items tell |
| service_tier (of the response) | the tier of all of it | see `openai_usage.TIERS` |
| output[].type | pieces | see `openai_hosted_tools.py` |

Named and ignored: `total_tokens` (a sum), `cache_write_tokens_details.ttl_30m_tokens` (the rest of
one), vLLM's `output_tokens_details.tool_output_tokens` (inside input_tokens).

Any other number is kept as unmapped and never changes a total: what a vendor says it charged
(OpenRouter's `cost`, xAI's `cost_in_usd_ticks`), and `tool_usage.image_gen`, the tokens that made
pictures came to, which are in the price of a picture.

An answer that runs in the background reports nothing until it is over.

Sources (read 2026-11-24): OpenAI API reference, the response object, and the openai package 3.57.0,
`types/responses/response_usage.py` and `response.py`.
"""

from collections.abc import Iterable, Mapping

from gateway.dialects.base import Reported
from gateway.dialects.json_body import objects
from gateway.dialects.openai_hosted_tools import search_piece, unknown_uses, used
from gateway.dialects.openai_usage import (
    TOKENS_MAX,
    UnbelievableError,
    details,
    part,
    service_tier,
)
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.usage import Pieces, Usage

KNOWN: Known = {
    "input_tokens": None,
    "input_tokens_details": {
        "cached_tokens": None,
        "cache_write_tokens": None,
        "cache_write_tokens_details": {"ttl_12h_tokens": None, "ttl_30m_tokens": None},
    },
    "output_tokens": None,
    "output_tokens_details": {"reasoning_tokens": None, "tool_output_tokens": None},
    "total_tokens": None,
}
KNOWN_OF_TOOLS: Known = {"tool_usage": {"web_search": {"num_requests": None}}}

# No answer makes more searches.
SEARCHES_MAX = 10_000


def read_response(
    response: Mapping[str, object], *, request: Mapping[str, object]
) -> Reported | None:
    """What a response reports; None when it does not state its tokens believably.

    `request`: that of the call, or the response itself, which repeats its tools.
    """
    items = list(objects(response.get("output")))
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    try:
        tools = details(response.get("tool_usage")) or {}
        read = _read(usage, tier=service_tier(response), pieces=_pieces(items, tools, request))
    except UnbelievableError:
        return None
    unknown = unmapped(usage, KNOWN) | unmapped({"tool_usage": tools}, KNOWN_OF_TOOLS)
    return Reported(read, unknown | unknown_uses(items))


def write_usage(usage: Usage) -> dict[str, object]:
    """The usage object for a stream we end ourselves."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cache_write_tokens": usage.input_cache_write_5m + usage.input_cache_write_1h,
            "cached_tokens": usage.input_cache_read,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.output_reasoning},
        "total_tokens": usage.total_tokens,
    }


def _read(reported: Mapping[str, object], *, tier: str, pieces: Pieces) -> Usage:
    if reported.get("input_tokens") is None or reported.get("output_tokens") is None:
        raise UnbelievableError
    given = part(reported["input_tokens"], TOKENS_MAX)
    made = part(reported["output_tokens"], TOKENS_MAX)
    heard = details(reported.get("input_tokens_details")) or {}
    said = details(reported.get("output_tokens_details")) or {}

    written = part(heard.get("cache_write_tokens"), given)
    by_lifetime = details(heard.get("cache_write_tokens_details")) or {}
    longer = min(part(by_lifetime.get("ttl_12h_tokens"), given), written)
    cached = min(part(heard.get("cached_tokens"), given), given - written)
    reasoning = part(said.get("reasoning_tokens"), made)
    return Usage(
        input_uncached=given - written - cached,
        input_cache_read=cached,
        input_cache_write_5m=written - longer,
        input_cache_write_1h=longer,
        output_text=made - reasoning,
        output_reasoning=reasoning,
        pieces=pieces,
        service_tier=tier,
    )


def _pieces(
    items: Iterable[Mapping[str, object]],
    tools: Mapping[str, object],
    request: Mapping[str, object],
) -> Pieces:
    """By the items, but for what the response counts itself."""
    counts = dict(used(items, request).pieces)
    searches = details(tools.get("web_search")) or {}
    if searches.get("num_requests") is not None:
        counts[search_piece(request)] = part(searches["num_requests"], SEARCHES_MAX)
    return tuple(sorted((name, count) for name, count in counts.items() if count))
