"""What a message batch may cost by model, and what its object and results say."""

import orjson
import pytest
from anthropic.types.messages import MessageBatch

from gateway.dialects.anthropic_message_batches import (
    PHASES,
    AnthropicMessageBatches,
    MessageBatchResults,
)
from gateway.dialects.base import Request
from gateway.dialects.batch_lines import MODELS_MAX
from gateway.errors import BadCall
from gateway.metering.jobs import JobStatus, Phase, Told
from gateway.metering.usage import Usage

DIALECT, RESULTS = AnthropicMessageBatches(), MessageBatchResults()


def params(model="claude-a", max_tokens=10, **more):
    said = [{"role": "user", "content": "hello"}]
    return {"model": model, "max_tokens": max_tokens, "messages": said} | more


def request(*each):
    asked = [{"custom_id": str(number), "params": one} for number, one in enumerate(each)]
    return Request(body=orjson.dumps({"requests": asked}), path="/v1/messages/batches")


def test_requests_are_added_up_by_model_in_the_order_they_come():
    first, second = params(), params("claude-b", 20)
    call = DIALECT.read_call(request(first, second, first))

    assert ("claude-a", True, ["claude-b"]) == (
        call.model,
        call.deferred,
        [other.model for other in call.others],
    )
    assert (2, 2 * len(orjson.dumps(first)), 20) == (
        call.many.calls,
        call.many.input_tokens,
        call.many.output_tokens,
    )
    [other] = call.others
    assert (1, 20, "batch") == (
        other.many.calls,
        other.many.output_tokens,
        other.many.service_tier,
    )
    assert () == other.others


def test_a_model_is_held_in_the_dearest_tier_that_any_request_for_it_has():
    call = DIALECT.read_call(request(params(), params(inference_geo="us")))

    assert "batch+us" == call.many.service_tier == call.terms.service_tier


def test_what_is_only_named_may_fill_the_context():
    content = [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]
    call = DIALECT.read_call(request(params(messages=[{"role": "user", "content": content}])))

    assert call.many.input_tokens + 1_000 == DIALECT.prompt_bound_tokens(call, context_tokens=1_000)


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request(*(params(f"claude-{number}") for number in range(MODELS_MAX + 1))),
        Request(body=b'{"requests": 7}'),
        request(params(max_tokens="many")),
    ],
)
def test_what_cannot_be_sized_is_refused(asked):
    with pytest.raises(BadCall):
        DIALECT.read_call(asked)


def test_an_alias_is_refused_because_the_batch_is_sent_as_it_is():
    asked = request(params())
    call = DIALECT.read_call(asked)

    assert asked.body == DIALECT.prepare(call, asked, upstream_model="claude-a").body
    with pytest.raises(BadCall, match="Name the model itself"):
        DIALECT.prepare(call, asked, upstream_model="another")


def test_every_status_the_sdk_knows_has_a_phase():
    statuses = MessageBatch.model_fields["processing_status"].annotation.__args__

    assert set(statuses) == set(PHASES)


def test_a_batch_and_its_results_are_asked_for_where_it_was_made():
    status = JobStatus(job_id="msgbatch_1", phase=Phase.OPEN)
    asked = DIALECT.path("/v1/messages/batches", status)

    assert "/v1/messages/batches/msgbatch_1" == asked
    assert f"{asked}/results" == RESULTS.path(asked, "results")
    segments = {"message_batch_id": "msgbatch_1"}
    assert "msgbatch_1" == RESULTS.job_of(f"{asked}/results", segments)
    assert "" == RESULTS.job_of(asked, segments)


def result(**said):
    return orjson.dumps({"custom_id": "1", "result": said})


def test_a_result_tells_its_usage_and_the_model_that_served_it():
    message = {"model": "claude-a-20260101", "usage": {"input_tokens": 9, "output_tokens": 4}}
    usage = Usage(input_uncached=9, output_text=4, service_tier="batch")

    assert Told(usage=usage, model="claude-a-20260101") == RESULTS.read(
        result(type="succeeded", message=message)
    )


@pytest.mark.parametrize("kind", ["errored", "canceled", "expired"])
def test_a_request_that_was_not_served_used_nothing(kind):
    assert Told(usage=Usage(), calls=0) == RESULTS.read(result(type=kind))


def test_a_request_that_was_served_and_tells_nothing_is_no_free_one():
    assert Told(usage=None) == RESULTS.read(result(type="succeeded", message={}))


@pytest.mark.parametrize("line", [b"", b"{", b"7", b"{}", b"<html>"])
def test_what_is_no_result_tells_nothing(line):
    assert RESULTS.read(line) is None
