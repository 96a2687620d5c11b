"""Anthropic's message batches: what each request may cost, and what each result used.

A batch is `{"requests": [{"custom_id", "params"}]}`, each `params` the body of a messages request.
Its results are lines of JSON, one a request, in any order: only a request that succeeded is billed,
in the tier `batch`. Source: Anthropic guide "Batch processing"; anthropic package 2.14.0,
`types/messages` (read 2026-11-26).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.dialects.anthropic_call import read_call
from gateway.dialects.anthropic_usage import read_usage
from gateway.dialects.base import Reported
from gateway.dialects.json_body import SingleKeys, array, read_object, wrong
from gateway.dialects.json_scan import elements, member
from gateway.dialects.story_readers import decoded
from gateway.errors import BadCall
from gateway.metering.call import Call
from gateway.metering.pieces import TIER_JOIN

TIER = "batch"
BATCH_KEYS = SingleKeys(("requests",))
REQUEST_KEYS = SingleKeys(("params",))


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the results. `reported`: what a request that was `served` says it used; None
    when it says nothing believable, or was not served. `model`: which one served it."""

    served: bool
    reported: Reported | None = None
    model: str = ""


def calls_of(body: bytes) -> Iterator[Call]:
    """Each request of a batch, as its own call. Raises BadCall with the place of the field at
    fault (`requests.3.params.messages`)."""
    array(read_object(body, BATCH_KEYS), "requests")
    for index, (start, end) in enumerate(elements(body, member(body, "requests").start)):
        place = f"requests.{index}"
        request = body[start:end]
        try:
            yield _in_batch(_read_request(request))
        except BadCall as problem:
            param = str(problem.details.get("param", ""))
            if param not in ("", "params"):
                param = f"params.{param}"
            details = {"param": f"{place}.{param}".rstrip(".")}
            raise BadCall(f"{place}: {problem.message}", details=details) from None


def _read_request(request: bytes) -> Call:
    params = read_object(request, REQUEST_KEYS).get("params")
    if not isinstance(params, dict):
        raise wrong("params", "an object", params)
    place = member(request, "params")
    return read_call(request[place.start : place.end])


def read_result(line: bytes) -> Result | None:
    """None for what is no result. Never raises."""
    document = decoded(line)
    result = document.get("result") if isinstance(document, dict) else None
    if not isinstance(result, dict):
        return None
    if result.get("type") != "succeeded":
        return Result(served=False)
    message = result.get("message")
    if not isinstance(message, dict):
        return Result(served=True)
    model = message.get("model")
    return Result(
        served=True,
        reported=_reported(message),
        model=model if isinstance(model, str) else "",
    )


def _reported(message: Mapping[str, object]) -> Reported | None:
    reported = read_usage(message.get("usage"))
    if reported is None:
        return None
    usage = reported.usage
    tier = _batch_tier(usage.service_tier)
    return Reported(replace(usage, service_tier=tier), reported.unmapped)


def _in_batch(call: Call) -> Call:
    tier = _batch_tier(call.terms.service_tier)
    return replace(call, stream=False, terms=replace(call.terms, service_tier=tier))


def _batch_tier(tier: str) -> str:
    """In the batch tier, whatever else there is to it."""
    parts = tier.split(TIER_JOIN) if tier else []
    return tier if TIER in parts else TIER_JOIN.join([TIER, *parts])
