"""What a batch holds for its requests, and what its operation says of it."""

from typing import Any

import orjson
import pytest

from gateway.dialects import JOBS
from gateway.dialects.base import Prepared, Request
from gateway.dialects.gemini_batches import GeminiBatches
from gateway.errors import BadCall
from gateway.metering.jobs import Phase, Told
from gateway.metering.usage import Usage

DIALECT = GeminiBatches()
MODEL = "gemini-2.5-flash"


def asking(words: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"request": {"contents": [{"parts": [{"text": words}]}], **more}}


def capped(tokens: int) -> dict[str, Any]:
    return asking(generationConfig={"maxOutputTokens": tokens})


def batch(*requests: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"batch": {"inputConfig": {"requests": {"requests": list(requests)}}} | more}


def request(document: Any, *, verb: str = "batchGenerateContent", model: str = MODEL) -> Request:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Request(body=body, path=f"/v1beta/models/{model}:{verb}")


def test_a_batch_is_sized_by_all_of_its_requests():
    requests = (capped(50), capped(70), asking("A longer question"))

    call = DIALECT.read_call(request(batch(*requests)))

    assert (MODEL, True, "batch") == (call.model, call.deferred, call.terms.service_tier)
    lengths = [len(orjson.dumps(each["request"])) for each in requests]
    many = call.many
    assert (3, sum(lengths), max(lengths)) == (
        many.calls,
        many.input_tokens,
        many.longest_input_tokens,
    )
    assert (120, 1, 0, "batch") == (
        many.output_tokens,
        many.uncapped_answers,
        many.opaque_inputs,
        many.service_tier,
    )
    assert sum(lengths) == DIALECT.prompt_bound_tokens(call, context_tokens=1_000)


def test_what_a_request_only_names_may_fill_the_context():
    held = asking(cachedContent="cachedContents/1")

    call = DIALECT.read_call(request(batch(held, held, asking())))

    many = call.many
    assert 2 == many.opaque_inputs
    assert many.input_tokens + 2_000 == DIALECT.prompt_bound_tokens(call, context_tokens=1_000)


def test_searches_are_held_for_each_request():
    call = DIALECT.read_call(request(batch(*[asking(tools=[{"googleSearch": {}}])] * 2)))

    assert (("grounding", 2), ("grounding_query", 20)) == call.terms.pieces


def test_a_batch_of_embeddings_answers_nothing():
    one = {"request": {"content": {"parts": [{"text": "Hello"}]}}}

    call = DIALECT.read_call(request(batch(one, one), verb="asyncBatchEmbedContent"))

    assert (2, 0, 0) == (call.many.calls, call.many.output_tokens, call.many.uncapped_answers)


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch":{"input_config":{"requests":{"requests":[{"request":{"contents":[]}}]}}}}',
        b'{"batch":{"inputConfig":{"requests":{"requests":{"request":{"contents":[]}}}}}}',
    ],
)
def test_other_spellings_of_the_same(body):
    assert 1 == DIALECT.read_call(request(body)).many.calls


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "must hold the batch's requests"),
        ({"batch": None}, "must hold the batch's requests"),
        (batch(), "must hold the batch's requests"),
        ({"batch": {"inputConfig": {"fileName": "files/1"}}}, "What is in a file cannot be sized"),
        (
            {"batch": {"inputConfig": {"file_name": "files/1", "requests": {"requests": []}}}},
            "What is in a file cannot be sized",
        ),
        ({"batch": []}, "batch must be an object"),
        ({"batch": {"inputConfig": {"requests": []}}}, "requests must be an object"),
        ({"batch": {"inputConfig": {"requests": {"requests": 7}}}}, "must be a list"),
        (batch(*[asking()] * 50_001), "a list of at most 50000 requests"),
        (b'{"batch":' + b"[" * 900 + b"]" * 900 + b"}", "nested too deep"),
        (batch(7), "must be a list of objects"),  # type: ignore[arg-type]
        (batch({}), "a list of objects with a request each"),
        (batch({"request": "x"}), "a list of objects with a request each"),
        (batch(asking(model="models/other")), "must name the model in the path"),
        (batch(asking(), model="models/other"), "must name the model in the path"),
        (batch(asking(generationConfig={"maxOutputTokens": "x"})), "maxOutputTokens"),
        (b'{"batch":{},"batch":{}}', "batch"),
        (
            b'{"batch":{"inputConfig":{},"input_config":{}}}',
            "inputConfig was given as input_config as well",
        ),
        (
            b'{"batch":{"inputConfig":{"requests":{},"requests":{}}}}',
            "requests was given more than once",
        ),
        # Wherever it is.
        (
            b'{"batch":{"inputConfig":{"requests":{"requests":[{"request":{"a":1,"a":2}}]}}}}',
            "a was given more than once",
        ),
        (
            b'{"batch":{"inputConfig":{"requests":{"requests":[{"request":{},"request":{}}]}}}}',
            "request was given more than once",
        ),
    ],
)
def test_what_cannot_be_sized_is_refused(document, why):
    with pytest.raises(BadCall, match=why):
        DIALECT.read_call(request(document))


def test_an_alias_is_replaced_wherever_the_model_is_named():
    named = batch(asking(model="models/fast"), asking(), model="models/fast")
    asked = request(named, model="fast")

    prepared = DIALECT.prepare(DIALECT.read_call(asked), asked, upstream_model=MODEL)

    renamed = batch(asking(model=f"models/{MODEL}"), asking(), model=f"models/{MODEL}")
    assert (f"/v1beta/models/{MODEL}:batchGenerateContent", renamed) == (
        prepared.path,
        orjson.loads(prepared.body),
    )


def test_a_batch_for_the_model_itself_stays_as_it_is():
    asked = request(batch(asking()))

    prepared = DIALECT.prepare(DIALECT.read_call(asked), asked, upstream_model=MODEL)

    assert Prepared(asked.body) == prepared
    assert () == tuple(DIALECT.named(asked))


USED = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
USAGE = Usage(input_uncached=9, output_text=4, service_tier="batch")


def answered(usage: Any = USED, **more: Any) -> dict[str, Any]:
    return {"response": {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage} | more}


def operation(state: str, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    output = {"output": {"inlinedResponses": {"inlinedResponses": list(results)}}}
    metadata = {"state": state, **(output if results else {})}
    return {"name": "batches/1", "metadata": metadata, **more}


@pytest.mark.parametrize(
    ("document", "phase"),
    [
        (operation("BATCH_STATE_PENDING"), Phase.OPEN),
        (operation("JOB_STATE_RUNNING"), Phase.OPEN),
        (operation("BATCH_STATE_SUCCEEDED", done=True), Phase.DONE),
        (operation("BATCH_STATE_CANCELLED", done=True), Phase.CANCELLED),
        (operation("BATCH_STATE_FAILED", done=True), Phase.FAILED),
        (operation("BATCH_STATE_EXPIRED", done=True), Phase.FAILED),
        # Nothing is known of this state: whether it is done stands beside.
        (operation("BATCH_STATE_UNSPECIFIED"), Phase.OPEN),
        (operation("", done=True), Phase.DONE),
        (operation("", done=True, error={"code": 1}), Phase.CANCELLED),
        (operation("", done=True, error={"code": 13}), Phase.FAILED),
        ({"name": "batches/1", "state": "BATCH_STATE_SUCCEEDED"}, Phase.DONE),
        ({"name": "batches/1"}, Phase.OPEN),
    ],
)
def test_where_a_batch_stands(document, phase):
    status = DIALECT.read(document)

    assert ("batches/1", phase, ()) == (status.job_id, status.phase, status.told)


@pytest.mark.parametrize("holder", ["metadata", "response"])
def test_a_batch_that_is_over_tells_what_each_request_used(holder):
    inlined = {"inlinedResponses": {"inlinedResponses": [answered(), {"error": {"code": 3}}]}}
    document = operation("BATCH_STATE_SUCCEEDED")
    if holder == "metadata":
        document["metadata"]["output"] = inlined
    else:
        document |= {"done": True, "response": inlined}

    assert (Told(usage=USAGE),) == DIALECT.read(document).told


def test_results_that_come_twice_are_read_once():
    document = operation("BATCH_STATE_SUCCEEDED", answered())
    document["response"] = {"inlinedResponses": {"inlinedResponses": [answered()]}}

    assert (Told(usage=USAGE),) == DIALECT.read(document).told


def test_what_was_served_before_a_batch_was_cancelled_is_told():
    status = DIALECT.read(operation("BATCH_STATE_CANCELLED", answered(), done=True))

    assert (Phase.CANCELLED, (Told(usage=USAGE),)) == (status.phase, status.told)


def test_the_tier_is_that_of_batches_whatever_an_answer_says():
    status = DIALECT.read(
        operation("BATCH_STATE_SUCCEEDED", answered(USED | {"trafficType": "ON_DEMAND"}))
    )

    assert USAGE == status.told[0].usage


def test_searches_are_told_by_each_answer():
    grounded = {"candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b"]}}]}

    [told] = DIALECT.read(operation("BATCH_STATE_SUCCEEDED", answered(**grounded))).told

    assert (("grounding", 1), ("grounding_query", 2)) == told.usage.pieces


def test_a_batch_whose_requests_all_failed_used_nothing():
    status = DIALECT.read(operation("BATCH_STATE_SUCCEEDED", {"error": {"code": 3}}))

    assert (Told(usage=Usage(service_tier="batch"), calls=0),) == status.told


@pytest.mark.parametrize("usage", [None, {}, {"promptTokenCount": -1}, "much"])
def test_a_served_request_that_tells_nothing_is_told_as_that(usage):
    status = DIALECT.read(operation("BATCH_STATE_SUCCEEDED", answered(), answered(usage)))

    assert (Told(usage=USAGE), Told(usage=None)) == status.told


@pytest.mark.parametrize(("said", "tokens"), [("5", 5), (6, 6), (-1, None), ("x", None)])
def test_an_embedding_says_how_long_its_text_was(said, tokens):
    embedded = {"embedding": {"values": [0.1]}, "tokenCount": said}
    inlined = {"inlinedEmbedContentResponses": {"inlinedResponses": [{"response": embedded}]}}
    document = operation("BATCH_STATE_SUCCEEDED", done=True, response=inlined)

    usage = None if tokens is None else Usage(input_uncached=tokens, service_tier="batch")
    assert (Told(usage=usage),) == DIALECT.read(document).told


def test_results_in_a_file_are_out_of_sight():
    document = operation("BATCH_STATE_SUCCEEDED", done=True, response={"responsesFile": "files/2"})

    assert () == DIALECT.read(document).told


@pytest.mark.parametrize(
    "document",
    [{}, {"name": 7}, {"name": "models/x/operations/1", "done": True}, {"operations": []}],
)
def test_anything_else_is_no_batch(document):
    assert DIALECT.read(document) is None


@pytest.mark.parametrize("version", ["v1beta", "v1alpha", "v1"])
def test_a_batch_is_asked_for_by_its_name(version):
    status = DIALECT.read(operation("BATCH_STATE_PENDING"))

    asked = DIALECT.path(f"/{version}/models/{MODEL}:batchGenerateContent", status)

    assert f"/{version}/batches/1" == asked


def test_it_stands_in_the_table_of_jobs():
    assert isinstance(JOBS["gemini_batches"], GeminiBatches)
