"""Through the chat format, whose events are the shortest; what all stories share is meant."""

from gateway.dialects.base import AnswerReader
from gateway.dialects.openai_chat_answer import stream_reader
from gateway.dialects.sse import EVENT_BYTES_MAX
from gateway.dialects.story_readers import UNREAD_BYTES_MAX
from gateway.metering.call import Call

CHUNK = b'data: {"choices":[%b]}\n\n'
TEXT = b'{"index":0,"delta":{"content":"Hi"},"finish_reason":null}'


def reader_of(data: bytes = b"") -> AnswerReader:
    reader = stream_reader(Call(model="asked", stream=True))
    if data:
        reader.feed(data)
    return reader


def test_one_broken_event_does_not_spoil_its_neighbours():
    reader = reader_of(CHUNK % TEXT + b'data: {"choices":[\n\n' + b"data: 1,2\n\n" + CHUNK % TEXT)

    assert ["HiHi"] == [piece.text for piece in reader.digest()]


def test_an_endless_event_is_dropped_and_the_next_one_read():
    reader = reader_of()
    piece = b"data: " + b"x" * 1_000_000
    for _ in range(2 * EVENT_BYTES_MAX // len(piece)):
        reader.feed(piece)
        reader.digest()
    assert reader.pending_bytes <= EVENT_BYTES_MAX
    reader.feed(b"\n\n" + CHUNK % TEXT)

    assert ["Hi"] == [piece.text for piece in reader.digest()]


def test_a_stream_nobody_digests_keeps_its_texts_and_not_its_bytes():
    reader = reader_of()
    event = CHUNK % (b'{"index":0,"delta":{"content":"%b"}}' % (b"y" * 1000))
    count = UNREAD_BYTES_MAX // len(event) + 10
    for _ in range(count):
        reader.feed(event)

    assert reader._events.pending_bytes < UNREAD_BYTES_MAX
    assert count * len(event) == reader.pending_bytes
    assert count * 1000 == sum(len(piece.text) for piece in reader.digest())
