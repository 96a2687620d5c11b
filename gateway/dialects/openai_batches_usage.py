"""Reading what an OpenAI batch used: as the batch sums it up, and as each of its results says.

| vendor field of a batch's `usage` | our class | |
|---|---|---|
| input_tokens | input_uncached | what is left of it after the part below |
| input_tokens_details.cached_tokens | input_cache_read | inside input_tokens |
| output_tokens | output_text | what is left of it after the part below |
| output_tokens_details.reasoning_tokens | output_reasoning | inside output_tokens |

Named and ignored: `total_tokens` (a sum). Any other number is kept as unmapped. A line of results
carries the answer of its request's own API, with that API's usage; all of it is served in the tier
`batch`.

Sources (read 2026-11-26): OpenAI API reference, the batch object, and the openai package 3.57.0,
`types/batch_usage.py`; the guide "Batch API", "Retrieve the results".
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.dialects import embeddings_usage, openai_usage
from gateway.dialects.base import Reported
from gateway.dialects.jobs import NOT_SERVED, decoded, text_of
from gateway.dialects.openai_usage import TOKENS_MAX, UnbelievableError, details, part
from gateway.dialects.unmapped import Known, unmapped
from gateway.metering.jobs import Told
from gateway.metering.usage import Usage

TIER = "batch"
SERVED = range(200, 300)

KNOWN: Known = {
    "input_tokens": None,
    "input_tokens_details": {"cached_tokens": None},
    "output_tokens": None,
    "output_tokens_details": {"reasoning_tokens": None},
    "total_tokens": None,
}


def read_usage(reported: object) -> Reported | None:
    """All of a batch together; None when it does not state its tokens believably."""
    if not isinstance(reported, dict):
        return None
    try:
        return Reported(_read(reported), unmapped(reported, KNOWN))
    except UnbelievableError:
        return None


def read_result(line: bytes) -> Told | None:
    """One request of a batch; None for what is none."""
    document = decoded(line)
    if not isinstance(document, dict) or "custom_id" not in document:
        return None
    response = document.get("response")
    if not isinstance(response, dict) or response.get("status_code") not in SERVED:
        return NOT_SERVED
    body = response.get("body")
    reported = _of_answer(body) if isinstance(body, dict) else None
    if reported is None:
        return Told(usage=None)
    usage = replace(reported.usage, service_tier=TIER)
    return Told(usage=usage, unmapped=reported.unmapped)


def _of_answer(body: Mapping[str, object]) -> Reported | None:
    usage = body.get("usage")
    if usage is None and text_of(body, "id").startswith("modr-"):
        # Judging is not billed.
        return Reported(Usage())
    match text_of(body, "object"):
        case "response":
            return read_usage(usage)
        case "list":
            return embeddings_usage.read_usage(usage)
        case _:
            return openai_usage.read_usage(usage)


def _read(reported: Mapping[str, object]) -> Usage:
    if reported.get("input_tokens") is None or reported.get("output_tokens") is None:
        raise UnbelievableError
    given = part(reported["input_tokens"], TOKENS_MAX)
    made = part(reported["output_tokens"], TOKENS_MAX)
    heard = details(reported.get("input_tokens_details")) or {}
    said = details(reported.get("output_tokens_details")) or {}
    cached = part(heard.get("cached_tokens"), given)
    reasoning = part(said.get("reasoning_tokens"), made)
    return Usage(
        input_uncached=given - cached,
        input_cache_read=cached,
        output_text=made - reasoning,
        output_reasoning=reasoning,
        service_tier=TIER,
    )
