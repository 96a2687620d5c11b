"""Whatever arrives: nothing raises but BadCall, nothing is negative, nothing depends on cuts."""

import contextlib
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.base import Request
from gateway.dialects.openai_completions import OpenAICompletions
from gateway.errors import BadCall
from gateway.metering.usage import Usage

DIALECT = OpenAICompletions()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
PROMPT = st.text() | st.lists(st.text() | st.lists(st.integers(0, 9)), max_size=3) | JSON
CALL = st.fixed_dictionaries(
    {"model": st.just("m") | JSON},
    optional={
        "prompt": PROMPT,
        "suffix": JSON,
        "n": st.integers(1, 3) | JSON,
        "best_of": st.integers(1, 3) | JSON,
        "max_tokens": st.integers(0, 9) | JSON,
        "echo": st.booleans() | JSON,
        "stream": st.booleans() | JSON,
        "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}) | JSON,
    },
)
CHOICE = (
    st.fixed_dictionaries(
        {"text": st.text(max_size=8) | JSON, "index": st.integers(0, 2) | JSON},
        optional={"finish_reason": st.sampled_from(["stop", None])},
    )
    | JSON
)
USAGE = st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 99) | JSON, "completion_tokens": st.integers(0, 99) | JSON}
)
CHUNK = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, max_size=3) | JSON}, optional={"usage": USAGE | JSON}
)


def story(call, pieces: list[bytes], digests: list[bool]) -> tuple[object, ...]:
    reader = DIALECT.answer_reader(call, content_type="text/event-stream")
    texts: dict[str, str] = {}
    for number, piece in enumerate(pieces):
        reader.feed(piece)
        if digests[number % len(digests)]:
            for told in reader.digest():
                texts[told.stream] = texts.get(told.stream, "") + told.text
            reader.ending(usage=Usage(), include_usage=True)
    reported = reader.close()
    for told in reader.digest():
        texts[told.stream] = texts.get(told.stream, "") + told.text
    assert reported is None or min(reported.usage.in_order()) >= 0
    assert min(reader.extra.in_order()) >= 0
    return reported, texts, reader.extra


@given(
    CALL,
    st.lists(CHUNK, max_size=5),
    st.lists(st.integers(0, 10_000), max_size=5),
    st.lists(st.booleans(), min_size=1),
)
def test_calls_are_read_or_refused_and_no_stream_depends_on_its_cuts(
    document, chunks, marks, digests
):
    with contextlib.suppress(BadCall):
        request = Request(body=orjson.dumps(document))
        call = DIALECT.read_call(request)
        assert DIALECT.prompt_parts(call).fixed_tokens >= 0
        assert DIALECT.prompt_bound_tokens(call, context_tokens=100) <= 100 * call.prompts
        prepared = DIALECT.prepare(call, request, upstream_model="other")
        assert "other" == orjson.loads(prepared.body)["model"]
        stream = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
        places = [0, *sorted(mark % (len(stream) + 1) for mark in marks), len(stream)]
        pieces = [stream[a:b] for a, b in pairwise(places)]
        assert story(call, [stream], [False]) == story(call, pieces, digests)


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_but_bad_call(data):
    with contextlib.suppress(BadCall):
        DIALECT.read_call(Request(body=data))
    call = DIALECT.read_call(Request(body=b'{"model":"m","prompt":"x"}'))
    reader = DIALECT.answer_reader(call, content_type="application/json")
    reader.feed(data)
    reader.close()
    reader.digest()

    assert 0 == reader.pending_bytes
