import orjson
import pytest

from gateway.dialects.anthropic_vertex import AnthropicVertex
from gateway.dialects.base import Request
from gateway.dialects.endpoints import match
from gateway.errors import BadCall

DIALECT = AnthropicVertex()
MODELS = "/v1/projects/p/locations/us-east5/publishers/anthropic/models"
BODY = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "Hi"}],
}


def request_of(last="claude-opus-4-5@20251101:rawPredict", **fields):
    return Request(body=orjson.dumps(BODY | fields), path=f"{MODELS}/{last}")


@pytest.mark.parametrize(
    ("last", "fields", "stream"),
    [
        ("claude-opus-4-5@20251101:rawPredict", {}, False),
        ("claude-opus-4-5@20251101:rawPredict", {"stream": True}, True),
        ("claude-opus-4-5@20251101:streamRawPredict", {"stream": True}, True),
        ("claude-opus-4-5@20251101:streamRawPredict", {}, True),
    ],
)
def test_the_model_stands_in_the_path(last, fields, stream):
    request = request_of(last, **fields)
    found = match("POST", request.path)
    call = DIALECT.read_call(request)

    assert DIALECT.name == found.endpoint.dialect
    assert ("claude-opus-4-5@20251101", stream, 10) == (
        call.model,
        call.stream,
        call.max_output_tokens,
    )


def test_an_alias_is_replaced_in_the_path():
    request = request_of("fast:streamRawPredict")
    prepared = DIALECT.prepare(
        DIALECT.read_call(request), request, upstream_model="claude-haiku-4-5@20251001"
    )

    assert request.body == prepared.body
    assert f"{MODELS}/claude-haiku-4-5@20251001:streamRawPredict" == prepared.path
    plain = DIALECT.prepare(DIALECT.read_call(request), request, upstream_model="fast")
    assert plain.path is None


def test_the_body_is_read_as_anthropics():
    with pytest.raises(BadCall, match="messages must be an array"):
        DIALECT.read_call(request_of(messages="Hi"))
