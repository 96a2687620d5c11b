import base64

import orjson
import pytest

from gateway.dialects.base import Request
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.openai_responses_call import TURNS_MAX, read_call
from gateway.errors import BadCall
from gateway.metering.call import TEXT_ONLY, ImageInput

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")
PICTURE = "data:image/png;base64," + base64.b64encode(PNG + b"\0" * 8).decode()


def call_of(**fields):
    return read_call(orjson.dumps({"model": "gpt-5", "input": "Hi"} | fields))


def test_the_smallest_call():
    call = call_of()

    assert ("gpt-5", False, None, 1, 1) == (
        call.model,
        call.stream,
        call.max_output_tokens,
        call.choices,
        call.turns,
    )
    assert TEXT_ONLY is call.terms
    assert call.wants_usage
    assert len(b'{"model":"gpt-5","input":"Hi"}') == call.text_bytes


def test_what_a_call_may_cost_is_read():
    call = call_of(
        stream=True, max_output_tokens=9, service_tier="fast", tools=[{"type": "web_search"}]
    )

    assert (True, 9, TURNS_MAX) == (call.stream, call.max_output_tokens, call.turns)
    assert "priority" == call.terms.service_tier
    assert (("web_search", 10),) == call.terms.pieces


def test_what_goes_on_in_the_background_is_never_cut():
    assert call_of(background=True, stream=True).whole
    assert not call_of(background=False, stream=True).whole


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": None}, "model must be a string; nothing came."),
        ({"input": 5}, "input must be a string or an array; an integer came."),
        ({"input": {}}, "input must be a string or an array; an object came."),
        ({"stream": "yes"}, "stream must be a boolean; a string came."),
        ({"background": 1}, "background must be a boolean; an integer came."),
        (
            {"max_output_tokens": 1.5},
            "max_output_tokens must be a non-negative integer; a non-integer number came.",
        ),
        ({"max_tool_calls": -1}, "max_tool_calls must not be negative."),
    ],
)
def test_malformed_calls_are_refused_by_name(fields, message):
    with pytest.raises(BadCall) as caught:
        call_of(**fields)

    assert message == caught.value.message


@pytest.mark.parametrize("key", ["model", "input", "stream", "tools", "max_output_tokens"])
def test_keys_that_matter_are_given_once(key):
    body = b'{"model":"a","input":"x","%b":null,"%b":null}' % (key.encode(), key.encode())

    with pytest.raises(BadCall) as caught:
        read_call(body)

    assert {"param": key} == caught.value.details


@pytest.mark.parametrize(
    "named",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_film", "url": "f"}]}]},
        {"input": [{"type": "function_call_output", "output": [{"type": "input_file"}]}]},
    ],
)
def test_what_is_only_named_cannot_be_seen(named):
    assert 1 == call_of(**named).opaque_inputs


def test_nothing_named_is_nothing_opaque():
    assert 0 == call_of(previous_response_id=None, conversation=None, prompt=None).opaque_inputs


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}]},
        {"type": "function_call_output", "output": [{"type": "input_image", "image_url": PICTURE}]},
        {
            "type": "computer_call_output",
            "output": {"type": "computer_screenshot", "image_url": PICTURE},
        },
        {"type": "image_generation_call", "result": PICTURE.partition(",")[2]},
    ],
)
def test_pictures_are_measured_and_are_no_text(item):
    call = call_of(input=[item])
    base64_bytes = len(PICTURE.partition(",")[2])

    assert (ImageInput(width=640, height=480, detail="auto"),) == call.images
    assert len(orjson.dumps(call.document)) - base64_bytes == call.text_bytes


def test_a_picture_known_by_its_id_alone_has_no_size():
    parts = [{"type": "input_image", "file_id": "file_1", "detail": "low"}]
    made = {"type": "image_generation_call", "id": "ig_1"}

    assert (
        ImageInput(width=None, height=None, detail="low"),
        ImageInput(width=None, height=None, detail="auto"),
    ) == call_of(input=[{"role": "user", "content": parts}, made]).images


def test_sound_is_dearer_than_text():
    audio = {"type": "input_audio", "input_audio": {"data": "A" * 4000, "format": "mp3"}}
    call = call_of(input=[{"role": "user", "content": [audio]}])

    assert call.terms.media
    assert 31 == call.audio_tokens


def test_only_the_alias_is_spliced():
    dialect = OpenAIResponses()
    body = b'{ "input": "Hi",  "model" : "fast", "stream":true}'
    request = Request(body=body)
    call = dialect.read_call(request)
    prepared = dialect.prepare(call, request, upstream_model="gpt-5")

    assert body.replace(b'"fast"', b'"gpt-5"') == prepared.body
    assert (False, None) == (prepared.hide_usage, prepared.path)
    assert body == dialect.prepare(call, request, upstream_model="fast").body
