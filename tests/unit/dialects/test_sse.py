import pytest
from support.chunking import cuts

from gateway.dialects.sse import EVENT_BYTES_MAX, EventBuffer, first_event_end, last_event_end

# After the examples of the standard, section 9.2.6.
EXAMPLES = {
    "three lines": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
    "comment, ids, no space": (
        b": test stream\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
        [b"first", b"second", b" third"],
    ),
    "empty data": (b"data\n\ndata\ndata\n\ndata:", [b"", b"\n"]),
    "unknown fields": (b"event: add\ndatax: 1\nretry: 5\ndata: 73\n\n", [b"73"]),
    "byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
    "only one mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", [b"2"]),
    "nothing complete": (b"data: 1\n", []),
    "many blank lines": (b"\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n", [b"1", b"2"]),
}


def taken(pieces: list[bytes], *, each: bool) -> list[bytes]:
    events = EventBuffer()
    found: list[bytes] = []
    for piece in pieces:
        events.feed(piece)
        if each:
            found += events.take()
    return found + events.take()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(("stream", "payloads"), EXAMPLES.values(), ids=EXAMPLES)
def test_events_are_the_same_at_every_cut_and_in_every_line_end(stream, payloads, line_end):
    for pieces in cuts(stream.replace(b"\n", line_end)):
        assert payloads == taken(pieces, each=True)
        assert payloads == taken(pieces, each=False)


def test_the_end_of_the_stream_closes_the_last_event_when_told():
    events = EventBuffer()
    events.feed(b"data: 1\n\ndata: 2")

    assert [b"1", b"2"] == events.take(final=True)
    assert 0 == events.pending_bytes


def test_the_tail_reaches_back_over_pieces_and_what_was_already_searched():
    events = EventBuffer()
    events.feed(b"data: 1\n\nda")
    events.take()
    events.feed(b"ta: ")
    events.feed(b"2")

    assert b"data: 2" == events.tail(100)
    assert events.tail(3).endswith(b": 2")


def test_an_event_beyond_the_bound_is_dropped_whole():
    events = EventBuffer()
    events.feed(b"data: 1\n\ndata: " + b"x" * EVENT_BYTES_MAX)

    assert [b"1"] == events.take()
    assert events.pending_bytes <= 1
    events.feed(b"y\n")
    assert [] == events.take()
    events.feed(b"\ndata: 2\n\n")
    assert [b"2"] == events.take()


def test_an_event_beyond_the_bound_is_dropped_when_it_comes_complete_too():
    events = EventBuffer()
    events.feed(b"data: 1\n\ndata: " + b"x" * EVENT_BYTES_MAX + b"\n\ndata: 2\n\n")

    assert [b"1", b"2"] == events.take()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (b"a\n\nb\n\nc", 3, 6),
        (b"a\r\n\r\nb\r\n\r\nc", 5, 10),
        (b"a\r\rb\r\rc", 3, 6),
        (b"a\n\r\nb\r\n\nc", 4, 8),
        (b"a\n\rb", 3, 3),
        (b"a\r\nb\r\n", -1, 0),
        (b"a\nb", -1, 0),
        (b"", -1, 0),
    ],
)
def test_blank_lines_are_found_from_both_ends(text, first, last):
    assert first == first_event_end(text, 0)
    assert last == last_event_end(text, len(text))
