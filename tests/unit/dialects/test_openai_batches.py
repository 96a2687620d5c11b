"""What a batch's own object says of it, and what its creation needs to be sized."""

import orjson
import pytest
from openai.types import Batch, BatchUsage
from openai.types.batch_usage import InputTokensDetails, OutputTokensDetails

from gateway.dialects import JOBS
from gateway.dialects.base import Request
from gateway.dialects.openai_batches import PHASES, OpenAIBatches
from gateway.dialects.openai_batches_usage import KNOWN, read_result, read_usage
from gateway.errors import BadCall
from gateway.metering.jobs import Phase, Told
from gateway.metering.usage import Usage

DIALECT = OpenAIBatches()
FACTS = {
    "purpose": "batch",
    "problem": "",
    "urls": ["/v1/chat/completions"],
    "models": {
        "gpt-4.1-mini": {
            "calls": 2,
            "input_tokens": 300,
            "longest_input_tokens": 200,
            "opaque_inputs": 1,
            "output_tokens": 40,
            "uncapped_answers": 1,
            "media": False,
            "pieces": {"web_search": 2},
        }
    },
}
USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 30},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}


def request(known=FACTS, **more):
    body = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions"} | more
    remembered = {} if known is None else {"file-1": known}
    return Request(body=orjson.dumps(body), path="/v1/batches", known=remembered)


def test_a_batch_is_sized_by_what_is_remembered_of_its_file():
    asked = request()
    call = DIALECT.read_call(asked)

    assert ("file-1",) == tuple(DIALECT.named(asked))
    assert ("gpt-4.1-mini", True) == (call.model, call.deferred)
    assert (2, 40, 1) == (call.many.calls, call.many.output_tokens, call.many.uncapped_answers)
    assert 300 + 1_000 == DIALECT.prompt_bound_tokens(call, context_tokens=1_000)
    assert ((("web_search", 2),), "batch") == (call.terms.pieces, call.terms.service_tier)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (request(None), "it is not known what the file holds"),
        (request({"purpose": "assistants"}), "it is not known what the file holds"),
        (request(FACTS | {"problem": "line 3: no"}), "the file cannot be metered: line 3: no"),
        (request(FACTS | {"models": {}}), "one model; they name 0"),
        (request(FACTS | {"models": {"a": {}, "b": {}}}), "one model; they name 2"),
        (request(endpoint="/v1/embeddings"), "must be the endpoint that is given here"),
        (request(input_file_id=7), "input_file_id must be a string; an integer came"),
    ],
)
def test_what_cannot_be_sized_is_refused(asked, why):
    with pytest.raises(BadCall, match=why) as refused:
        DIALECT.read_call(asked)

    assert "input_file_id" == refused.value.details["param"]


def test_an_alias_is_refused_because_the_file_is_sent_as_it_is():
    asked = request()

    with pytest.raises(BadCall, match="Name the model itself"):
        DIALECT.prepare(DIALECT.read_call(asked), asked, upstream_model="another")
    assert (
        asked.body
        == DIALECT.prepare(DIALECT.read_call(asked), asked, upstream_model="gpt-4.1-mini").body
    )


def test_every_status_the_sdk_knows_has_a_phase():
    statuses = Batch.model_fields["status"].annotation.__args__

    assert set(statuses) == set(PHASES)


def status(name, **more):
    return DIALECT.read({"id": "batch_1", "object": "batch", "status": name} | more)


def test_a_batch_that_runs_tells_nothing_yet():
    read = status("finalizing", usage=USAGE, output_file_id="file-2")

    assert (Phase.OPEN, ()) == (read.phase, read.told)


@pytest.mark.parametrize(
    ("name", "phase"),
    [("completed", Phase.DONE), ("cancelled", Phase.CANCELLED), ("expired", Phase.FAILED)],
)
def test_a_batch_that_is_over_tells_what_it_used(name, phase):
    read = status(
        name, usage=USAGE, output_file_id="file-2", request_counts={"completed": 3, "total": 4}
    )

    usage = Usage(
        input_uncached=70,
        input_cache_read=30,
        output_text=15,
        output_reasoning=5,
        service_tier="batch",
    )
    assert (phase, (Told(usage=usage, calls=3),), ("file-2",)) == (
        read.phase,
        read.told,
        read.results,
    )


def test_a_batch_that_served_nothing_used_nothing():
    read = status("completed", request_counts={"completed": 0, "failed": 5, "total": 5})

    assert (Told(usage=Usage(service_tier="batch"), calls=0),) == read.told


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": -1, "output_tokens": 1}, "much"])
def test_a_batch_that_tells_nothing_believable_is_charged_by_its_results(usage):
    read = status("completed", usage=usage, output_file_id="f", request_counts={"completed": 2})

    assert ((), ("f",)) == (read.told, read.results)


@pytest.mark.parametrize(
    "document",
    [
        {"object": "list"},
        {"id": "batch_1", "object": "batch"},
        {"id": 7, "object": "batch", "status": "completed"},
        {"id": "batch_1", "object": "batch", "status": "unheard-of"},
        {"id": "r", "object": "response", "status": "completed"},
    ],
)
def test_anything_else_is_no_batch(document):
    assert DIALECT.read(document) is None


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/v1beta/openai"])
def test_a_batch_is_asked_for_where_it_was_made(prefix):
    asked = DIALECT.path(f"{prefix}/batches", status("validating"))

    assert f"{prefix}/batches/batch_1" == asked
    assert f"{prefix}/files/file-2/content" == DIALECT.results.path(asked, "file-2")


def result(body, *, status_code=200):
    return orjson.dumps(
        {"custom_id": "1", "response": {"status_code": status_code, "body": body}, "error": None}
    )


CHAT = {"prompt_tokens": 9, "completion_tokens": 4}


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        (
            result({"object": "chat.completion", "usage": CHAT}),
            Usage(input_uncached=9, output_text=4, service_tier="batch"),
        ),
        (
            result({"object": "response", "usage": USAGE}),
            Usage(
                input_uncached=70,
                input_cache_read=30,
                output_text=15,
                output_reasoning=5,
                service_tier="batch",
            ),
        ),
        (
            result({"object": "list", "usage": {"prompt_tokens": 6, "total_tokens": 6}}),
            Usage(input_uncached=6, service_tier="batch"),
        ),
        (result({"id": "modr-1", "results": []}), Usage(service_tier="batch")),
        (result({"object": "chat.completion"}), None),
    ],
)
def test_a_result_tells_its_usage_as_its_own_api_does(line, usage):
    assert usage == read_result(line).usage


@pytest.mark.parametrize(
    "line",
    [result({"error": {}}, status_code=400), b'{"custom_id":"1","response":null,"error":{}}'],
)
def test_a_request_that_was_not_served_used_nothing(line):
    assert Told(usage=Usage(), calls=0) == read_result(line)


@pytest.mark.parametrize("line", [b"{", b"7", b"{}", b"<html>"])
def test_what_is_no_result_tells_nothing(line):
    assert read_result(line) is None


def test_numbers_that_no_table_names_are_kept():
    read = read_usage(USAGE | {"cost": 3, "input_tokens_details": {"new_tokens": 2}})

    assert {"cost": 3, "input_tokens_details.new_tokens": 2} == read.unmapped


def test_every_count_field_of_the_sdk_is_in_the_table():
    assert set(BatchUsage.model_fields) == set(KNOWN)
    assert set(InputTokensDetails.model_fields) == set(KNOWN["input_tokens_details"])
    assert set(OutputTokensDetails.model_fields) == set(KNOWN["output_tokens_details"])


def test_it_stands_in_the_table_of_jobs():
    assert isinstance(JOBS["openai_batches"], OpenAIBatches)
