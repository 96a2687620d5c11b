import orjson
import pytest

from gateway.dialects.base import PromptParts, Request
from gateway.dialects.openai_embeddings import OpenAIEmbeddings
from gateway.errors import BadCall

DIALECT = OpenAIEmbeddings()


def read(value: object, **fields: object):
    body = orjson.dumps({"model": "text-embedding-3-small", "input": value} | fields)
    return DIALECT.read_call(Request(body=body))


@pytest.mark.parametrize(
    ("value", "prompts", "texts", "fixed"),
    [
        ("toll roads", 1, ["toll roads"], 0),
        (["toll", "roads", ""], 3, ["toll", "roads", ""], 0),
        ([15, 20, 7], 1, [], 3),
        ([[15, 20], [7]], 2, [], 3),
        ([], 1, [], 0),
        ([{"text": "toll"}, {"text": "road"}], 2, ["toll", "road"], 0),
    ],
)
def test_each_input_is_read_by_itself(value, prompts, texts, fixed):
    call = read(value)

    assert (prompts, 0, 0) == (call.prompts, call.max_output_tokens, call.opaque_inputs)
    assert PromptParts(texts=texts, fixed_tokens=fixed) == DIALECT.prompt_parts(call)
    assert len(texts) + fixed <= DIALECT.prompt_bound_tokens(call, context_tokens=8_192)


def test_a_batch_may_be_longer_than_the_context_and_one_input_may_not():
    long = "x" * 10_000

    assert 8_192 == DIALECT.prompt_bound_tokens(read(long), context_tokens=8_192)
    assert 3 * 8_192 == DIALECT.prompt_bound_tokens(read([long] * 3), context_tokens=8_192)


def test_a_picture_may_fill_the_context():
    call = read([{"text": "a"}, {"image": "https://example.com/a.png"}])

    assert 1 == call.opaque_inputs
    assert 8_192 < DIALECT.prompt_bound_tokens(call, context_tokens=8_192) <= 2 * 8_192


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "input must be a string, an array of strings, or an array of tokens; nothing came"),
        (5, "input must be a string, an array of strings, or an array of tokens; an integer came"),
        (["a", None], r"input\[\] must be a string or an array of tokens; nothing came"),
        ([1, 2.5], r"input\[\] must be a string or an array of tokens; an integer came"),
    ],
)
def test_other_inputs_are_refused_by_type_never_by_value(value, message):
    with pytest.raises(BadCall, match=message):
        read(value)


def test_two_inputs_or_models_are_refused():
    with pytest.raises(BadCall, match="input was given more than once"):
        DIALECT.read_call(Request(body=b'{"model":"m","input":"a","input":"b"}'))
    with pytest.raises(BadCall, match="model was given more than once"):
        DIALECT.read_call(Request(body=b'{"model":"m","input":"a","mod\\u0065l":"b"}'))


def test_the_bytes_go_on_as_they_came_but_for_an_alias():
    body = b'{ "input" : ["a"] , "model" : "alias", "user":"u" }'
    call = DIALECT.read_call(Request(body=body))

    assert body == DIALECT.prepare(call, Request(body=body), upstream_model="alias").body
    assert (
        body.replace(b'"alias"', b'"m"')
        == DIALECT.prepare(call, Request(body=body), upstream_model="m").body
    )
