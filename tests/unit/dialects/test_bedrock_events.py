"""Documents in frames, as the official SDKs' own decoders read them."""

import orjson
import pytest
from anthropic.lib.bedrock._stream_decoder import AWSEventStreamDecoder
from support.frames import exception
from support.transcripts import transcripts

from gateway.dialects.aws_event_stream import Frame, FrameBuffer
from gateway.dialects.bedrock_events import ChunkBuffer, chunk, document_in

DAMAGED = ("damaged_frame", "damaged_lengths")
STREAMS = [each for each in transcripts("bedrock_messages", kind="bin") if each.name not in DAMAGED]


def read_by_the_sdk(stream: bytes) -> list[object]:
    return [orjson.loads(each.data) for each in AWSEventStreamDecoder().iter_bytes(iter([stream]))]


def read_here(stream: bytes) -> list[object]:
    buffer = ChunkBuffer()
    buffer.feed(stream)
    return [orjson.loads(text) for text in buffer.take(final=True) if text[:1] == b"{"]


def test_the_official_sdk_reads_what_is_packed():
    document = {"type": "content_block_delta", "delta": {"text": "Größe 道路"}}

    assert [document] == read_by_the_sdk(chunk(document)) == read_here(chunk(document))


@pytest.mark.parametrize(
    "transcript", [each for each in STREAMS if each.name != "frames_that_say_nothing"], ids=str
)
def test_the_official_sdk_reads_the_same_documents(transcript):
    read = read_by_the_sdk(transcript.answer)

    assert read == read_here(transcript.answer)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b'["bytes"]',
        b"{}",
        b'{"bytes":7}',
        b'{"bytes":"abc"}',
        '{"bytes":"ä"}'.encode(),
    ],
)
def test_a_chunk_that_holds_no_document_is_empty(payload):
    assert b"" == document_in(Frame("chunk", payload))


def test_other_events_hold_no_document():
    assert b"" == document_in(Frame("initial-response", b'{"bytes":"e30="}'))


@pytest.mark.parametrize(
    ("payload", "message"), [(b'{"message":"Too many."}', "Too many."), (b"", ""), (b"[1]", "")]
)
def test_a_failure_is_an_error_as_anthropics_own_api_sends_it(payload, message):
    buffer = FrameBuffer()
    buffer.feed(exception("throttlingException", payload))

    assert [{"type": "error", "error": {"type": "throttlingException", "message": message}}] == [
        orjson.loads(document_in(frame)) for frame in buffer.take()
    ]
