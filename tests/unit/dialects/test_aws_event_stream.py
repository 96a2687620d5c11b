"""Frames of AWS's own test vectors, built here and by hand; botocore reads ours."""

from struct import pack
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from support.chunking import cuts
from support.frames import exception

from gateway.dialects.aws_event_stream import (
    HEADERS_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    Frame,
    FrameBuffer,
    encoded,
    event,
    frame_at,
    frame_ends,
)

# From the test suite that AWS's SDKs share.
VECTORS = {
    "empty message": ("000000100000000005c248eb7d98c8ff", {}, b""),
    "payload, no headers": (
        "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936",
        {},
        b"{'foo':'bar'}",
    ),
    "a service's event": (
        (
            "0000005d0000004b44af4c0b"
            "0b3a6576656e742d747970650700056368756e6b"
            "0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
            "0d3a6d6573736167652d747970650700056576656e74"
            "7b7dff8b8869"
        ),
        {
            ":event-type": "chunk",
            ":content-type": "application/json",
            ":message-type": "event",
        },
        b"{}",
    ),
}
WITH_INTEGER = bytes.fromhex(
    "0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172277d36f480a0"
)

CHUNK = event("chunk", b'{"bytes":"e30="}')
STREAM = CHUNK + event("chunk", b"") + exception("throttlingException", b"{}")
FRAMES = [
    Frame("chunk", b'{"bytes":"e30="}'),
    Frame("chunk", b""),
    Frame("throttlingException", b"{}", failed=True),
]
ENDS = [
    len(CHUNK),
    len(CHUNK) + len(event("chunk", b"")),
    len(STREAM),
]


def framed(headers: bytes, payload: bytes = b"") -> bytes:
    """A frame with right lengths and checksums around whatever headers."""
    lengths = pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = lengths + pack(">I", crc32(lengths)) + headers + payload
    return frame + pack(">I", crc32(frame))


def header(name: bytes, kind: int, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([kind]) + value


def string(name: bytes, value: bytes) -> bytes:
    return header(name, 7, pack(">H", len(value)) + value)


def taken(pieces: list[bytes], *, each: bool) -> list[Frame]:
    buffer = FrameBuffer()
    found: list[Frame] = []
    for piece in pieces:
        buffer.feed(piece)
        if each:
            found += buffer.take()
    return found + buffer.take()


@pytest.mark.parametrize(("hexadecimal", "headers", "payload"), VECTORS.values(), ids=VECTORS)
def test_frames_are_made_as_published(hexadecimal, headers, payload):
    assert hexadecimal == encoded(headers, payload).hex()


@pytest.mark.parametrize("each", [True, False])
def test_frames_are_the_same_at_every_cut(each):
    for pieces in cuts(STREAM):
        assert FRAMES == taken(pieces, each=each)


def test_headers_of_every_type_are_passed_over_to_those_that_count():
    headers = (
        header(b"yes", 0, b"")
        + header(b"no", 1, b"")
        + header(b"byte", 2, b"\x01")
        + header(b"short", 3, b"\x01\x02")
        + header(b"integer", 4, b"\x01\x02\x03\x04")
        + header(b"long", 5, bytes(8))
        + header(b"bytes", 6, b"\x00\x03abc")
        + header(b"moment", 8, bytes(8))
        + header(b"uuid", 9, bytes(16))
        + string(b":event-type", "größer".encode())
    )

    assert [Frame("größer", b"{}")] == taken([framed(headers, b"{}")], each=True)
    assert [Frame("", b"{'foo':'bar'}")] == taken([WITH_INTEGER], each=True)


@pytest.mark.parametrize(
    ("headers", "frame"),
    [
        ({":message-type": "event", ":event-type": "chunk"}, Frame("chunk", b"x")),
        ({":event-type": "chunk"}, Frame("chunk", b"x")),
        (
            {":message-type": "exception", ":exception-type": "validationException"},
            Frame("validationException", b"x", failed=True),
        ),
        (
            {":message-type": "error", ":error-code": "InternalError", ":error-message": "no"},
            Frame("InternalError", b"x", failed=True),
        ),
        ({":message-type": "error"}, Frame("", b"x", failed=True)),
        ({}, Frame("", b"x")),
    ],
)
def test_the_kind_of_a_frame_goes_by_its_message_type(headers, frame):
    assert [frame] == taken([encoded(headers, b"x")], each=True)


BAD_HEADERS = {
    "a name that is longer than the rest": b"\x09abc",
    "a name and nothing else": b"\x03abc",
    "a type without its value": b"\x03abc\x04\x00",
    "a string without its size": b"\x03abc\x07",
    "a string longer than the rest": b"\x03abc\x07\x00\x05abc",
    "an unknown type": b"\x03abc\x0a",
    "a name that is no text": string(b"\xff", b"a"),
    "a value that is no text": string(b"a", b"\xff"),
}
LOST = {
    "checksum of the lengths": CHUNK[:8] + bytes([CHUNK[8] ^ 1]) + CHUNK[9:],
    "length": b"\x01" + CHUNK[1:],
    "text": b"data: {}\n\ndata: {}\n\n",
}
DAMAGED = {
    "checksum of the whole": CHUNK[:-1] + bytes([CHUNK[-1] ^ 1]),
    "payload": CHUNK[:-5] + bytes([CHUNK[-5] ^ 1]) + CHUNK[-4:],
    **{name: framed(raw) for name, raw in BAD_HEADERS.items()},
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("each", [True, False])
def test_a_damaged_frame_is_left_out(damaged, each):
    for pieces in cuts(CHUNK + damaged + CHUNK, positions=40):
        assert FRAMES[:1] * 2 == taken(pieces, each=each)


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
@pytest.mark.parametrize("each", [True, False])
def test_without_its_length_a_frame_ends_what_can_be_read(lost, each):
    for pieces in cuts(CHUNK + lost + CHUNK, positions=40):
        assert FRAMES[:1] == taken(pieces, each=each)


def test_what_is_unfinished_at_the_end_is_dropped():
    buffer = FrameBuffer()
    buffer.feed(CHUNK + CHUNK[:30])

    assert (FRAMES[:1], 0) == (buffer.take(final=True), buffer.pending_bytes)


def test_frames_can_be_looked_at_without_being_taken():
    buffer = FrameBuffer()
    for piece in (STREAM[:50], STREAM[50:], CHUNK[:20]):
        buffer.feed(piece)
    data = buffer.tail(10)

    assert STREAM + CHUNK[:20] == data
    assert ENDS == frame_ends(data)
    assert FRAMES[1] == frame_at(data, ENDS[0], ENDS[1])
    assert ENDS[:1] == frame_ends(CHUNK + b"data: {}\n\n" * 2)


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_frame_is_no_frame_to_look_at(damaged):
    assert None is frame_at(damaged, 0, len(damaged))


def test_nothing_is_kept_of_what_cannot_be_read():
    buffer = FrameBuffer()
    buffer.feed(b"data: {}\n\n" * 2)
    buffer.take()
    buffer.feed(CHUNK)

    assert ([], 0) == (buffer.take(), buffer.pending_bytes)


def lengths(total: int, headers: int) -> bytes:
    prelude = pack(">II", total, headers)
    return prelude + pack(">I", crc32(prelude))


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        (15, 0),
        (16, 1),
        (0, 0),
        (16 + PAYLOAD_BYTES_MAX + 1, 0),
        (16 + HEADERS_BYTES_MAX + 1, HEADERS_BYTES_MAX + 1),
        (2**32 - 1, 2**32 - 1),
    ],
)
def test_lengths_that_no_frame_has_end_what_can_be_read(total, headers):
    """Else whoever says four gigabytes would be listened to until they are here."""
    buffer = FrameBuffer()
    buffer.feed(lengths(total, headers))

    assert ([], 0) == (buffer.take(), buffer.pending_bytes)
    assert 12 == FrameBuffer().boundary(lengths(total, headers), 0)


def test_the_largest_frame_is_read():
    largest = encoded({":event-type": "chunk"}, bytes(PAYLOAD_BYTES_MAX))
    piece = 1 << 20

    found = taken([largest[at : at + piece] for at in range(0, len(largest), piece)], each=True)

    assert [PAYLOAD_BYTES_MAX] == [len(frame.payload) for frame in found]


def test_pending_is_what_was_fed_and_not_taken():
    buffer = FrameBuffer()
    buffer.feed(CHUNK + CHUNK[:20])
    assert len(CHUNK) + 20 == buffer.pending_bytes

    buffer.take()
    assert 20 == buffer.pending_bytes


def boundaries(data: bytes, *, fed: bytes = b"", taking: bool = True) -> list[int]:
    """Where all frames of `data` end, as somebody finds them who pays for each before the next."""
    buffer = FrameBuffer()
    buffer.feed(fed)
    ends: list[int] = []
    while (end := buffer.boundary(data, ends[-1] if ends else 0)) >= 0:
        buffer.feed(data[ends[-1] if ends else 0 : end])
        if taking:
            buffer.take()
        ends.append(end)
    return ends


@pytest.mark.parametrize("taking", [True, False])
def test_frames_end_where_they_end_whatever_of_them_was_fed_before(taking):
    for cut in range(len(STREAM)):
        expected = [end - cut for end in ENDS if end > cut]

        assert expected == boundaries(STREAM[cut:], fed=STREAM[:cut], taking=taking)


def test_a_frame_has_no_end_before_all_of_it_is_there():
    for stop in range(len(STREAM) + 1):
        assert [end for end in ENDS if end <= stop] == boundaries(STREAM[:stop])


def test_what_belongs_to_no_frame_ends_with_the_data():
    garbage = b"data: {}\n\n" * 2

    assert [len(CHUNK), len(CHUNK) + len(garbage)] == boundaries(CHUNK + garbage)
    assert [len(garbage)] == boundaries(garbage, fed=garbage)
    assert [] == boundaries(b"", fed=garbage)


def test_botocore_reads_what_is_made_here():
    buffer = EventStreamBuffer()
    buffer.add_data(STREAM)

    assert [
        (
            {
                ":event-type": "chunk",
                ":content-type": "application/json",
                ":message-type": "event",
            },
            b'{"bytes":"e30="}',
        ),
        (
            {
                ":event-type": "chunk",
                ":content-type": "application/json",
                ":message-type": "event",
            },
            b"",
        ),
        (
            {
                ":exception-type": "throttlingException",
                ":content-type": "application/json",
                ":message-type": "exception",
            },
            b"{}",
        ),
    ] == [(message.headers, message.payload) for message in buffer]
