"""Whatever arrives as an event stream: nothing raises, and botocore reads the same."""

import contextlib
from itertools import accumulate

from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.aws_event_stream import Frame, FrameBuffer, encoded

NAME = st.text(max_size=20).filter(lambda name: name and not name.startswith(":"))
KIND = st.text(max_size=30)
PAYLOAD = st.binary(max_size=200)


@st.composite
def frames(draw):
    """The bytes of a frame with headers that count and others, in any order."""
    kind = draw(KIND)
    message, named_by = draw(
        st.sampled_from(
            [("event", ":event-type"), ("exception", ":exception-type"), ("error", ":error-code")]
        )
    )
    headers = {":message-type": message, named_by: kind} | draw(
        st.dictionaries(NAME, st.text(max_size=50), max_size=4)
    )
    names = draw(st.permutations(list(headers)))
    payload = draw(PAYLOAD)
    data = encoded({name: headers[name] for name in names}, payload)
    return data, Frame(kind, payload, failed=message != "event"), headers


STREAMS = st.lists(frames(), max_size=5)


@st.composite
def pieces_of(draw, data: bytes) -> list[bytes]:
    ends = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def taken(pieces: list[bytes]) -> list[Frame]:
    buffer = FrameBuffer()
    found = []
    for piece in pieces:
        buffer.feed(piece)
        found += buffer.take()
    return found


@given(stream=STREAMS, data=st.data())
def test_what_is_made_is_read_again_however_it_was_cut(stream, data):
    made = b"".join(encoded for encoded, _, _ in stream)

    assert [frame for _, frame, _ in stream] == taken(data.draw(pieces_of(made)))


@given(stream=STREAMS)
def test_botocore_reads_what_is_made(stream):
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(encoded for encoded, _, _ in stream))

    assert [(headers, frame.payload) for _, frame, headers in stream] == [
        (message.headers, message.payload) for message in buffer
    ]


@given(garbage=st.binary(max_size=400), stream=STREAMS, data=st.data())
def test_garbage_raises_nothing_and_yields_nothing(garbage, stream, data):
    made = b"".join(encoded for encoded, _, _ in stream)
    assert [] == taken(data.draw(pieces_of(garbage)))

    buffer = FrameBuffer()
    for piece in data.draw(pieces_of(made + garbage)):
        end = 0
        while (following := buffer.boundary(piece, end)) >= 0:
            assert end < following <= len(piece)
            end = following
        buffer.feed(piece)


@given(stream=st.lists(frames(), min_size=1, max_size=3), data=st.data())
def test_one_byte_changed_is_never_read_as_something_else(stream, data):
    """Its frame is left out; or, where its length is lost, all from there on, as botocore does."""
    made = b"".join(encoded for encoded, _, _ in stream)
    at = data.draw(st.integers(0, len(made) - 1))
    changed = made[:at] + bytes([made[at] ^ data.draw(st.integers(1, 255))]) + made[at + 1 :]

    found = taken(data.draw(pieces_of(changed)))

    lengths = [len(encoded) for encoded, _, _ in stream]
    hit = sum(at >= end for end in accumulate(lengths))
    expected = [frame for _, frame, _ in stream]
    in_prelude = at - sum(lengths[:hit]) < 12
    assert expected[:hit] + ([] if in_prelude else expected[hit + 1 :]) == found
    buffer = EventStreamBuffer()
    buffer.add_data(changed)
    read: list[bytes] = []
    with contextlib.suppress(ParserError):
        read.extend(message.payload for message in buffer)
    assert [frame.payload for frame in expected[:hit]] == read
