"""Whatever arrives from Bedrock: nothing raises, nothing is negative, nothing depends on cuts."""

from base64 import b64encode
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st
from support.frames import exception

from gateway.dialects.aws_event_stream import event
from gateway.dialects.bedrock_events import chunk
from gateway.dialects.bedrock_messages import EVENT_STREAM, BedrockMessages
from gateway.dialects.bedrock_usage import METRICS
from gateway.metering.call import Call
from gateway.metering.usage import Usage

DIALECT = BedrockMessages()

NUMBER = st.integers(-2, 5_000) | st.none() | st.text(max_size=3)
USAGE = st.dictionaries(
    st.sampled_from(["input_tokens", "output_tokens", "cache_read_input_tokens", "new"]), NUMBER
)
COUNTS = st.dictionaries(
    st.sampled_from(["inputTokenCount", "outputTokenCount", "invocationLatency", "new"]), NUMBER
)
DOCUMENT = st.one_of(
    st.builds(lambda usage: {"type": "message_start", "message": {"usage": usage}}, USAGE),
    st.builds(lambda usage: {"type": "message_delta", "usage": usage}, USAGE),
    st.builds(
        lambda text: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
        st.text(max_size=20),
    ),
    st.builds(lambda counts: {"type": "message_stop", METRICS: counts}, COUNTS | NUMBER),
    st.dictionaries(st.text(max_size=5), NUMBER, max_size=3),
)
FRAME = st.one_of(
    DOCUMENT.map(chunk),
    st.binary(max_size=20).map(
        lambda inside: event("chunk", orjson.dumps({"bytes": b64encode(inside).decode()}))
    ),
    st.binary(max_size=20).map(lambda payload: event("chunk", payload)),
    st.binary(max_size=20).map(lambda payload: exception("modelTimeoutException", payload)),
)
STREAM = st.builds(
    lambda frames, rubbish, cut: (b"".join(frames) + rubbish)[: -cut or None],
    st.lists(FRAME, max_size=8),
    st.binary(max_size=30),
    st.integers(0, 40),
)


def story(pieces: list[bytes], digests: list[bool]) -> tuple[object, ...]:
    reader = DIALECT.answer_reader(Call(model="m", stream=True), content_type=EVENT_STREAM)
    texts: dict[str, str] = {}
    for number, piece in enumerate(pieces):
        end = reader.boundary(piece, 0)
        assert -1 <= end <= len(piece)
        reader.feed(piece)
        assert reader.pending_bytes >= 0
        if digests[number % len(digests)]:
            for told in reader.digest():
                texts[told.stream] = texts.get(told.stream, "") + told.text
            reader.ending(usage=Usage(input_uncached=1), include_usage=True)
            assert None is reader.so_far or min(reader.so_far.in_order()) >= 0
    reported = reader.close()
    for told in reader.digest():
        texts[told.stream] = texts.get(told.stream, "") + told.text
    assert 0 == reader.pending_bytes
    return reported, texts, reader.extra


@given(STREAM, st.lists(st.integers(0), max_size=4), st.lists(st.booleans(), min_size=1))
def test_an_answer_tells_the_same_story_however_it_is_cut(stream, cuts, digests):
    ends = sorted({0, len(stream), *[cut % (len(stream) + 1) for cut in cuts]})
    pieces = [stream[a:b] for a, b in pairwise(ends)]

    whole = story([stream], [False])
    reported = whole[0]
    assert None is reported or min(reported.usage.in_order()) >= 0
    assert whole == story(pieces, digests)
