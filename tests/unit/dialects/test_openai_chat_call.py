import base64
import time

import orjson
import pytest

from gateway.dialects import openai_chat_call
from gateway.dialects.base import Request
from gateway.errors import BadCall
from gateway.metering.call import Call, ImageInput

MESSAGES = [{"role": "user", "content": "Hi"}]


def read_call(body: bytes) -> Call:
    return openai_chat_call.read_call(Request(body=body))


def body_of(**fields) -> bytes:
    return orjson.dumps({"model": "gpt-4o", "messages": MESSAGES} | fields)


def test_a_plain_call_is_all_defaults():
    body = body_of()
    call = read_call(body)

    assert ("gpt-4o", False, 1, None, False) == (
        call.model,
        call.stream,
        call.choices,
        call.max_output_tokens,
        call.wants_usage,
    )
    assert len(body) == call.text_bytes
    assert ((), 0, 0, False) == (
        call.images,
        call.audio_tokens,
        call.opaque_inputs,
        call.terms.media,
    )
    assert MESSAGES == call.document["messages"]


@pytest.mark.parametrize(
    ("fields", "wants"),
    [
        ({"stream": True}, False),
        ({"stream": True, "stream_options": None}, False),
        ({"stream": True, "stream_options": {}}, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, False),
        ({"stream": True, "stream_options": {"include_usage": None}}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
        ({"stream": False, "stream_options": {"include_usage": True}}, False),
        ({"stream": None}, False),
    ],
)
def test_usage_is_wanted_only_when_asked_for_in_a_stream(fields, wants):
    call = read_call(body_of(**fields))

    assert wants == call.wants_usage
    assert (fields["stream"] is True) == call.stream


@pytest.mark.parametrize(
    ("fields", "cap"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 9, "max_completion_tokens": 7}, 9),
        ({"max_tokens": None, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": None}, None),
    ],
)
def test_the_output_cap_is_the_larger_of_the_two(fields, cap):
    assert cap == read_call(body_of(**fields)).max_output_tokens


@pytest.mark.parametrize("n", [1, 128, None])
def test_choices_may_be_asked_for(n):
    assert (n or 1) == read_call(body_of(n=n)).choices


@pytest.mark.parametrize(
    ("fields", "param", "came"),
    [
        ({"model": None}, "model", "nothing came"),
        ({"model": 5}, "model", "an integer came"),
        ({"model": ["gpt-4o"]}, "model", "an array came"),
        ({"model": ""}, "model", "1 to 256 printable"),
        ({"model": "x" * 257}, "model", "1 to 256 printable"),
        ({"model": "gpt\n4o"}, "model", "1 to 256 printable"),
        ({"model": "gpt\u0000"}, "model", "1 to 256 printable"),
        ({"model": "gpt\u202e4o"}, "model", "1 to 256 printable"),
        ({"messages": None}, "messages", "nothing came"),
        ({"messages": {}}, "messages", "an object came"),
        ({"messages": "Hi"}, "messages", "a string came"),
        ({"stream": "true"}, "stream", "a string came"),
        ({"stream": 1}, "stream", "an integer came"),
        ({"stream_options": True}, "stream_options", "a boolean came"),
        ({"stream_options": []}, "stream_options", "an array came"),
        ({"stream_options": {"include_usage": 1}}, "include_usage", "an integer came"),
        ({"n": 0}, "n", "from 1 to 128"),
        ({"n": 129}, "n", "from 1 to 128"),
        ({"n": -1}, "n", "from 1 to 128"),
        ({"n": True}, "n", "a boolean came"),
        ({"n": 1.0}, "n", "a non-integer number came"),
        ({"n": "2"}, "n", "a string came"),
        ({"max_tokens": -1}, "max_tokens", "must not be negative"),
        ({"max_tokens": True}, "max_tokens", "a boolean came"),
        ({"max_tokens": 5.5}, "max_tokens", "a non-integer number came"),
        ({"max_completion_tokens": "5"}, "max_completion_tokens", "a string came"),
        ({"max_completion_tokens": -5}, "max_completion_tokens", "must not be negative"),
    ],
)
def test_a_wrong_field_is_named_with_what_came(fields, param, came):
    with pytest.raises(BadCall, match=came) as refused:
        read_call(body_of(**fields))

    assert param == refused.value.details["param"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"model"',
        b'{"model":"gpt-4o","messages":[NaN]}',
        b'{"model":"gpt-4o","messages":[]} x',
        b"\xef\xbb\xbf" + body_of(),
        body_of().decode().encode("utf-16"),
        body_of().decode().encode("utf-16-le"),
        b'{"model":"gpt-4o","messages":["\xff"]}',
        rb'{"model":"gpt-4o","messages":["\ud800"]}',
        b"model=gpt-4o",
    ],
)
def test_a_body_that_is_no_json_object_in_utf_8_is_refused(body):
    with pytest.raises(BadCall, match="The body"):
        read_call(body)


@pytest.mark.parametrize(("depth", "accepted"), [(240, True), (300, False), (1000, False)])
def test_nesting_is_bounded_where_the_body_can_still_be_written_again(depth, accepted):
    body = b'{"model":"m","messages":%b%b}' % (b"[" * depth, b"]" * depth)
    if accepted:
        assert "m" == read_call(body).model
    else:
        with pytest.raises(BadCall, match="nested too deep"):
            read_call(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused_at_once(opening):
    body = b'{"model":"m","messages":' + opening * 100_000
    begin = time.perf_counter()
    with pytest.raises(BadCall, match="not valid"):
        read_call(body)

    assert time.perf_counter() - begin < 1


def test_nothing_of_the_prompt_is_in_a_refusal():
    secret = "XyzzySecret"
    for body in (
        b'{"model":"m","messages":["%b"' % secret.encode(),
        body_of(messages=secret),
        body_of(model=secret + "\n"),
        body_of(n=secret),
        body_of(stream_options=secret),
        b'{"model":"%b","model":"%b","messages":[]}' % (secret.encode(), secret.encode()),
    ):
        with pytest.raises(BadCall) as refused:
            read_call(body)
        assert secret not in f"{refused.value!s} {refused.value.details}"
        assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"a","messages":[],"model":"b"}', "model"),
        (rb'{"model":"a","messages":[],"mod\u0065l":"b"}', "model"),
        (rb'{"m\u006fdel":"a","messages":[],"mod\u0065l":"b"}', "model"),
        (b'{"model":"a","messages":[],"messages":[]}', "messages"),
        (b'{"model":"a","messages":[],"stream":true,"stream":false}', "stream"),
        (b'{"model":"a","messages":[],"n":1, "n" :2}', "n"),
        (b'{"model":"a","messages":[],"max_tokens":1,"max_tokens":9}', "max_tokens"),
        (
            rb'{"model":"a","messages":[],"max_completion_tokens":1,"max\u005fcompletion_tokens":9}',
            "max_completion_tokens",
        ),
        (
            b'{"model":"a","messages":[],"stream_options":{},"stream_options":null}',
            "stream_options",
        ),
        (
            b'{"model":"a","messages":[],"stream_options":{"include_usage":1,"include_usage":0}}',
            "include_usage",
        ),
    ],
)
def test_duplicate_keys_that_matter_are_refused(body, param):
    with pytest.raises(BadCall, match="more than once") as refused:
        read_call(body)

    assert param == refused.value.details["param"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","messages":[{"model":"x","n":1,"stream":1}],"tools":[{"n":1,"model":2}]}',
        b'{"model":"model","messages":["messages"],"user":"model","n":1,"stop":"n"}',
        b'{"model":"a","messages":[],"user":"1","user":"2"}',
        rb'{"model":"a","messages":[{"content":"\"model\":\"b\", \u006d"}]}',
        b'{\n  "model": "a",\n  "messages": [ { "content": "\\u00e9\\u2028 model" } ]\n}',
        b'{"stream_options": {"include_usage": true},"model":"a","messages":[],"stream":true}',
    ],
)
def test_other_repetitions_are_fine(body):
    assert read_call(body).model in ("a", "model")


def message(*parts) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def image(url, **more):
    return {"type": "image_url", "image_url": {"url": url, **more}}


def test_images_are_measured_and_their_bytes_are_no_text():
    header = b"\x89PNG\r\n\x1a\n" + bytes(8) + (640).to_bytes(4) + (480).to_bytes(4) + bytes(3000)
    data = base64.b64encode(header).decode()
    body = body_of(
        **message(
            {"type": "text", "text": "What is this?"},
            image(f"data:image/png;base64,{data}", detail="low"),
            image("https://example.com/a.png"),
            image("data:image/png;base64,AAAA", detail=7),
            {"type": "image_url", "image_url": "https://example.com/b.png"},
        )
    )
    call = read_call(body)

    assert (
        ImageInput(width=640, height=480, detail="low"),
        ImageInput(width=None, height=None, detail="auto"),
        ImageInput(width=None, height=None, detail="auto"),
        ImageInput(width=None, height=None, detail="auto"),
    ) == call.images
    assert len(body) - len(data) - len("AAAA") == call.text_bytes
    assert 0 == call.opaque_inputs


def test_heard_audio_is_bounded_by_its_bytes():
    """Ten seconds at the lowest bit rate there is, 8 kbit/s, are 100 tokens."""
    data = base64.b64encode(bytes(10_000)).decode()
    body = body_of(
        **message({"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}})
    )
    call = read_call(body)

    assert call.terms.media
    assert 100 <= call.audio_tokens <= 102
    assert len(body) - len(data) == call.text_bytes


@pytest.mark.parametrize(
    "fields",
    [
        message({"type": "file", "file": {"file_id": "file-1"}}),
        message({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}),
        message({"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}),
        message({"type": "input_audio", "input_audio": {"id": "x"}}),
        message({"type": "input_audio", "input_audio": None}),
        message({"kind": "?"}),
        {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
    ],
)
def test_what_cannot_be_seen_here_is_opaque(fields):
    assert 1 == read_call(body_of(**fields)).opaque_inputs


def test_spelling_a_parts_type_with_escapes_hides_nothing():
    body = rb'{"model":"m","messages":[{"content":[{"type":"f\u0069le","file":{}}]}]}'

    assert 1 == read_call(body).opaque_inputs


@pytest.mark.parametrize(
    ("fields", "audio"),
    [
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, True),
        ({"modalities": ["text"]}, False),
        ({"modalities": "audio"}, False),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, True),
        ({"messages": [{"role": "assistant", "audio": None}]}, False),
    ],
)
def test_audio_is_noticed(fields, audio):
    assert audio == read_call(body_of(**fields)).terms.media


@pytest.mark.parametrize(
    "messages", [[], [None], ["x", 1], [{}], [{"content": [None, "x", 5]}], [{"content": {}}]]
)
def test_odd_messages_are_left_to_the_provider(messages):
    assert "gpt-4o" == read_call(body_of(messages=messages)).model
