"""Batches of the Gemini API (`:batchGenerateContent`, `:asyncBatchEmbedContent`).

A batch holds its requests, all for the model in the path, and is sized by them together; or it
names a file that was uploaded before, whose requests are out of sight: that is refused. What it
used stands in the results, which come with the batch itself once it is over. All of it is served in
the tier `batch`.

| state of the batch | its job is |
|---|---|
| BATCH_STATE_PENDING, _RUNNING | open |
| BATCH_STATE_SUCCEEDED | done |
| BATCH_STATE_CANCELLED | cancelled |
| BATCH_STATE_FAILED, _EXPIRED | failed |

Sources (read 2026-11-26): Gemini API reference, "Batch API"; the guide of that name;
google-genai package 3.6.1.
"""

import json  # noqa: TID251 - it alone tells of keys that are there twice
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import orjson

from gateway.dialects.base import Format, Prepared, Request
from gateway.dialects.batch_lines import Share, share_of
from gateway.dialects.begins_jobs import BeginsJobs
from gateway.dialects.gemini_call import check_query, path_model
from gateway.dialects.gemini_embed import GeminiEmbed
from gateway.dialects.gemini_fields import (
    objects,
    refuse_two_spellings,
    snake,
    text,
    value,
    whole_number,
)
from gateway.dialects.gemini_generate import GeminiGenerate
from gateway.dialects.gemini_operations import name_of, phase_of, polled_at
from gateway.dialects.gemini_path import bare_model, resource_name, verb_of, with_model
from gateway.dialects.gemini_story import Story
from gateway.dialects.jobs import Results
from gateway.dialects.json_body import SingleKeys, read_object
from gateway.dialects.json_scan import Member, elements, members, replaced_each
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.jobs import JobStatus, Phase, Told
from gateway.metering.usage import Usage

TIER = "batch"
EMBEDDINGS = "asyncBatchEmbedContent"
# A count of tokens beyond what any model reads is a defect.
TOKENS_MAX = 10_000_000
# More than the 20 MB hold that a batch may have.
REQUESTS_MAX = 50_000
_BRACE = b"{"[0]
_LIST = "batch.inputConfig.requests.requests"
# As which an answer is read: what was asked for is not known any more.
_ONE = Call(model="")
_STATE_PREFIXES = ("BATCH_STATE_", "JOB_STATE_")
_PHASES = {
    "PENDING": Phase.OPEN,
    "RUNNING": Phase.OPEN,
    "SUCCEEDED": Phase.DONE,
    "PARTIALLY_SUCCEEDED": Phase.DONE,
    "CANCELLED": Phase.CANCELLED,
    "FAILED": Phase.FAILED,
    "EXPIRED": Phase.FAILED,
}


class GeminiBatches(BeginsJobs):
    """Implements `Dialect` and `Jobs`."""

    name = "gemini_batches"
    # One that is not over after two days has expired, and a day to tell of it.
    lifetime_s = 72 * 3_600
    links: Sequence[str] = ()
    # The operation itself says all there is.
    results: Results | None = None

    def named(self, request: Request) -> Sequence[str]:  # noqa: ARG002 (the protocol's)
        return ()

    def read_call(self, request: Request) -> Call:
        check_query(request.query)
        batch = _batch_of(request.body)
        asked = _requests_of(batch)
        model = path_model(request)
        _refuse_another(batch, model)
        dialect, verb = _format_of(request.path)
        path = f"{request.path.rpartition(':')[0]}:{verb}"
        total: Share | None = None
        for each in asked:
            _refuse_another(each, model)
            alone = Request(body=orjson.dumps(each), path=path, now_ms=request.now_ms)
            share = share_of(dialect.read_call(alone), dialect)
            total = share if total is None else total + share
        if total is None:
            raise BadCall(
                "batch.inputConfig.requests must hold the batch's requests. What is in a file "
                "cannot be sized: put the requests into the call.",
                details={"param": "batch.inputConfig.requests"},
            )
        many = replace(total.many, service_tier=TIER)
        return Call(
            model=model,
            many=many,
            # The requests are not kept for an exact count: the bound stands.
            opaque_inputs=1,
            terms=Terms(media=many.media, pieces=total.pieces, service_tier=TIER),
            deferred=True,
        )

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        many = call.many
        assert many is not None, "read_call gave it one"
        return many.input_tokens + many.opaque_inputs * context_tokens

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        if upstream_model == call.model:
            return Prepared(request.body)
        named = orjson.dumps(resource_name(upstream_model))
        body = replaced_each(request.body, _models_in(request.body), named)
        return Prepared(body, path=with_model(request.path, upstream_model))

    def read(self, document: Mapping[str, object]) -> JobStatus | None:
        name = name_of(document, of="batches")
        if not name:
            return None
        phase = _phase(document)
        told = () if phase is Phase.OPEN else tuple(_told(document))
        return JobStatus(job_id=name, phase=phase, told=told)

    def path(self, created: str, status: JobStatus) -> str:
        return polled_at(created, status.job_id)


def _format_of(path: str) -> tuple[Format, str]:
    """How the batch's requests are read, and the verb that each would have by itself."""
    if verb_of(path) == EMBEDDINGS:
        return GeminiEmbed(), "embedContent"
    return GeminiGenerate(), "generateContent"


def _batch_of(body: bytes) -> Mapping[str, object]:
    """Nothing in it may be there twice: whatever is read here is what the provider reads."""
    document = read_object(body, SingleKeys(()))
    json.loads(body, object_pairs_hook=_refuse_twice)
    return _inside(document, "batch")


def _refuse_twice(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadCall(f"{twice} was given more than once.", details={"param": twice})


def _requests_of(batch: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    """None where the batch names a file."""
    config = _inside(batch, "inputConfig")
    refuse_two_spellings(config, ("fileName",))
    if value(config, "fileName") is not None:
        return ()
    listed = _inside(config, "requests").get("requests")
    # One may stand for a list of one.
    each = [listed] if isinstance(listed, dict) else listed
    if each is None:
        return ()
    if not isinstance(each, list) or len(each) > REQUESTS_MAX:
        raise _wrong(_LIST, f"a list of at most {REQUESTS_MAX} requests")
    return [_request_of(one) for one in each]


def _request_of(item: object) -> Mapping[str, object]:
    request = item.get("request") if isinstance(item, dict) else None
    if not isinstance(request, dict):
        raise _wrong(_LIST, "a list of objects with a request each")
    return request


def _inside(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    refuse_two_spellings(fields, (name,))
    found = value(fields, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(name, "an object")
    return found


def _refuse_another(fields: Mapping[str, object], model: str) -> None:
    named = fields.get("model")
    if named is not None and (not isinstance(named, str) or bare_model(named) != model):
        raise BadCall(
            "All requests of a batch must name the model in the path, or none.",
            details={"param": "model"},
        )


def _models_in(body: bytes) -> list[Member]:
    """Wherever a body that was read names the model, in the order they stand."""
    batch = _member(body, 0, "batch")
    named = [] if batch is None else [_member(body, batch.start, "model")]
    place = batch
    for name in ("inputConfig", "requests", "requests"):
        place = None if place is None else _member(body, place.start, name)
    if place is not None:
        alone = body[place.start] == _BRACE
        items = [(place.start, 0)] if alone else elements(body, place.start)
        for start, _ in items:
            request = _member(body, start, "request")
            named.append(None if request is None else _member(body, request.start, "model"))
    found = [each for each in named if each is not None]
    return sorted(found, key=lambda each: each.start)


def _member(body: bytes, start: int, name: str) -> Member | None:
    spelled = (name, snake(name))
    return next((each for each in members(body, start) if each.key in spelled), None)


def _wrong(param: str, wanted: str) -> BadCall:
    return BadCall(f"{param} must be {wanted}.", details={"param": param})


def _phase(batch: Mapping[str, object]) -> Phase:
    """It is done before its operation is, in some answers; a batch by itself has no operation."""
    state = text(_object(batch.get("metadata")), "state") or text(batch, "state")
    for prefix in _STATE_PREFIXES:
        state = state.removeprefix(prefix)
    return _PHASES.get(state) or phase_of(batch)


def _told(batch: Mapping[str, object]) -> Iterator[Told]:
    """What each request used, if the results are here."""
    for holder in ("response", "metadata"):
        results = _object(batch.get(holder))
        output = _object(results.get("output")) or results
        for name in ("inlinedResponses", "inlinedEmbedContentResponses"):
            inlined = output.get(name)
            if isinstance(inlined, dict):
                yield from _told_by(objects(inlined.get("inlinedResponses")))
                return


def _told_by(results: Sequence[Mapping[str, object]]) -> Iterator[Told]:
    served = [result["response"] for result in results if isinstance(result.get("response"), dict)]
    if not served:
        yield Told(usage=Usage(service_tier=TIER), calls=0)
    for response in served:
        assert isinstance(response, dict), "chosen above"
        yield _told_of(response)


def _told_of(response: Mapping[str, object]) -> Told:
    story = Story(_ONE)
    story.add(response)
    story.end()
    reported = story.reported
    if reported is not None:
        usage = replace(reported.usage, service_tier=TIER)
        return Told(usage=usage, unmapped=reported.unmapped)
    # An embedding says how long its text was, as a number in quotes.
    tokens = _tokens(response.get("tokenCount"))
    if tokens is None:
        return Told(usage=None)
    return Told(usage=Usage(input_uncached=tokens, service_tier=TIER))


def _tokens(said: object) -> int | None:
    try:
        tokens = whole_number({"tokenCount": said}, "tokenCount")
    except BadCall:
        return None
    return tokens if tokens is not None and 0 <= tokens <= TOKENS_MAX else None


def _object(found: object) -> Mapping[str, object]:
    return found if isinstance(found, dict) else {}
