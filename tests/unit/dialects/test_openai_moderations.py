import base64

import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_moderations import OpenAIModerations
from gateway.errors import BadCall

DIALECT = OpenAIModerations()
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (512).to_bytes(4, "big") * 2 + bytes(2_000)
PICTURE = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64," + base64.b64encode(PNG).decode()},
}


def read(value: object, **fields: object):
    return DIALECT.read_call(Request(body=orjson.dumps({"input": value} | fields)))


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("a text", ["a text"]),
        (["one", "two"], ["one", "two"]),
        ([{"type": "text", "text": "one"}, PICTURE], ["one"]),
    ],
)
def test_texts_are_counted_as_they_are(value, texts):
    call = read(value)

    assert texts == DIALECT.prompt_parts(call).texts
    assert 0 == call.max_output_tokens


def test_a_picture_is_counted_by_its_tiles_not_by_its_bytes():
    call = read([{"type": "text", "text": "one"}, PICTURE])

    # The base tokens and one tile of gpt-4o, on which omni-moderation is built.
    assert 85 + 170 == DIALECT.prompt_parts(call).fixed_tokens
    assert call.text_bytes < 200
    assert DIALECT.prompt_bound_tokens(call, context_tokens=32_768) < 85 + 170 + 200


def test_without_a_model_it_is_the_vendors_own_and_an_alias_of_it_is_added():
    body = b' {"input":"a"}'
    call = DIALECT.read_call(Request(body=body))

    assert "omni-moderation-latest" == call.model
    unchanged = DIALECT.prepare(call, Request(body=body), upstream_model=call.model)
    assert body == unchanged.body
    named = DIALECT.prepare(call, Request(body=body), upstream_model="guard")
    assert b' {"model":"guard","input":"a"}' == named.body
    null = b'{"model":null,"input":"a"}'
    spliced = DIALECT.prepare(
        DIALECT.read_call(Request(body=null)), Request(body=null), upstream_model="guard"
    )
    assert b'{"model":"guard","input":"a"}' == spliced.body


@pytest.mark.parametrize("value", [None, 5, {"type": "text"}])
def test_other_inputs_are_refused(value):
    with pytest.raises(BadCall, match="input must be a string or an array"):
        read(value)
