import base64

import orjson
import pytest

from gateway.dialects.anthropic_call import SEARCHES_ASSUMED, read_call
from gateway.errors import BadCall
from gateway.metering.call import ImageInput, Terms

MESSAGES = [{"role": "user", "content": "Hi"}]
PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n" + bytes(8) + (640).to_bytes(4) + (480).to_bytes(4) + bytes(3000)
).decode()


def body_of(**fields) -> bytes:
    return orjson.dumps({"model": "claude-opus-5", "messages": MESSAGES} | fields)


def content(*blocks) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def image(**source):
    return {"type": "image", "source": source}


def test_a_plain_call():
    body = body_of(max_tokens=100, stream=True)
    call = read_call(body)

    assert ("claude-opus-5", True, 1, 1, 100, True) == (
        call.model,
        call.stream,
        call.choices,
        call.turns,
        call.max_output_tokens,
        call.wants_usage,
    )
    assert len(body) == call.text_bytes
    assert ((), 0, Terms()) == (call.images, call.opaque_inputs, call.terms)


def test_a_missing_max_tokens_is_the_providers_to_judge():
    assert read_call(body_of()).max_output_tokens is None


def test_warming_a_cache_has_no_output():
    assert 0 == read_call(body_of(max_tokens=0)).max_output_tokens


@pytest.mark.parametrize(
    ("fields", "param", "came"),
    [
        ({"model": 5}, "model", "an integer came"),
        ({"messages": None}, "messages", "nothing came"),
        ({"messages": "Hi"}, "messages", "a string came"),
        ({"stream": 1}, "stream", "an integer came"),
        ({"max_tokens": "5"}, "max_tokens", "a string came"),
        ({"max_tokens": -5}, "max_tokens", "must not be negative"),
        ({"fallbacks": [{"model": "claude-sonnet-5"}]}, "fallbacks", "cannot be charged"),
        ({"tools": [{"type": "advisor_20260301", "model": "x"}]}, "tools", "cannot be charged"),
    ],
)
def test_a_wrong_field_is_named_with_what_came(fields, param, came):
    with pytest.raises(BadCall, match=came) as refused:
        read_call(body_of(**fields))

    assert param == refused.value.details["param"]


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        (b'"model":"b"', "model"),
        (rb'"mod\u0065l":"b"', "model"),
        (b'"max_tokens":1,"max_tokens":2', "max_tokens"),
        (b'"system":"","system":"long"', "system"),
        (b'"speed":"standard","speed":"fast"', "speed"),
        (b'"tools":[],"tools":[]', "tools"),
    ],
)
def test_a_key_that_matters_is_given_once(extra, param):
    with pytest.raises(BadCall, match="more than once") as refused:
        read_call(b'{"model":"a","messages":[],%b}' % extra)

    assert param == refused.value.details["param"]


def test_images_are_measured_and_their_bytes_are_no_text():
    body = body_of(
        **content(
            {"type": "text", "text": "What is this?"},
            image(type="base64", media_type="image/png", data=PNG),
            image(type="url", url="https://example.com/a.png"),
            image(type="file", file_id="file_1"),
            {"type": "image", "source": None},
        )
    )
    call = read_call(body)

    unknown = ImageInput(width=None, height=None, detail="auto")
    known = ImageInput(width=640, height=480, detail="auto")
    assert (known, unknown, unknown, unknown) == call.images
    assert len(body) - len(PNG) == call.text_bytes
    assert 0 == call.opaque_inputs


@pytest.mark.parametrize(
    "outer",
    [
        lambda block: {"type": "tool_result", "tool_use_id": "t", "content": [block]},
        lambda block: {"type": "document", "source": {"type": "content", "content": [block]}},
        lambda block: {
            "type": "web_fetch_tool_result",
            "content": {"type": "web_fetch_result", "content": block},
        },
    ],
)
def test_what_is_inside_other_blocks_is_found(outer):
    call = read_call(body_of(**content(outer(image(type="base64", data=PNG)))))

    assert (ImageInput(width=640, height=480, detail="auto"),) == call.images


@pytest.mark.parametrize(
    ("fields", "opaque"),
    [
        (content({"type": "document", "source": {"type": "base64", "data": "JVBE"}}), 1),
        (content({"type": "document", "source": {"type": "url", "url": "https://e/a.pdf"}}), 1),
        (content({"type": "document", "source": {"type": "file", "file_id": "f"}}), 1),
        (content({"type": "document", "source": {"type": "text", "data": "Hello"}}), 0),
        (content({"type": "document", "source": {"type": "content", "content": "Hello"}}), 0),
        (content({"type": "unheard_of", "source": {"type": "file", "file_id": "f"}}), 1),
        (content({"type": "unheard_of", "file_id": "f"}), 1),
        (content({"type": "container_upload", "file_id": "f"}), 0),
        (content({"type": "search_result", "source": "https://e", "content": []}), 0),
        (content({"type": "redacted_thinking", "data": "AAAA"}), 0),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, 1),
        ({"mcp_servers": [{"type": "url", "name": "m", "url": "https://e"}]}, 1),
    ],
)
def test_what_cannot_be_seen_here_is_opaque(fields, opaque):
    assert opaque == read_call(body_of(**fields)).opaque_inputs


@pytest.mark.parametrize(
    ("tools", "searches"),
    [
        ([{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}], 3),
        ([{"type": "web_search_20260318", "name": "web_search"}], SEARCHES_ASSUMED),
        ([{"type": "web_search_20260318", "max_uses": -1}], SEARCHES_ASSUMED),
        ([{"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 3}], 0),
        ([{"name": "web_search_mine", "input_schema": {}}], 0),
        ([None, 5, {"type": 7}], 0),
    ],
)
def test_searches_are_bounded_by_what_the_tool_allows(tools, searches):
    terms = read_call(body_of(tools=tools)).terms

    assert ((("web_search", searches),) if searches else ()) == terms.pieces


@pytest.mark.parametrize(
    ("fields", "rounds"),
    [
        ({"tools": [{"type": "web_search_20250305"}]}, 10),
        ({"tools": [{"type": "code_execution_20250825"}]}, 10),
        ({"mcp_servers": [{"type": "url", "url": "https://e"}]}, 10),
        ({"tools": [{"name": "mine"}, {"type": "bash_20250124"}]}, 1),
    ],
)
def test_tools_that_run_over_there_read_the_prompt_again(fields, rounds):
    assert rounds == read_call(body_of(**fields)).turns


def test_what_costs_more_is_in_the_terms():
    assert "fast+us" == read_call(body_of(speed="fast", inference_geo="us")).terms.service_tier


@pytest.mark.parametrize(
    "messages", [[], [None], ["x", 1], [{}], [{"content": [None, "x", 5]}], [{"content": {}}]]
)
def test_odd_messages_are_left_to_the_provider(messages):
    assert "claude-opus-5" == read_call(body_of(messages=messages)).model


def test_deep_content_costs_no_deep_calls():
    block: object = {"type": "text", "text": "x"}
    for _ in range(80):
        block = {"type": "tool_result", "content": [block]}

    assert 0 == read_call(body_of(**content(block))).opaque_inputs
