import orjson
import pytest

from gateway.dialects.anthropic_batches import Result, calls_of, read_result
from gateway.errors import BadCall
from gateway.metering.usage import Usage

PARAMS = {
    "model": "claude-opus-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi"}],
}
USAGE = {"input_tokens": 10, "output_tokens": 5, "service_tier": "batch"}


def batch(*params, **more) -> bytes:
    requests = [{"custom_id": f"r{n}", "params": each} for n, each in enumerate(params)]
    return orjson.dumps({"requests": requests} | more)


def result(kind="succeeded", **fields) -> bytes:
    return orjson.dumps({"custom_id": "r0", "result": {"type": kind, **fields}})


def test_each_request_is_a_call_of_its_own():
    searching = {"tools": [{"type": "web_search_20250305", "max_uses": 2}], "inference_geo": "us"}
    body = batch(PARAMS, PARAMS | {"model": "claude-haiku-4-5", "stream": True} | searching)
    first, second = calls_of(body)

    assert ("claude-opus-5", 100, False, "batch", ()) == (
        first.model,
        first.max_output_tokens,
        first.stream,
        first.terms.service_tier,
        first.terms.pieces,
    )
    assert len(orjson.dumps(PARAMS)) == first.text_bytes
    assert ("claude-haiku-4-5", False, "batch+us", (("web_search", 2),)) == (
        second.model,
        second.stream,
        second.terms.service_tier,
        second.terms.pieces,
    )


def test_a_batch_is_read_however_it_is_written():
    pretty = orjson.dumps(
        {"requests": [{"params": PARAMS, "custom_id": "]"}] * 3}, option=orjson.OPT_INDENT_2
    )

    assert ["claude-opus-5"] * 3 == [call.model for call in calls_of(pretty)]
    assert [] == list(calls_of(b'{"requests": [ ]}'))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "requests"),
        (b'{"requests":{}}', "requests"),
        (b'{"requests":[],"requests":[]}', "requests"),
        (b'{"requests":[5]}', "requests.0"),
        (b'{"requests":[{}]}', "requests.0.params"),
        (b'{"requests":[{"params":[]}]}', "requests.0.params"),
        (b'{"requests":[{"params":{},"params":{"model":"m"}}]}', "requests.0.params"),
        (batch(PARAMS, PARAMS | {"model": 5}), "requests.1.params.model"),
        (
            batch(PARAMS).replace(b'"max_tokens":100', b'"model":"a","model":"b"'),
            "requests.0.params.model",
        ),
    ],
)
def test_a_problem_is_named_with_its_place(body, param):
    with pytest.raises(BadCall) as refused:
        list(calls_of(body))

    assert param == refused.value.details["param"]


def test_only_what_succeeded_is_billed():
    message = {"model": "claude-opus-5", "usage": USAGE}
    told = read_result(result(message=message))

    assert told.served
    assert "claude-opus-5" == told.model
    assert Usage(input_uncached=10, output_text=5, service_tier="batch") == told.reported.usage
    for kind in ("errored", "canceled", "expired", "new"):
        assert Result(served=False) == read_result(result(kind))


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"service_tier": "standard"}, "batch"),
        ({"service_tier": None}, "batch"),
        ({"inference_geo": "us"}, "batch+us"),
        ({"service_tier": "batch", "inference_geo": "us"}, "batch+us"),
    ],
)
def test_all_of_it_is_served_in_the_batch_tier(usage, tier):
    told = read_result(result(message={"usage": {"input_tokens": 1, "output_tokens": 1} | usage}))

    assert tier == told.reported.usage.service_tier


def test_what_was_served_and_says_nothing_is_known_to_be_served():
    for message in (None, [], {}, {"usage": {"input_tokens": -1}}):
        told = read_result(result(message=message))
        assert told.served
        assert told.reported is None


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"{}", b'{"result":5}', b"\xff"])
def test_what_is_no_result_says_nothing(line):
    assert read_result(line) is None
