"""Endpoints that answer once: nothing raises but BadCall, nothing is negative, whatever arrives."""

import contextlib
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reading import told

from gateway.dialects import DIALECTS
from gateway.dialects.base import Request
from gateway.errors import BadCall
from gateway.metering.call import Call
from gateway.simulator.media import wav

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
WORD = st.text(min_size=1, max_size=9)
NUMBER = st.integers(0, 5_000) | JSON
# By dialect: the fields that it reads of a request and of a usage.
REQUESTS = {
    "openai_embeddings": ("model", "input"),
    "openai_images": (
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "stream",
        "partial_images",
        "images",
        "mask",
        "output_format",
    ),
    "openai_moderations": ("model", "input"),
    "openai_speech": ("model", "input", "instructions", "response_format", "speed"),
    "rerank": ("model", "query", "documents", "texts"),
}
USAGES = {
    "openai_embeddings": ("prompt_tokens", "total_tokens", "prompt_tokens_details"),
    "openai_images": (
        "input_tokens",
        "output_tokens",
        "input_tokens_details",
        "output_tokens_details",
    ),
    "openai_moderations": ("prompt_tokens", "total_tokens"),
    "openai_speech": ("input_tokens", "output_tokens"),
    "rerank": ("total_tokens", "prompt_tokens"),
}
NAMES = sorted(REQUESTS)


def some(names: tuple[str, ...], values: st.SearchStrategy) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(names), values)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_request_is_read_or_refused_and_sized_and_passed_on(name, data):
    dialect = DIALECTS[name]
    fields = data.draw(some(REQUESTS[name], JSON | WORD | st.integers(0, 3)))
    body = orjson.dumps(fields)
    with contextlib.suppress(BadCall):
        call = dialect.read_call(Request(body=body))
        parts = dialect.prompt_parts(call)
        bound = dialect.prompt_bound_tokens(call, context_tokens=1_000)
        assert parts.fixed_tokens >= 0
        assert 0 <= bound <= 1_000 * call.prompts
        assert body == dialect.prepare(call, Request(body=body), upstream_model=call.model).body
        renamed = dialect.prepare(call, Request(body=body), upstream_model="other")
        assert fields | {"model": "other"} == orjson.loads(renamed.body)


@pytest.mark.parametrize("name", NAMES)
@given(body=st.binary(max_size=100))
def test_no_body_raises_anything_but_bad_call(name, body):
    with contextlib.suppress(BadCall):
        DIALECTS[name].read_call(Request(body=body))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_no_answer_raises_and_none_depends_on_its_cuts(name, data):
    usage = data.draw(some(USAGES[name], NUMBER) | JSON)
    answer = data.draw(
        st.binary(max_size=100) | st.just(orjson.dumps({"data": [], "usage": usage}))
    )
    marks = data.draw(st.lists(st.integers(0, len(answer)), max_size=4))
    places = [0, *sorted(marks), len(answer)]

    def reader():
        return DIALECTS[name].answer_reader(Call(model="m"), content_type="application/json")

    whole = told(reader(), [answer])
    assert whole == told(reader(), [answer[a:b] for a, b in pairwise(places)])
    assert min((whole["usage"] or {}).values(), default=0) >= 0


FORM = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % part
    for part in (
        (b"model", b"", b"alias"),
        (b"prompt", b"", b"a road"),
        (b"stream", b"", b"true"),
        (b"n", b"", b"2"),
        (b"file", b'; filename="a.wav"', wav(0.01)),
    )
)


@pytest.mark.parametrize("name", ["openai_images", "openai_transcription"])
@given(at=st.integers(0, len(FORM)), cut=st.integers(0, 9), junk=st.binary(max_size=9))
def test_a_damaged_form_is_read_or_refused_and_keeps_its_damage(name, at, cut, junk):
    body = (FORM[:at] + junk + FORM[at + cut :]) + b"--b--\r\n"
    request = Request(
        body=body, path="/v1/images/edits", content_type="multipart/form-data; boundary=b"
    )
    dialect = DIALECTS[name]
    with contextlib.suppress(BadCall):
        call = dialect.read_call(request)
        assert 0 <= dialect.prompt_bound_tokens(call, context_tokens=1_000) <= 1_000 * call.prompts
        assert body == dialect.prepare(call, request, upstream_model=call.model).body
        renamed = dialect.prepare(call, request, upstream_model="other").body
        assert len(body) - len(call.model.encode()) + len("other") == len(renamed)
