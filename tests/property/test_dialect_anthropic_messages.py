"""Whatever arrives: nothing raises but BadCall, nothing is negative, nothing depends on cuts."""

import contextlib
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.anthropic_usage import merged, read_usage
from gateway.dialects.base import Request
from gateway.errors import BadCall
from gateway.metering.call import Call
from gateway.metering.usage import Usage

DIALECT = AnthropicMessages()

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
TOKEN_FIELDS = {
    "input_tokens": TOKENS,
    "cache_read_input_tokens": TOKENS,
    "cache_creation_input_tokens": TOKENS,
    "cache_creation": st.dictionaries(
        st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]), TOKENS
    )
    | JSON,
    "output_tokens": TOKENS,
    "output_tokens_details": st.dictionaries(st.just("thinking_tokens"), TOKENS) | JSON,
}
ITERATION = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "compaction"])}, optional=TOKEN_FIELDS
)
USAGE = st.fixed_dictionaries(
    {},
    optional=TOKEN_FIELDS
    | {
        "server_tool_use": st.dictionaries(st.just("web_search_requests"), TOKENS) | JSON,
        "iterations": st.lists(ITERATION | JSON, max_size=2) | JSON,
        "service_tier": st.sampled_from(["standard", "batch"]) | JSON,
        "speed": st.sampled_from(["fast"]) | JSON,
        "new_tokens": TOKENS,
    },
)
BLOCK = (
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                [
                    "text",
                    "thinking",
                    "redacted_thinking",
                    "tool_use",
                    "tool_result",
                    "web_search_tool_result",
                    "image",
                    "document",
                ]
            )
        },
        optional={
            "text": JSON,
            "thinking": JSON,
            "signature": JSON,
            "data": JSON,
            "name": JSON,
            "input": JSON,
            "content": JSON,
            "source": st.fixed_dictionaries(
                {"type": st.sampled_from(["base64", "url", "text", "content"])},
                optional={"data": JSON, "content": JSON},
            )
            | JSON,
        },
    )
    | JSON
)
DELTA = (
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text_delta", "thinking_delta", "input_json_delta"])},
        optional={"text": JSON, "thinking": JSON, "partial_json": JSON, "signature": JSON},
    )
    | JSON
)
EVENT = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("message_start")},
        optional={"message": st.fixed_dictionaries({}, optional={"usage": USAGE}) | JSON},
    ),
    st.fixed_dictionaries(
        {"type": st.just("content_block_start"), "index": st.integers(0, 2) | JSON},
        optional={"content_block": BLOCK},
    ),
    st.fixed_dictionaries(
        {"type": st.just("content_block_delta"), "index": st.integers(0, 2) | JSON},
        optional={"delta": DELTA},
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["content_block_stop", "message_stop", "ping", "error"])},
        optional={"index": JSON},
    ),
    st.fixed_dictionaries(
        {"type": st.just("message_delta")}, optional={"usage": USAGE | JSON, "delta": JSON}
    ),
    JSON,
)
LINE_END = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw) -> bytes:
    """Events, comments and rubbish, in one kind of line end, perhaps cut at the end."""
    event = EVENT.map(lambda told: b"event: x\ndata: " + orjson.dumps(told)) | st.sampled_from(
        [b": comment", b"", b"data", b'data: {"type":"message_delta"', b"data: [DONE]"]
    )
    text = b"".join(each + b"\n\n" for each in draw(st.lists(event, max_size=7)))
    cut = draw(st.integers(0, 3))
    return text[: len(text) - cut].replace(b"\n", draw(LINE_END))


def story(pieces: list[bytes], digests: list[bool]) -> tuple[object, ...]:
    reader = DIALECT.answer_reader(Call(model="m", stream=True), content_type="text/event-stream")
    texts: dict[str, str] = {}
    for number, piece in enumerate(pieces):
        reader.feed(piece)
        assert reader.pending_bytes >= 0
        if digests[number % len(digests)]:
            for told in reader.digest():
                texts[told.stream] = texts.get(told.stream, "") + told.text
            reader.ending(usage=Usage(input_uncached=1), include_usage=True)
            assert reader.so_far is None or min(reader.so_far.in_order()) >= 0
    reported = reader.close()
    for told in reader.digest():
        texts[told.stream] = texts.get(told.stream, "") + told.text
    assert min(reader.extra.in_order()) >= 0
    return reported, texts, reader.extra


@given(streams(), st.lists(st.integers(0), max_size=4), st.lists(st.booleans(), min_size=1))
def test_a_stream_tells_the_same_story_however_it_is_cut_and_looked_at(data, marks, digests):
    places = [0, *sorted(mark % (len(data) + 1) for mark in marks), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]

    assert story([data], [False]) == story(pieces, digests)


@given(USAGE | JSON)
def test_classes_of_a_usage_are_disjoint_and_never_negative(reported):
    told = read_usage(reported)
    if told is not None:
        usage = told.usage
        assert min(usage.in_order()) >= 0
        own = {**reported, "iterations": None}
        read = [reported.get(name) or 0 for name in ("input_tokens", "cache_read_input_tokens")]
        written = read_usage(own).usage
        assert sum(read) == written.input_uncached + written.input_cache_read
        assert reported["output_tokens"] == written.output_tokens
        assert usage.total_tokens >= written.total_tokens


@given(USAGE, USAGE)
def test_bringing_a_usage_up_to_date_never_raises(start, delta):
    told = read_usage(merged(start, delta))

    assert told is None or min(told.usage.in_order()) >= 0


@given(
    st.binary(max_size=64)
    | st.fixed_dictionaries(
        {"model": st.just("m") | JSON},
        optional={
            "messages": st.lists(
                st.fixed_dictionaries({}, optional={"content": st.lists(BLOCK) | JSON}) | JSON
            )
            | JSON,
            "system": st.lists(BLOCK) | JSON,
            "tools": st.lists(
                st.fixed_dictionaries(
                    {"type": st.sampled_from(["web_search_20250305", "custom"]) | JSON},
                    optional={"max_uses": JSON},
                )
            )
            | JSON,
            "max_tokens": JSON,
            "stream": JSON,
            "speed": JSON,
            "thread": JSON,
            "mcp_servers": JSON,
        },
    ).map(orjson.dumps)
)
def test_a_request_is_read_or_refused(body):
    with contextlib.suppress(BadCall):
        call = DIALECT.read_call(Request(body=body))
        parts = DIALECT.prompt_parts(call)
        assert parts.fixed_tokens > 0
        assert 0 <= DIALECT.prompt_bound_tokens(call, context_tokens=200_000) <= 200_000


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_answer_that_reports_nothing(data, streamed):
    kind = "text/event-stream" if streamed else "application/json"
    reader = DIALECT.answer_reader(Call(model="m", stream=streamed), content_type=kind)
    reader.feed(data)

    assert reader.close() is None
    reader.digest()
