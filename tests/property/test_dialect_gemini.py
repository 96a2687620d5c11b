"""Whatever arrives: nothing raises but BadCall, nothing is negative, nothing depends on cuts."""

import contextlib
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reading import told

from gateway.dialects import DIALECTS, JOBS
from gateway.dialects.base import Request
from gateway.dialects.gemini_generate import GeminiGenerate
from gateway.dialects.gemini_usage import read_usage
from gateway.errors import BadCall
from gateway.metering.call import Call
from gateway.metering.usage import Usage

DIALECT = GeminiGenerate()

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


def some(**fields):
    return st.fixed_dictionaries({}, optional=fields)


TOKENS = st.integers(0, 5_000) | JSON
DETAILS = (
    st.lists(
        some(
            modality=st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO", "DOCUMENT"]) | JSON,
            tokenCount=st.integers(0, 2_000) | JSON,
        )
        | JSON,
        max_size=4,
    )
    | JSON
)
USAGE = some(
    promptTokenCount=TOKENS,
    promptTokensDetails=DETAILS,
    cachedContentTokenCount=TOKENS,
    cacheTokensDetails=DETAILS,
    candidatesTokenCount=TOKENS,
    candidatesTokensDetails=DETAILS,
    toolUsePromptTokenCount=TOKENS,
    thoughtsTokenCount=TOKENS,
    totalTokenCount=TOKENS,
    serviceTier=st.sampled_from(["flex", "priority"]) | JSON,
)
DATA = st.text(max_size=12) | JSON
BLOB = some(
    mimeType=st.sampled_from(["image/png", "audio/wav", "video/mp4", "text/csv"]), data=DATA
)
PART = (
    some(
        text=st.text(max_size=8) | JSON,
        thought=st.booleans() | JSON,
        functionCall=some(name=st.text(max_size=4) | JSON, args=JSON, partialArgs=JSON) | JSON,
        functionResponse=some(parts=JSON, response=JSON) | JSON,
        executableCode=some(code=JSON) | JSON,
        codeExecutionResult=some(output=JSON) | JSON,
        inlineData=BLOB | JSON,
        inline_data=BLOB | JSON,
        fileData=JSON,
        videoMetadata=some(fps=st.floats(0, 30) | JSON) | JSON,
        mediaResolution=JSON,
    )
    | JSON
)
CONTENT = some(role=JSON, parts=st.lists(PART, max_size=3) | PART) | JSON
GROUNDING = some(
    webSearchQueries=st.lists(st.text(max_size=3), max_size=3) | JSON,
    retrievalQueries=JSON,
    groundingChunks=st.lists(st.dictionaries(st.sampled_from(["web", "maps"]), JSON)) | JSON,
)
CANDIDATE = (
    some(
        index=st.integers(0, 2) | JSON,
        content=CONTENT,
        finishReason=st.sampled_from(["STOP", "MAX_TOKENS", None]) | JSON,
        groundingMetadata=GROUNDING | JSON,
    )
    | JSON
)
RESPONSE = (
    some(
        candidates=st.lists(CANDIDATE, max_size=3) | JSON,
        usageMetadata=USAGE | JSON,
        promptFeedback=some(blockReason=JSON) | JSON,
        responseId=JSON,
    )
    | JSON
)


@st.composite
def events(draw) -> bytes:
    """Responses, comments, blank lines and rubbish, in one kind of line end."""
    event = RESPONSE.map(lambda response: b"data: " + orjson.dumps(response)) | st.sampled_from(
        [b": comment", b"", b"data", b'data: {"candidates":[']
    )
    text = b"".join(each + b"\n\n" for each in draw(st.lists(event, max_size=5)))
    cut = draw(st.integers(0, 3))
    return text[: len(text) - cut].replace(b"\n", draw(st.sampled_from([b"\n", b"\r\n"])))


@st.composite
def arrays(draw) -> bytes:
    """Responses in an array, between them what may stand there and what may not."""
    between = st.sampled_from([b",", b"\n,\r\n", b" ", b"]", b"{", b'"'])
    text = draw(st.sampled_from([b"[", b"", b"[[", b" [\n"]))
    for response in draw(st.lists(RESPONSE, max_size=4)):
        text += orjson.dumps(response, option=draw(st.sampled_from([0, orjson.OPT_INDENT_2])))
        text += draw(between)
    return text + draw(st.binary(max_size=6))


def pieces_of(data: bytes, marks: list[int]) -> list[bytes]:
    places = [0, *sorted(mark % (len(data) + 1) for mark in marks), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def reader_of(content_type: str):
    return DIALECT.answer_reader(Call(model="m", stream=True, choices=2), content_type=content_type)


def assert_same_story(content_type: str, data: bytes, marks: list[int], digests: list[bool]):
    pieces = pieces_of(data, marks)
    digest_at = frozenset(n for n in range(len(pieces)) if digests[n % len(digests)])
    whole = told(reader_of(content_type), [data])

    assert whole == told(reader_of(content_type), pieces, digest_at=digest_at)
    assert min((whole["usage"] or {}).values(), default=0) >= 0
    assert min(whole["extra"].values(), default=0) >= 0


MARKS = st.lists(st.integers(0, 10_000), max_size=5)
DIGESTS = st.lists(st.booleans(), min_size=1)


@given(events(), MARKS, DIGESTS)
def test_no_events_raise_and_none_depend_on_their_cuts(data, marks, digests):
    assert_same_story("text/event-stream", data, marks, digests)


@given(arrays(), MARKS, DIGESTS)
def test_no_array_raises_and_none_depends_on_its_cuts(data, marks, digests):
    assert_same_story("application/json", data, marks, digests)


@given(st.binary(max_size=200), MARKS)
def test_no_bytes_raise_in_any_reader(data, marks):
    for content_type in ("text/event-stream", "application/json", ""):
        assert_same_story(content_type, data, marks, [True])
    plain = DIALECT.answer_reader(Call(model="m"), content_type="application/json")
    told(plain, pieces_of(data, marks))

    assert 0 == plain.pending_bytes


@given(
    st.lists(some(candidates=st.lists(CANDIDATE, max_size=3) | JSON), max_size=4),
    st.sampled_from([b",", b"\n,\r\n", b" , "]),
    st.integers(0, 10_000),
)
def test_wherever_an_array_is_cut_its_ending_closes_it(responses, separator, mark):
    """As the relay does it: what has begun is finished, the next element is refused."""
    data = b"[" + separator.join(map(orjson.dumps, responses)) + b"\n]"
    reader = reader_of("application/json")
    cut = mark % (len(data) + 1)
    reader.feed(data[:cut])
    reader.digest()
    begun = reader.pending_bytes > 0
    end = reader.boundary(data, cut)
    if end >= 0:
        reader.feed(data[cut:end])
        reader.digest()
        if not begun:
            reader.withdraw()
    written = data[: end if begun else cut]
    ending = reader.ending(usage=Usage(input_uncached=1), include_usage=True)

    read = orjson.loads(written + ending)
    kept = len(read) - 1
    assert responses[:kept] == read[:kept]


@given(USAGE | JSON)
def test_no_usage_is_negative_or_loses_a_token(usage):
    read = read_usage(usage)

    if read is not None:
        used = read.usage
        assert min(used.nonzero().values(), default=0) >= 0
        tools = usage.get("toolUsePromptTokenCount") or 0
        assert usage["promptTokenCount"] + tools == used.input_tokens
        assert used.output_tokens >= (usage.get("candidatesTokenCount") or 0)


CALL = some(
    contents=st.lists(CONTENT, max_size=3) | CONTENT,
    systemInstruction=CONTENT,
    system_instruction=CONTENT,
    generationConfig=some(
        maxOutputTokens=st.integers(0, 9) | JSON,
        candidateCount=st.integers(0, 3) | JSON,
        responseModalities=JSON,
        mediaResolution=JSON,
        responseSchema=JSON,
    )
    | JSON,
    tools=st.lists(st.dictionaries(st.sampled_from(["googleSearch", "googleMaps"]), JSON)) | JSON,
    cachedContent=JSON,
    serviceTier=JSON,
)


@given(CALL | JSON, st.sampled_from([0, orjson.OPT_INDENT_2]))
def test_a_call_is_read_or_refused(document, style):
    request = Request(
        body=orjson.dumps(document, option=style), path="/v1beta/models/m:streamGenerateContent"
    )
    with contextlib.suppress(BadCall):
        call = DIALECT.read_call(request)
        parts = DIALECT.prompt_parts(call)
        assert parts.fixed_tokens > 0
        assert min(parts.audio_tokens, parts.image_tokens, call.text_bytes) >= 0
        assert 0 <= DIALECT.prompt_bound_tokens(call, context_tokens=1000) <= 1000
        prepared = DIALECT.prepare(call, request, upstream_model="other")
        assert request.body == prepared.body
        assert "/v1beta/models/other:streamGenerateContent" == prepared.path


@given(st.binary(max_size=100))
def test_no_body_raises_anything_but_bad_call(body):
    with contextlib.suppress(BadCall):
        DIALECT.read_call(Request(body=body, path="/v1beta/models/m:generateContent"))


# By format: the path, and the fields that it reads.
SINGLE = {
    "gemini_embed": (
        "/v1beta/models/m:batchEmbedContents",
        ("content", "requests", "model", "text", "texts"),
    ),
    "gemini_cache": (
        "/v1beta/cachedContents",
        ("model", "contents", "system_instruction", "tools", "ttl", "expireTime"),
    ),
    "gemini_predict": ("/v1beta/models/m:predict", ("instances", "parameters")),
    "gemini_videos": ("/v1beta/models/m:predictLongRunning", ("instances", "parameters")),
    "gemini_batches": ("/v1beta/models/m:batchGenerateContent", ("batch",)),
}
INNER = some(
    model=st.sampled_from(["models/m", "other"]) | JSON,
    content=some(parts=st.lists(PART, max_size=2) | JSON) | JSON,
    prompt=JSON,
    sampleCount=st.integers(-1, 70) | JSON,
    durationSeconds=st.integers(-1, 70) | JSON,
    resolution=st.sampled_from(["720p", "4K"]) | JSON,
    inputConfig=some(
        fileName=JSON,
        requests=some(requests=st.lists(some(request=CALL | JSON), max_size=3) | JSON) | JSON,
    )
    | JSON,
)


@pytest.mark.parametrize("name", SINGLE)
@given(data=st.data())
def test_other_calls_are_read_or_refused_and_sized_and_passed_on(name, data):
    dialect, (path, fields) = DIALECTS[name], SINGLE[name]
    value = JSON | INNER | st.lists(INNER, max_size=3) | st.sampled_from(["models/m", "60s"])
    body = orjson.dumps(data.draw(st.dictionaries(st.sampled_from(fields), value)))
    asked = Request(body=body, path=path, now_ms=1_790_000_000_000)
    with contextlib.suppress(BadCall):
        call = dialect.read_call(asked)
        assert dialect.prompt_bound_tokens(call, context_tokens=1_000) >= 0
        assert dialect.prompt_parts(call).fixed_tokens >= 0
        assert all(count >= 0 for _, count in call.terms.pieces)
        assert body == dialect.prepare(call, asked, upstream_model=call.model).body
        orjson.loads(dialect.prepare(call, asked, upstream_model="other").body)


@pytest.mark.parametrize("name", sorted(JOBS.keys() & SINGLE.keys()))
@given(
    some(
        name=st.sampled_from(["batches/1", "models/m/operations/1"]) | JSON,
        done=st.booleans() | JSON,
        error=some(code=st.integers(0, 16) | JSON) | JSON,
        metadata=some(state=st.sampled_from(["BATCH_STATE_SUCCEEDED"]) | JSON, output=JSON) | JSON,
        response=some(
            inlinedResponses=some(
                inlinedResponses=st.lists(
                    some(response=some(usageMetadata=USAGE, tokenCount=TOKENS) | JSON), max_size=3
                )
                | JSON
            )
            | JSON,
            generateVideoResponse=JSON,
            videos=JSON,
            raiMediaFilteredCount=TOKENS,
        )
        | JSON,
    )
    | st.dictionaries(st.text(max_size=8), JSON)
)
def test_no_operation_raises_or_tells_of_less_than_nothing(name, document):
    status = JOBS[name].read(document)

    for told_by in status.told if status is not None else ():
        assert told_by.usage is None or told_by.usage.total_tokens >= 0
        assert told_by.delivered is None or 0 <= told_by.delivered[0] <= told_by.delivered[1]
