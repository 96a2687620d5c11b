import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic_complete import AnthropicComplete, Completion
from gateway.dialects.base import Request
from gateway.errors import BadCall
from gateway.metering.usage import Usage

DIALECT = AnthropicComplete()
PROMPT = "\n\nHuman: Hi\n\nAssistant:"


def call_of(**fields):
    body = orjson.dumps({"model": "claude-2.1", "prompt": PROMPT} | fields)
    return DIALECT.read_call(Request(body=body))


def event(text, reason=None, **more) -> bytes:
    told = {"type": "completion", "completion": text, "stop_reason": reason} | more
    return b"event: completion\ndata: %b\n\n" % orjson.dumps(told)


def reader_of(*events: bytes):
    reader = DIALECT.answer_reader(call_of(stream=True), content_type="text/event-stream")
    for each in events:
        reader.feed(each)
    reader.digest()
    return reader


def test_a_prompt_is_one_text_with_its_own_turns_in_it():
    call = call_of(max_tokens_to_sample=5, stream=True)

    assert ("claude-2.1", True, 5) == (call.model, call.stream, call.max_output_tokens)
    assert (PROMPT,) == DIALECT.prompt_parts(call).texts
    assert call.text_bytes == DIALECT.prompt_bound_tokens(call, context_tokens=100_000)
    assert 10 == DIALECT.prompt_bound_tokens(call, context_tokens=10)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"model": 5}, "model"),
        ({"max_tokens_to_sample": -1}, "max_tokens_to_sample"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named(fields, param):
    with pytest.raises(BadCall) as refused:
        call_of(**fields)

    assert param == refused.value.details["param"]


def test_an_alias_is_replaced_in_the_body():
    body = b'{ "model":"old" ,"prompt":"x"}'
    request = Request(body=body)
    prepared = DIALECT.prepare(DIALECT.read_call(request), request, upstream_model="claude-2.1")

    assert b'{ "model":"claude-2.1" ,"prompt":"x"}' == prepared.body


def test_a_stream_is_ended_for_its_length():
    reader = reader_of(event(" Hello", id="compl_1"))
    ending = reader.ending(usage=Usage(), include_usage=True)

    assert (
        event("", "max_tokens", id="compl_1", model="claude-2.1").split(b"data: ")[0]
        == ending.split(b"data: ")[0]
    )
    assert {
        "type": "completion",
        "id": "compl_1",
        "completion": "",
        "stop_reason": "max_tokens",
        "model": "claude-2.1",
    } == orjson.loads(ending.partition(b"data: ")[2])


@pytest.mark.parametrize(
    "last",
    [event("", "stop_sequence"), b"data: [DONE]\n\n", b'data: {"type":"error","error":{}}\n\n'],
)
def test_nothing_follows_the_streams_own_end(last):
    reader = reader_of(event(" Hello"), last)

    assert b"" == reader.ending(usage=Usage(), include_usage=True)


def test_streams_that_say_all_of_it_again_are_refused():
    body = orjson.dumps({"model": "claude-2.1", "prompt": PROMPT, "stream": True})
    with pytest.raises(BadCall, match="send 2023-06-01"):
        DIALECT.read_call(Request(body=body, headers={"anthropic-version": "2023-01-01"}))
    headers = {"anthropic-version": "2023-06-01"}

    assert DIALECT.read_call(Request(body=body, headers=headers)).stream


@given(st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()))
def test_what_is_malformed_says_nothing(told):
    story = Completion()
    for document in (told, {"completion": told} if not isinstance(told, str) else {}, [told]):
        story.add(document)

    assert [] == story.take_pieces()
