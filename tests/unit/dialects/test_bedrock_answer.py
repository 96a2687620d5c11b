"""What the transcripts do not show: early reports, cheap looks, cuts and endings."""

from itertools import pairwise
from unittest.mock import patch

import orjson
import pytest
from anthropic.lib.bedrock._stream_decoder import AWSEventStreamDecoder
from anthropic.lib.streaming._messages import accumulate_event
from support.transcripts import transcripts

from gateway.dialects import bedrock_answer
from gateway.dialects.aws_event_stream import frame_ends
from gateway.dialects.bedrock_answer import stream_reader
from gateway.dialects.bedrock_events import chunk
from gateway.metering.call import Call
from gateway.metering.usage import Usage

CALL = Call(model="anthropic.claude-opus-4-1-20250805-v1:0", stream=True)
PLAIN = next(
    each.answer for each in transcripts("bedrock_messages", kind="bin") if each.name == "plain"
)
FRAMES = [PLAIN[start:end] for start, end in pairwise([0, *frame_ends(PLAIN)])]
SPENT = Usage(input_uncached=25, output_text=7)


def reader_of(*frames: bytes):
    reader = stream_reader(CALL)
    for each in frames:
        reader.feed(each)
    return reader


def as_the_sdk_reads(data: bytes):
    """The message that the official SDK's helper puts together."""
    message, json_bufs = None, {}
    for each in AWSEventStreamDecoder().iter_bytes(iter([data])):
        told = orjson.loads(each.data)
        message = accumulate_event(event=told, current_snapshot=message, json_bufs=json_bufs)
    return message


def test_the_input_is_known_with_the_first_event():
    reader = reader_of(*FRAMES[:2])
    assert None is reader.so_far
    reader.digest()

    assert 25 == reader.so_far.input_tokens


@pytest.mark.parametrize("digested", [0, 1, 3, len(FRAMES) - 2])
def test_a_stream_is_judged_by_its_first_and_last_frames(digested):
    text = chunk({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}})
    frames = [*FRAMES[:3], *[text] * 200, *FRAMES[3:]]
    reader = reader_of(*frames[:digested])
    reader.digest()
    for each in frames[digested:]:
        reader.feed(each)
    looked_at = []
    with patch.object(
        bedrock_answer,
        "document_in",
        lambda frame, read=bedrock_answer.document_in: looked_at.append(frame) or read(frame),
    ):
        reported = reader.close()

    assert Usage(input_uncached=25, output_text=15) == reported.usage
    assert len(looked_at) <= 4


@pytest.mark.parametrize("relayed", range(len(FRAMES) + 1))
def test_a_stream_that_ends_early_is_a_message_to_the_official_sdk(relayed):
    reader = reader_of(*FRAMES[:relayed])
    reader.digest()

    ending = reader.ending(usage=SPENT, include_usage=True)
    message = as_the_sdk_reads(b"".join(FRAMES[:relayed]) + ending)

    whole = relayed >= len(FRAMES) - 1
    assert ("end_turn" if whole else "max_tokens") == message.stop_reason
    assert (15 if whole else 7) == message.usage.output_tokens
    assert 25 == message.usage.input_tokens
    if relayed == len(FRAMES):
        assert b"" == ending


def test_nothing_follows_a_failure():
    failed = next(
        each
        for each in transcripts("bedrock_messages", kind="bin")
        if each.name == "exception_mid_stream"
    )
    reader = failed.reader()
    reader.feed(failed.answer)
    reader.digest()

    assert b"" == reader.ending(usage=SPENT, include_usage=True)


def test_a_stream_may_be_cut_between_frames():
    reader = reader_of(PLAIN[:100])
    rest = PLAIN[100:]
    ends = []
    while (end := reader.boundary(rest, ends[-1] if ends else 0)) >= 0:
        reader.feed(rest[ends[-1] if ends else 0 : end])
        reader.digest()
        ends.append(end)

    assert [end - 100 for end in frame_ends(PLAIN)] == ends
