"""Whatever arrives: nothing raises but BadCall, nothing is negative, nothing depends on cuts."""

import contextlib
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Request
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.openai_responses_story import TEXTS
from gateway.dialects.openai_responses_usage import read_response
from gateway.errors import BadCall
from gateway.metering.call import Call
from gateway.metering.usage import Usage

DIALECT = OpenAIResponses()

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
TOKENS = st.integers(0, 5_000) | JSON
NAMES = ["cached_tokens", "cache_write_tokens", "reasoning_tokens", "other"]
DETAILS = st.dictionaries(st.sampled_from(NAMES), TOKENS) | JSON
USAGE = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": TOKENS,
        "output_tokens": TOKENS,
        "input_tokens_details": DETAILS,
        "output_tokens_details": DETAILS,
        "cost": JSON,
    },
)
KINDS = [
    "message",
    "reasoning",
    "function_call",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "shell_call",
    "moon_call",
]
PART = (
    st.fixed_dictionaries(
        {"type": st.sampled_from(["output_text", "refusal", "summary_text", "input_image"])},
        optional={"text": JSON, "refusal": JSON, "image_url": JSON},
    )
    | JSON
)
ITEM = (
    st.fixed_dictionaries(
        {"type": st.sampled_from(KINDS) | JSON},
        optional={
            "id": JSON,
            "status": JSON,
            "content": st.lists(PART, max_size=2) | JSON,
            "summary": st.lists(PART, max_size=2) | JSON,
            "action": JSON,
            "arguments": JSON,
            "container_id": JSON,
            "environment": JSON,
            "quality": JSON,
            "role": JSON,
        },
    )
    | JSON
)
RESPONSE = (
    st.fixed_dictionaries(
        {},
        optional={
            "id": JSON,
            "object": st.just("response") | JSON,
            "status": st.sampled_from(["completed", "queued"]) | JSON,
            "output": st.lists(ITEM, max_size=3) | JSON,
            "usage": USAGE | JSON,
            "tool_usage": st.dictionaries(st.sampled_from(["web_search", "image_gen"]), JSON)
            | JSON,
            "service_tier": JSON,
            "tools": JSON,
        },
    )
    | JSON
)
STEPS = ["added", "delta", "done", "completed"]
BASES = [*TEXTS, "output_item", "content_part", "reasoning_summary_part", "audio"]
LIFE = ["created", "in_progress", "completed", "incomplete", "failed"]
INDEX = st.integers(0, 2) | JSON
EVENT = st.fixed_dictionaries(
    {
        "type": st.builds("response.{}.{}".format, st.sampled_from(BASES), st.sampled_from(STEPS))
        | st.sampled_from([f"response.{life}" for life in LIFE])
        | JSON
    },
    optional={
        "sequence_number": INDEX,
        "output_index": INDEX,
        "content_index": INDEX,
        "delta": st.text(max_size=8) | JSON,
        "text": st.text(max_size=8) | JSON,
        "arguments": JSON,
        "item": ITEM,
        "part": PART,
        "response": RESPONSE,
    },
)
LINE_END = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw) -> bytes:
    """Events, comments, blank lines and rubbish, in one kind of line end."""
    events = st.one_of(
        EVENT.map(lambda event: b"event: x\ndata: " + orjson.dumps(event)),
        EVENT.map(lambda event: b"data: " + orjson.dumps(event)),
        st.sampled_from([b": comment", b"", b"data: [DONE]", b"data", b'data: {"type":"resp']),
        st.binary(max_size=12),
    )
    text = b"".join(event + b"\n\n" for event in draw(st.lists(events, max_size=6)))
    cut = draw(st.integers(0, 3))
    return text[: len(text) - cut].replace(b"\n", draw(LINE_END))


def pieces_of(data: bytes, marks: list[int]) -> list[bytes]:
    places = [0, *sorted(mark % (len(data) + 1) for mark in marks), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def story(pieces: list[bytes], digests: list[bool]) -> tuple[object, ...]:
    reader = DIALECT.answer_reader(Call(model="m", stream=True), content_type="text/event-stream")
    texts: dict[str, str] = {}
    for number, piece in enumerate(pieces):
        reader.feed(piece)
        if digests[number % len(digests)]:
            for told in reader.digest():
                texts[told.stream] = texts.get(told.stream, "") + told.text
            reader.ending(usage=Usage(input_uncached=1), include_usage=True)
    reported = reader.close()
    for told in reader.digest():
        texts[told.stream] = texts.get(told.stream, "") + told.text
    assert reported is None or min(reported.usage.in_order()) >= 0
    assert min(reader.extra.in_order()) >= 0
    return reported, texts, reader.extra


@given(streams(), st.lists(st.integers(0, 10_000), max_size=5), st.lists(st.booleans(), min_size=1))
def test_no_stream_raises_and_none_depends_on_its_cuts(stream, marks, digests):
    assert story([stream], [False]) == story(pieces_of(stream, marks), digests)


@given(st.binary(max_size=200) | RESPONSE.map(orjson.dumps))
def test_no_json_answer_raises(data):
    reader = DIALECT.answer_reader(Call(model="m"), content_type="application/json")
    reader.feed(data)
    reader.close()
    reader.digest()

    assert 0 == reader.pending_bytes
    assert min(reader.extra.in_order()) >= 0


@given(st.dictionaries(st.just("usage"), USAGE) | RESPONSE)
def test_no_usage_is_negative_or_loses_a_token(response):
    if not isinstance(response, dict):
        return
    reported = read_response(response, request={})
    if reported is not None:
        usage = reported.usage
        assert min(usage.in_order()) >= 0
        assert response["usage"]["input_tokens"] == usage.input_tokens
        assert response["usage"]["output_tokens"] == usage.output_tokens
        assert all(count > 0 for _, count in usage.pieces)


CALL = st.fixed_dictionaries(
    {},
    optional={
        "model": st.text(min_size=1, max_size=8) | JSON,
        "input": st.text() | st.lists(ITEM, max_size=3) | JSON,
        "instructions": JSON,
        "stream": st.booleans() | JSON,
        "max_output_tokens": st.integers(0, 9) | JSON,
        "max_tool_calls": st.integers(0, 9) | JSON,
        "tools": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["function", "web_search", "shell", "code_interpreter"])
                    | JSON
                },
                optional={"container": JSON, "environment": JSON, "parameters": JSON},
            )
            | JSON,
            max_size=3,
        )
        | JSON,
        "text": st.fixed_dictionaries({"format": JSON}) | JSON,
        "service_tier": JSON,
    },
)


@given(CALL, st.sampled_from([0, orjson.OPT_INDENT_2]))
def test_a_call_is_read_or_refused_and_only_its_model_is_spliced(document, style):
    body = orjson.dumps(document, option=style)
    with contextlib.suppress(BadCall):
        request = Request(body=body)
        call = DIALECT.read_call(request)
        assert DIALECT.prompt_parts(call).fixed_tokens > 0
        assert 0 <= DIALECT.prompt_bound_tokens(call, context_tokens=1000) <= 1000
        prepared = DIALECT.prepare(call, request, upstream_model="other")
        assert dict(document) | {"model": "other"} == orjson.loads(prepared.body)


@given(st.binary(max_size=100))
def test_no_body_raises_anything_but_bad_call(body):
    with contextlib.suppress(BadCall):
        DIALECT.read_call(Request(body=body))
