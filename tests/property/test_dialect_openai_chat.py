"""Whatever arrives: nothing raises but BadCall, nothing is negative, nothing depends on cuts."""

import contextlib
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Request
from gateway.dialects.json_scan import members
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_usage import read_usage
from gateway.errors import BadCall
from gateway.metering.call import Call
from gateway.metering.usage import Usage

DIALECT = OpenAIChat()

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
DETAILS = (
    st.dictionaries(
        st.sampled_from(
            ["cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens", "other"]
        ),
        TOKENS,
    )
    | JSON
)
USAGE = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": TOKENS,
        "completion_tokens": TOKENS,
        "total_tokens": TOKENS,
        "prompt_tokens_details": DETAILS,
        "completion_tokens_details": DETAILS,
        "prompt_cache_hit_tokens": TOKENS,
    },
)
PART = st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "file"])}) | JSON
DELTA = st.dictionaries(
    st.sampled_from(
        [
            "role",
            "content",
            "refusal",
            "reasoning",
            "reasoning_content",
            "audio",
            "tool_calls",
            "function_call",
        ]
    ),
    st.text(max_size=8)
    | JSON
    | st.lists(PART, max_size=3)
    | st.lists(st.fixed_dictionaries({"index": st.integers(0, 2), "function": JSON}), max_size=2),
)
CHOICE = st.fixed_dictionaries(
    {"index": st.integers(0, 2) | JSON, "delta": DELTA | JSON},
    optional={"finish_reason": st.sampled_from(["stop", "length", None])},
)
CHUNK = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, max_size=3) | JSON}, optional={"usage": USAGE | JSON, "id": JSON}
)
LINE_END = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw) -> bytes:
    """Chunks, comments, blank lines and rubbish, in one kind of line end."""
    events = st.one_of(
        CHUNK.map(lambda chunk: b"data: " + orjson.dumps(chunk)),
        USAGE.map(lambda usage: b"data: " + orjson.dumps({"choices": [], "usage": usage})),
        st.sampled_from(
            [
                b": comment",
                b"",
                b"data: [DONE]",
                b"data",
                b"event: x\ndata:{}",
                b'data: {"choices":[',
            ]
        ),
        st.binary(max_size=12),
    )
    text = b"".join(event + b"\n\n" for event in draw(st.lists(events, max_size=6)))
    cut = draw(st.integers(0, 3))
    return text[: len(text) - cut].replace(b"\n", draw(LINE_END))


def pieces_of(data: bytes, marks: list[int]) -> list[bytes]:
    places = [0, *sorted(mark % (len(data) + 1) for mark in marks), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def story(pieces: list[bytes], digests: list[bool], *, choices: int) -> tuple[object, ...]:
    reader = DIALECT.answer_reader(
        Call(model="m", stream=True, choices=choices), content_type="text/event-stream"
    )
    texts: dict[str, str] = {}
    for number, piece in enumerate(pieces):
        reader.feed(piece)
        assert reader.pending_bytes >= 0
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
    whole = story([stream], [False], choices=2)

    assert whole == story(pieces_of(stream, marks), digests, choices=2)


@given(streams(), st.lists(st.integers(0, 10_000), max_size=5))
def test_the_filter_gives_the_same_bytes_for_any_cuts(stream, marks):
    def filtered(pieces: list[bytes]) -> bytes:
        usage_filter = DIALECT.usage_filter()
        return b"".join(map(usage_filter.feed, pieces)) + usage_filter.close()

    assert filtered([stream]) == filtered(pieces_of(stream, marks))


@given(st.binary(max_size=200))
def test_no_json_answer_raises(data):
    reader = DIALECT.answer_reader(Call(model="m"), content_type="application/json")
    reader.feed(data)
    reader.close()
    reader.digest()

    assert 0 == reader.pending_bytes


@given(USAGE | JSON)
def test_no_usage_is_negative_or_loses_a_token(usage):
    reported = read_usage(usage)

    if reported is not None:
        read = reported.usage
        assert min(read.in_order()) >= 0
        assert usage["prompt_tokens"] == read.input_tokens
        assert read.output_tokens >= usage["completion_tokens"]


CALL = st.fixed_dictionaries(
    {},
    optional={
        "model": st.text(min_size=1, max_size=8) | JSON,
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": st.lists(PART) | JSON})
            | JSON
        )
        | JSON,
        "stream": st.booleans() | JSON,
        "stream_options": st.dictionaries(
            st.sampled_from(["include_usage", "x"]), st.none() | st.booleans() | JSON
        )
        | JSON,
        "n": st.integers(1, 3) | JSON,
        "max_tokens": st.integers(0, 9) | JSON,
        "tools": JSON,
        "response_format": JSON,
    },
)


@given(CALL, st.sampled_from([0, orjson.OPT_INDENT_2]))
def test_a_call_is_read_or_refused_and_only_spliced_where_needed(document, style):
    body = orjson.dumps(document, option=style)
    with contextlib.suppress(BadCall):
        request = Request(body=body)
        call = DIALECT.read_call(request)
        parts = DIALECT.prompt_parts(call)
        assert parts.fixed_tokens > 0
        assert 0 <= DIALECT.prompt_bound_tokens(call, context_tokens=1000) <= 1000
        prepared = DIALECT.prepare(call, request, upstream_model="other")
        expected = dict(document) | {"model": "other"}
        if call.stream:
            expected["stream_options"] = (document.get("stream_options") or {}) | {
                "include_usage": True
            }
        assert expected == orjson.loads(prepared.body)
        assert prepared.hide_usage == (call.stream and not call.wants_usage)


@given(st.binary(max_size=100))
def test_no_body_raises_anything_but_bad_call(body):
    with contextlib.suppress(BadCall):
        DIALECT.read_call(Request(body=body))


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5), st.booleans())
def test_members_are_those_a_parser_finds(document, indent):
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 if indent else None)

    assert document == {one.key: orjson.loads(text[one.start : one.end]) for one in members(text)}
