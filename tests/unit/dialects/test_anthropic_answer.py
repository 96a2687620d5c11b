"""What the transcripts do not show: early reports, cheap looks, endings."""

import orjson
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from support.transcripts import transcripts

from gateway.dialects.anthropic_answer import json_reader, stream_reader
from gateway.metering.call import Call
from gateway.metering.usage import Usage

# The same events in another form, and one that no SDK can read.
OTHERS = (
    "comments",
    "cr_only",
    "crlf",
    "delta_without_usage_last",
    "pretty_multi_line_data",
    "with_done",
    "without_event_lines",
)
STREAMS = [
    each
    for each in transcripts("anthropic_messages", kind="sse")
    if each.name not in OTHERS and b"message_start" in each.answer
]


def event(kind, **fields) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def start(**usage) -> bytes:
    told = {"input_tokens": 25, "output_tokens": 2} | usage
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5"}
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": told}
    return event("message_start", message=message)


def block(index=0, kind="text", **fields) -> bytes:
    empty = {"text": {"text": ""}, "tool_use": {"id": "t", "name": "get", "input": {}}}
    content = {"type": kind} | empty[kind] | fields
    return event("content_block_start", index=index, content_block=content)


def text(words, index=0) -> bytes:
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": words})


STOP = event("message_stop")
DELTA = event(
    "message_delta",
    delta={"stop_reason": "end_turn", "stop_sequence": None},
    usage={"output_tokens": 9},
)


def reader_of(*events: bytes):
    reader = stream_reader(Call(model="claude-opus-5", stream=True))
    for each in events:
        reader.feed(each)
    return reader


def as_the_sdk_reads(data: bytes):
    """The message that the official SDK's helper puts together."""
    message, json_bufs = None, {}
    for each in data.decode().split("\n\n")[:-1]:
        told = orjson.loads(each.partition("data: ")[2])
        # The helper is shown no pings.
        if told["type"] != "ping":
            message = accumulate_event(event=told, current_snapshot=message, json_bufs=json_bufs)
    return message


def test_the_input_is_known_with_the_first_event():
    reader = reader_of(start(cache_read_input_tokens=900, inference_geo="us"), block(), text("Hi"))
    assert reader.so_far is None
    reader.digest()

    assert (
        Usage(input_uncached=25, input_cache_read=900, output_text=2, service_tier="us")
        == reader.so_far
    )
    assert reader.close() is None


@pytest.mark.parametrize(
    "usage", [{"input_tokens": 0}, {"input_tokens": -1}, {"input_tokens": None}]
)
def test_a_start_that_tells_no_input_is_no_report(usage):
    reader = reader_of(start(**usage))
    reader.digest()

    assert reader.so_far is None


def test_an_answer_that_was_looked_at_on_the_way_is_judged_by_its_end_alone():
    reader = reader_of(start(), block(), text("Hello"))
    reader.digest()
    long = b"".join(text("word ") for _ in range(1_000))
    reader.feed(long + event("content_block_stop", index=0) + DELTA + STOP)

    assert Usage(input_uncached=25, output_text=9) == reader.close().usage
    # Nothing was parsed for that.
    assert len(long) < reader.pending_bytes


def test_a_whole_answer_is_judged_by_its_first_and_last_event():
    reader = reader_of(start(), block(), *[text("word ")] * 1_000, DELTA, STOP)
    fed = reader.pending_bytes

    assert Usage(input_uncached=25, output_text=9) == reader.close().usage
    assert fed == reader._events.pending_bytes


def test_a_late_or_missing_end_makes_it_read_everything():
    reader = reader_of(start(), DELTA, *[text("word ")] * 1_000)

    assert Usage(input_uncached=25, output_text=9) == reader.close().usage
    assert 0 == reader._events.pending_bytes


@pytest.mark.parametrize(
    ("sent", "opened"),
    [
        ([start()], []),
        ([start(), block()], [0]),
        ([start(), block(), text("Hello")], [0]),
        ([start(), block(), text("Hello"), event("content_block_stop", index=0)], []),
        ([start(), block(), text("Hello"), block(1, "tool_use")], [0, 1]),
    ],
)
def test_an_ending_stops_what_is_open_and_says_why(sent, opened):
    reader = reader_of(*sent)
    reader.digest()
    usage = Usage(input_uncached=25, input_cache_read=3, output_text=7)
    ending = reader.ending(usage=usage, include_usage=True)
    message = as_the_sdk_reads(b"".join(sent) + ending)

    assert opened == [
        told["index"]
        for line in ending.splitlines()
        if line.startswith(b"data: ")
        if (told := orjson.loads(line[6:]))["type"] == "content_block_stop"
    ]
    assert ending.endswith(STOP)
    assert "max_tokens" == message.stop_reason
    assert (25, 3, 7) == (
        message.usage.input_tokens,
        message.usage.cache_read_input_tokens,
        message.usage.output_tokens,
    )


def test_a_stream_that_told_nothing_yet_is_begun_before_it_ends():
    ending = reader_of().ending(usage=Usage(input_uncached=25), include_usage=True)
    message = as_the_sdk_reads(ending)

    assert ("claude-opus-5", [], "max_tokens") == (
        message.model,
        message.content,
        message.stop_reason,
    )


def test_a_message_that_has_said_why_it_stopped_only_has_to_stop():
    reader = reader_of(start(), DELTA)
    reader.digest()

    assert STOP == reader.ending(usage=Usage(), include_usage=True)


@pytest.mark.parametrize("last", [STOP, event("error", error={"type": "api_error"})])
def test_nothing_follows_the_streams_own_end(last):
    reader = reader_of(start(), DELTA, last)
    reader.digest()

    assert b"" == reader.ending(usage=Usage(), include_usage=True)


def test_what_was_not_relayed_ends_nothing():
    reader = reader_of(start())
    reader.digest()
    reader.feed(block())
    reader.digest()
    reader.withdraw()

    assert b"content_block_stop" not in reader.ending(usage=Usage(), include_usage=True)


@pytest.mark.parametrize("transcript", STREAMS, ids=str)
def test_a_stream_cut_after_any_event_is_ended_as_the_sdk_expects(transcript):
    events = [each + b"\n\n" for each in transcript.answer.split(b"\n\n")[:-1]]
    reader = transcript.reader()
    for number, each in enumerate(events, start=1):
        reader.feed(each)
        reader.digest()
        ending = reader.ending(usage=Usage(input_uncached=1, output_text=1), include_usage=True)
        if b"event: error" in each:
            assert b"" == ending
        else:
            message = as_the_sdk_reads(b"".join(events[:number]) + ending)
            assert message.stop_reason is not None
            last = (b"".join(events[:number]) + ending).rstrip().splitlines()[-1]
            assert "message_stop" == orjson.loads(last.removeprefix(b"data: "))["type"]


def test_a_json_answer_cannot_be_cut():
    reader = json_reader()
    reader.feed(b'{"usage":')

    assert -1 == reader.boundary(b'{"usage":', 0)
    assert b"" == reader.ending(usage=Usage(), include_usage=True)
    assert reader.so_far is None
