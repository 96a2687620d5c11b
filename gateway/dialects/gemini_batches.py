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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import orjson

from gateway.dialects.base import AnswerReader, BodyFilter, Format, Prepared, PromptParts, Request
from gateway.dialects.batch_lines import Share, share_of
from gateway.dialects.gemini_call import check_query, path_model
from gateway.dialects.gemini_embed import GeminiEmbed
from gateway.dialects.gemini_fields import objects, snake, text, whole_number
from gateway.dialects.gemini_generate import GeminiGenerate
from gateway.dialects.gemini_operations import name_of, phase_of, polled_at
from gateway.dialects.gemini_path import bare_model, resource_name, verb_of, with_model
from gateway.dialects.gemini_story import Story
from gateway.dialects.jobs import Results
from gateway.dialects.json_body import SingleKeys, read_object
from gateway.dialects.json_scan import Member, elements, members, replaced_each
from gateway.dialects.passing import Passing
from gateway.dialects.silent import Silent
from gateway.errors import BadCall
from gateway.metering.call import Call, Terms
from gateway.metering.jobs import JobStatus, Phase, Told
from gateway.metering.usage import Usage

TIER = "batch"
EMBEDDINGS = "asyncBatchEmbedContent"
# A count of tokens beyond what any model reads is a defect.
TOKENS_MAX = 10_000_000
_BRACE, _BRACKET = b"{["
_LIST = "batch.inputConfig.requests.requests"
_SINGLE_KEYS = SingleKeys(("batch",))
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


class GeminiBatches:
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
        read_object(request.body, _SINGLE_KEYS)
        model = path_model(request)
        dialect, verb = _format_of(request.path)
        path = f"{request.path.rpartition(':')[0]}:{verb}"
        for place in _models_in(request.body):
            _refuse_another(request.body, place, model)
        total: Share | None = None
        for place in _requests_in(request.body):
            inner = request.body[place.start : place.end]
            each = Request(body=inner, path=path, now_ms=request.now_ms)
            share = share_of(dialect.read_call(each), dialect)
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

    def prompt_parts(self, call: Call) -> PromptParts:  # noqa: ARG002 (the protocol's)
        return PromptParts(texts=())

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

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:  # noqa: ARG002 (the protocol's)
        return Silent()

    def usage_filter(self) -> BodyFilter:
        return Passing()

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


def _requests_in(body: bytes) -> Iterator[Member]:
    """Where each request stands. Nothing where the batch names a file."""
    batch = _object_in(body, 0, "batch")
    config = None if batch is None else _object_in(body, batch.start, "inputConfig")
    if config is None or _only(body, config.start, "fileName") is not None:
        return
    inlined = _object_in(body, config.start, "requests")
    listed = None if inlined is None else _only(body, inlined.start, "requests")
    if listed is None:
        return
    for start in _starts_in(body, listed):
        request = _object_in(body, start, "request")
        if request is None:
            raise _wrong(f"{_LIST}.request", "an object")
        yield request


def _starts_in(body: bytes, listed: Member) -> Iterator[int]:
    opening = body[listed.start]
    if opening == _BRACE:  # one may stand for a list of one
        yield listed.start
        return
    if opening != _BRACKET:
        raise _wrong(_LIST, "a list")
    for start, _ in elements(body, listed.start):
        if body[start] != _BRACE:
            raise _wrong(_LIST, "a list of objects")
        yield start


def _models_in(body: bytes) -> list[Member]:
    """Wherever the body names the model that the path names."""
    batch = _object_in(body, 0, "batch")
    holders = [*([] if batch is None else [batch]), *_requests_in(body)]
    found = [_only(body, holder.start, "model") for holder in holders]
    return sorted((named for named in found if named is not None), key=lambda named: named.start)


def _object_in(body: bytes, start: int, name: str) -> Member | None:
    """The member of that name of the object at `start`, if it is an object itself; None where it
    is missing or null."""
    found = _only(body, start, name)
    if found is None or body[found.start : found.end] == b"null":
        return None
    if body[found.start] != _BRACE:
        raise _wrong(name, "an object")
    return found


def _only(body: bytes, start: int, name: str) -> Member | None:
    """The member of that name, in either spelling: never two of them."""
    spelled = (name, snake(name))
    found = [each for each in members(body, start) if each.key in spelled]
    if len(found) > 1:
        raise BadCall(f"{name} was given more than once.", details={"param": name})
    return found[0] if found else None


def _refuse_another(body: bytes, place: Member, model: str) -> None:
    named = orjson.loads(body[place.start : place.end])
    if not isinstance(named, str) or bare_model(named) != model:
        raise BadCall(
            "All requests of a batch must name the model in the path, or none.",
            details={"param": "model"},
        )


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
