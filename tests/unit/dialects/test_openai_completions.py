import openai
import orjson
import pytest
from openai.types import Completion

from gateway.dialects.base import Request
from gateway.dialects.openai_completions import OpenAICompletions
from gateway.metering.usage import Usage

DIALECT = OpenAICompletions()
CHUNK = (
    b'data: {"id":"c1","object":"text_completion","created":7,"model":"m1",'
    b'"choices":[{"text":"Hi","index":0,"logprobs":null,"finish_reason":null}]}\n\n'
)


def call_of(**fields):
    body = orjson.dumps({"model": "m", "prompt": "Say", "stream": True} | fields)
    return DIALECT.read_call(Request(body=body))


def stream_reader(**fields):
    return DIALECT.answer_reader(call_of(**fields), content_type="text/event-stream")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b'{"model":"a","prompt":"x","stream":true}',
            b'{"stream_options":{"include_usage":true},"model":"b","prompt":"x","stream":true}',
        ),
        (b'{"model":"a","prompt":"x"}', b'{"model":"b","prompt":"x"}'),
        (
            b'{"model":"a","stream":true,"stream_options":{"include_usage":true}}',
            b'{"model":"b","stream":true,"stream_options":{"include_usage":true}}',
        ),
    ],
)
def test_the_alias_and_the_usage_are_spliced_as_in_chat(body, expected):
    request = Request(body=body)
    ready = DIALECT.prepare(DIALECT.read_call(request), request, upstream_model="b")

    assert expected == ready.body
    assert ready.hide_usage == body.startswith(b'{"model":"a","prompt":"x","stream"')


def test_azures_deployment_is_the_model():
    request = Request(
        body=b'{"prompt":"x"}',
        path="/openai/deployments/mine/completions",
        segments={"model": "mine"},
    )
    call = DIALECT.read_call(request)
    ready = DIALECT.prepare(call, request, upstream_model="theirs")

    assert "mine" == call.model
    assert "/openai/deployments/theirs/completions" == ready.path


def test_a_stream_we_end_is_read_by_the_official_sdk():
    reader = stream_reader(n=2, best_of=3)
    reader.feed(CHUNK)
    reader.digest()
    ending = reader.ending(usage=Usage(input_uncached=1, output_text=1), include_usage=True)
    decoder = openai._streaming.SSEDecoder()
    seen = [
        Completion.model_validate(event.json() | {"choices": _without_none(event.json())})
        for event in decoder.iter_bytes(iter([ending]))
        if event.data != "[DONE]"
    ]

    assert [0, 1] == [chunk.choices[0].index for chunk in seen if chunk.choices]
    assert {"length"} == {choice.finish_reason for chunk in seen for choice in chunk.choices}
    assert ("c1", 7, "m1", "text_completion") == (
        seen[0].id,
        seen[0].created,
        seen[0].model,
        seen[0].object,
    )
    assert 2 == seen[-1].usage.total_tokens


def _without_none(chunk):
    return [{n: v for n, v in choice.items() if v is not None} for choice in chunk["choices"]]


@pytest.mark.parametrize(
    "odd",
    [
        b"data: []\n\n",
        b'data: {"choices":5}\n\n',
        b'data: {"choices":[5,{"text":5},{}]}\n\n',
    ],
)
def test_odd_chunks_tell_nothing(odd):
    reader = stream_reader(best_of=2)
    reader.feed(odd)

    assert [] == reader.digest()
    assert Usage() == reader.extra


def test_an_echoed_prompt_of_tokens_is_left_out_by_the_usual_length():
    reader = stream_reader(prompt=[[1, 2], [3]], n=2, echo=True)
    for index in range(4):
        choice = b'{"text":"12345678 toll","index":%d}' % index
        reader.feed(b'data: {"choices":[%b]}\n\n' % choice)

    assert {"0.text": " toll", "1.text": " toll", "2.text": "5678 toll", "3.text": "5678 toll"} == {
        piece.stream: piece.text for piece in reader.digest()
    }


def test_an_echo_of_a_prompt_nobody_asked_about_is_an_answer():
    reader = stream_reader(echo=True)
    reader.feed(b'data: {"choices":[{"text":"Say it","index":7}]}\n\n')

    assert ["Say it"] == [piece.text for piece in reader.digest()]
