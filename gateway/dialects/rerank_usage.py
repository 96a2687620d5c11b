"""Reading what a reranking reports: tokens, or the search units that it is billed by.

| vendor field | our class | |
|---|---|---|
| meta.billed_units.search_units (Cohere) | piece search_unit | rounded up |
| usage.total_tokens (Voyage, Jina, vLLM) | input_uncached | all of it is input |
| usage.prompt_tokens (llama.cpp) | input_uncached | where total_tokens is missing |
| meta.tokens.input_tokens (Cohere) | input_uncached | where there is no usage |

Named and ignored: `usage.prompt_tokens` beside the total, `usage.completion_tokens` and
`meta.tokens.output_tokens` (none are made), and Cohere's other `billed_units` (of its other
endpoints). Any other number is reported as unmapped: it never changes a total.

Sources (read 2026-11-26): Cohere API reference v1 and v2, "Rerank", and its pricing; Voyage AI and
Jina AI API references; vLLM and llama.cpp servers.
"""

from collections.abc import Mapping
from math import ceil

from gateway.dialects.base import Reported
from gateway.dialects.json_ends import JsonEnds
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.call import Call
from gateway.metering.usage import Usage

# A request takes some ten thousand documents at most: beyond this is a defect, not a usage.
COUNT_MAX = 1_000_000_000

KNOWN: Known = {
    "usage": {
        "total_tokens": None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "prompt_tokens_details": {"audio_tokens": None, "cached_tokens": None},
    },
    "meta": {
        "api_version": {"version": None},
        "tokens": {"input_tokens": None, "output_tokens": None},
        "billed_units": {
            "search_units": None,
            "classifications": None,
            "images": None,
            "input_tokens": None,
            "output_tokens": None,
        },
    },
}


def read_answer(answer: JsonEnds, call: Call) -> Reported | None:
    """In the measure that the model is sold in; None where nothing is told in it believably."""
    told = {name: found for name in KNOWN if isinstance(found := answer.member(name), dict)}
    units, tokens = _units(told.get("meta", {})), _tokens(told)
    beside = unmapped(told, KNOWN)
    if call.counts_tokens:
        return None if tokens is None else Reported(Usage(input_uncached=tokens), beside)
    if units is None and tokens is None:
        return None
    # Sold by the unit and told in tokens: those are kept, ours are charged.
    pieces = call.owed if units is None else (("search_unit", units),)
    return Reported(Usage(input_uncached=tokens or 0, pieces=pieces), beside)


def _units(meta: Mapping[str, object]) -> int | None:
    billed = meta.get("billed_units")
    units = billed.get("search_units") if isinstance(billed, dict) else None
    # By type, not isinstance: true is no number. Cohere's own package reads a float.
    if type(units) is not int and type(units) is not float:
        return None
    return ceil(units) if 0 < units <= COUNT_MAX else None


def _tokens(told: Mapping[str, Mapping[str, object]]) -> int | None:
    usage = told.get("usage", {})
    found = usage.get("total_tokens", usage.get("prompt_tokens"))
    if found is None:
        tokens = told.get("meta", {}).get("tokens")
        found = tokens.get("input_tokens") if isinstance(tokens, dict) else None
    return found if type(found) is int and 0 < found <= COUNT_MAX else None
