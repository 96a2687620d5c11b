"""One response, however its bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.connection_reader import ResponseReader
from gateway.proxy.framing import MalformedAnswer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

WELL_FORMED = {
    "length": (OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True),
    "spaced length": (OK + b"Content-Length:   5  \r\n\r\nhello", 200, b"hello", True),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", 200, b"hello", True),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", 200, b"hello", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "not modified": (b"HTTP/1.1 304 N\r\nContent-Length: 99\r\n\r\n", 304, b"", True),
    "continued": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n"
        + OK
        + b"Content-Length: 5\r\n\r\nhello",
        200,
        b"hello",
        True,
    ),
    "closing": (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
    "1.0 kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        200,
        b"hello",
        True,
    ),
    "1.0 both": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 5\r\n\r\nhello",
        200,
        b"hello",
        False,
    ),
    "trailer close": (
        CHUNKED + b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n",
        200,
        b"hello",
        False,
    ),
    "no reason": (b"HTTP/1.1 429\r\nContent-Length: 5\r\n\r\nhello", 429, b"hello", True),
}

MALFORMED = {
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "length list": OK + b"Content-Length: 2, 2\r\n\r\nab",
    "length sign": OK + b"Content-Length: +2\r\n\r\nab",
    "length hex": OK + b"Content-Length: 0x2\r\n\r\nab",
    "length empty": OK + b"Content-Length: \r\n\r\nab",
    "length huge": OK + b"Content-Length: 99999999999999999999999\r\n\r\nab",
    "length and chunked": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "coded": OK + b"Transfer-Encoding: gzip\r\n\r\nab",
    "coded and chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked under 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size": CHUNKED + b"zz\r\nab\r\n",
    "chunk size empty": CHUNKED + b"\r\nab\r\n",
    "chunk size sign": CHUNKED + b"-2\r\nab\r\n",
    "chunk size huge": CHUNKED + b"fffffffffffffffff\r\nab\r\n",
    "chunk size space": CHUNKED + b"2 \r\nab\r\n",
    "chunk bare LF": CHUNKED + b"2\nab\r\n",
    "chunk too long": CHUNKED + b"2\r\nabc\r\n",
    "chunk without end": CHUNKED + b"2\r\nab0\r\n\r\n",
    "length in trailers": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    "folded": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "folded coding": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "NUL": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "control": OK + b"X: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "space before colon": OK + b"Content-Length : 2\r\n\r\nab",
    "bare LF": OK + b"X: a\nContent-Length: 0\r\n\r\n",
    "bare CR": OK + b"X: a\rContent-Length: 0\r\n\r\n",
    "no name": OK + b": a\r\n\r\n",
    "no colon": OK + b"abc\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "RTSP": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "blank line first": b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "status 99": b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 S\r\nUpgrade: ws\r\nConnection: upgrade\r\n\r\n",
    "bare upgrade": b"HTTP/1.1 101 S\r\n\r\n",
    "interim body": b"HTTP/1.1 103 E\r\nContent-Length: 2\r\n\r\nab",
}


def reader_for(*, head_only=False, head_bytes_max=65536):
    reader = ResponseReader(head_bytes_max=head_bytes_max)
    reader.expect(head_only=head_only)
    return reader


def read(parts, reader=None):
    """Feed the parts; answer status, fields, body, and whether it ended and may be followed."""
    reader = reader or reader_for()
    headers, body = None, b""
    for part in parts:
        body += reader.feed(part)
        if reader.status and headers is None:
            headers = reader.headers
    return reader.status, headers, body, reader.complete, reader.persistent


@pytest.mark.parametrize("case", WELL_FORMED)
def test_a_response_reads_the_same_at_every_cut(case):
    raw, status, body, persistent = WELL_FORMED[case]
    whole = read([raw])

    assert (status, body, True, persistent) == (whole[0], whole[2], whole[3], whole[4])
    assert whole == read([raw[i : i + 1] for i in range(len(raw))])
    for cut in range(1, len(raw)):
        assert whole == read([raw[:cut], raw[cut:]])


def test_fields_keep_order_case_and_duplicates():
    raw = OK + b"X-a: 1\r\nx-A: 2\r\nX-a:  3 \r\nContent-Length: 0\r\n\r\n"

    _, headers, _, _, _ = read([raw[:20], raw[20:]])

    assert [(b"X-a", b"1"), (b"x-A", b"2")] == headers[:2]
    assert [b"X-a", b"Content-Length"] == [name for name, _ in headers[2:]]


@pytest.mark.parametrize("case", MALFORMED)
def test_what_could_be_read_in_two_ways_is_refused_at_every_cut(case):
    raw = MALFORMED[case]
    for cut in range(len(raw)):
        reader = reader_for()
        with pytest.raises(MalformedAnswer):
            read(filter(None, (raw[:cut], raw[cut:])), reader)
        assert not reader.complete


def test_what_came_before_a_broken_chunk_is_kept():
    reader = reader_for()

    with pytest.raises(MalformedAnswer):
        reader.feed(CHUNKED + b"2\r\nab\r\nzz\r\n")

    assert b"ab" == reader.taken()


@pytest.mark.parametrize("surplus", [b"H", b"HTTP/1.1 200 OK\r\n", b"\0", b"x" * 100])
@pytest.mark.parametrize("case", ["length", "chunked", "no content", "not modified", "closing"])
def test_surplus_bytes_end_the_use_of_a_connection_not_the_response(case, surplus):
    raw, status, body, _ = WELL_FORMED[case]

    got_status, _, got_body, complete, may_follow = read([raw + surplus])

    assert (status, body, True, False) == (got_status, got_body, complete, may_follow)


@pytest.mark.parametrize(
    ("raw", "persistent"),
    [
        (OK + b"Content-Length: 5\r\n\r\n", True),
        (OK + b"Content-Length: 0\r\n\r\n", True),
        (CHUNKED, True),
        (OK + b"\r\n", False),
        (OK + b"Content-Length: 5\r\n\r\nhello", False),
        (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\n", False),
    ],
)
def test_the_answer_to_head_ends_with_its_head(raw, persistent):
    reader = reader_for(head_only=True)

    status, _, body, complete, may_follow = read([raw], reader)

    assert (200, b"", True, persistent) == (status, body, complete, may_follow)
    reader.expect(head_only=False)
    assert b"hello" == read([WELL_FORMED["length"][0]], reader)[2]


def test_a_body_without_length_ends_with_the_connection():
    reader = reader_for()
    status, _, body, complete, _ = read([OK + b"\r\nhel", b"lo"], reader)

    assert (200, b"hello", False) == (status, body, complete)
    assert reader.close()
    assert not reader.persistent


@pytest.mark.parametrize(
    "raw", [b"", b"HTT", OK, OK + b"Content-Length: 5\r\n\r\nhel", CHUNKED + b"5\r\nhello\r\n"]
)
def test_a_connection_that_ends_too_early_completes_nothing(raw):
    reader = reader_for()
    read(filter(None, [raw]), reader)

    assert not reader.close()


def test_trailers_show_up_neither_in_their_response_nor_in_the_next():
    reader = reader_for()
    _, headers, _, _, _ = read([WELL_FORMED["trailers"][0]], reader)
    assert [(b"Transfer-Encoding", b"chunked")] == headers
    reader.expect(head_only=False)

    _, headers, _, _, _ = read([WELL_FORMED["length"][0]], reader)

    assert [(b"Content-Length", b"5")] == headers


@pytest.mark.parametrize(
    "flood",
    [
        OK + b"X: " + b"a" * 9000,
        OK + b"X" * 9000,
        b"HTTP/1.1 200 " + b"a" * 9000,
        OK + b"X: a\r\n" * 2000,
        b"HTTP/1.1 103 Hints\r\n\r\n" * 500,
        CHUNKED + b"1;" + b"x" * 9000,
        CHUNKED + b"0\r\nX: " + b"a" * 9000,
        CHUNKED + b"0\r\n" + b"X: a\r\n" * 2000,
    ],
)
@pytest.mark.parametrize("read_bytes", [1000, 1_000_000])
def test_bytes_that_lead_nowhere_are_bounded(flood, read_bytes):
    reader = reader_for(head_bytes_max=4096)
    parts = [flood[start : start + read_bytes] for start in range(0, len(flood), read_bytes)]

    with pytest.raises(MalformedAnswer):
        read(parts[:6], reader)


def test_a_large_head_in_one_read_with_its_body_is_refused():
    reader = reader_for(head_bytes_max=4096)

    with pytest.raises(MalformedAnswer):
        reader.feed(OK + b"X: " + b"a" * 5000 + b"\r\nContent-Length: 1\r\n\r\nb")

    assert (0, b"") == (reader.status, reader.taken())


def test_a_small_head_may_come_with_much_body():
    reader = reader_for(head_bytes_max=4096)

    _, _, body, complete, _ = read([OK + b"Content-Length: 50000\r\n\r\n" + b"b" * 50000], reader)

    assert (50000, True) == (len(body), complete)


def test_framing_between_pieces_of_body_may_go_on_forever():
    reader = reader_for(head_bytes_max=256)
    parts = [CHUNKED, *[b"10\r\n", b"x" * 16 + b"\r\n"] * 100]

    assert b"x" * 1600 == read(parts, reader)[2]


@given(body=st.binary(max_size=300), cuts=st.lists(st.integers(0, 600)), sizes=st.integers(1, 50))
def test_any_chunking_and_any_cuts_give_the_same_body(body, cuts, sizes):
    chunks = [body[i : i + sizes] for i in range(0, len(body), sizes)]
    raw = CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    edges = [0, *sorted({min(cut, len(raw)) for cut in cuts}), len(raw)]
    parts = [raw[a:b] for a, b in pairwise(edges) if b > a]

    assert (200, body, True) == tuple(read(parts)[i] for i in (0, 2, 3))


@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_refused_or_waited_for_but_never_crashes(garbage):
    for raw in (garbage, OK + garbage, CHUNKED + garbage):
        reader = reader_for()
        try:
            reader.feed(raw)
        except MalformedAnswer:
            continue
