"""What we write on the wire, and what we refuse to read."""

import pytest

from gateway.errors import BadCall
from gateway.proxy.framing import (
    HEADERS_MAX,
    MalformedAnswer,
    check_interim,
    field_lines,
    printable_reason,
    read_framing,
    request_line,
)


def test_a_request_is_written_as_its_line_and_one_for_each_field():
    fields = [(b"Host", b"h"), (b"X-A", b"1"), (b"X-A", b"2")]

    assert b"POST /v1/x?a=b HTTP/1.1\r\n" == request_line("POST", "/v1/x?a=b")
    assert b"Host: h\r\nX-A: 1\r\nX-A: 2\r\n" == field_lines(fields)
    assert b"" == field_lines([])


def test_a_path_that_was_no_utf8_leaves_as_it_came():
    path = b"/v1/\xff\xc3\xa9".decode("utf-8", "surrogateescape")

    assert b"GET /v1/\xff\xc3\xa9 HTTP/1.1\r\n" == request_line("GET", path)


@pytest.mark.parametrize(
    "target",
    [
        *("/a\r\nX: y", "/a\nb", "/a\r", "/a\n", "/a\0b", "/a b", "a", "", "http://elsewhere/"),
        "/a HTTP/1.1\r\nX: y",
    ],
)
def test_no_target_can_end_its_line(target):
    with pytest.raises(BadCall):
        request_line("GET", target)


@pytest.mark.parametrize(
    "field",
    [
        (b"a", b"b\r\nEvil: 1"),
        (b"a", b"b\nEvil: 1"),
        (b"a", b"b\rEvil: 1"),
        (b"a", b"b\r\n"),
        (b"a\r\nb", b"c"),
        (b"a", b"b\0c"),
    ],
)
def test_no_field_can_start_a_line_of_its_own(field):
    with pytest.raises(BadCall):
        field_lines([(b"a", b"b"), field])


@pytest.mark.parametrize(
    ("status", "headers", "until_close", "persistent"),
    [
        (200, [], True, False),
        (200, [(b"content-LENGTH", b"2")], False, True),
        (200, [(b"Transfer-Encoding", b" Chunked ")], False, True),
        (204, [], False, True),
        (304, [], False, True),
        (200, [(b"Content-Length", b"2"), (b"Connection", b"Close")], False, False),
        (200, [(b"Content-Length", b"2"), (b"connection", b"keep-alive, close")], False, False),
        (
            200,
            [(b"Content-Length", b"2"), (b"connection", b"close"), (b"connection", b"x")],
            False,
            False,
        ),
    ],
)
def test_a_head_says_how_its_body_ends(status, headers, until_close, persistent):
    assert read_framing(status, "1.1", headers) == (until_close, persistent)


@pytest.mark.parametrize(
    ("status", "version", "headers"),
    [
        (200, "2.0", []),
        (200, "0.9", []),
        (600, "1.1", []),
        (200, "1.1", [(b"Transfer-Encoding", b"gzip")]),
        (200, "1.1", [(b"Transfer-Encoding", b"gzip, chunked")]),
        (200, "1.1", [(b"Transfer-Encoding", b"identity")]),
        (200, "1.1", [(b"Transfer-Encoding", b"xchunked")]),
        (200, "1.1", [(b"Transfer-Encoding", b"chunked")] * 2),
        (200, "1.0", [(b"Transfer-Encoding", b"chunked")]),
        (200, "1.1", [(b"a", b"b")] * (HEADERS_MAX + 1)),
    ],
)
def test_a_head_that_two_readers_could_understand_differently_is_refused(status, version, headers):
    with pytest.raises(MalformedAnswer):
        read_framing(status, version, headers)


@pytest.mark.parametrize("status", [0, 99, 101])
def test_an_interim_status_nobody_asked_for_is_refused(status):
    with pytest.raises(MalformedAnswer):
        check_interim(status, [])


@pytest.mark.parametrize("name", [b"Content-Length", b"TRANSFER-ENCODING"])
def test_an_interim_response_with_a_body_is_refused(name):
    with pytest.raises(MalformedAnswer):
        check_interim(103, [(name, b"1")])


def test_early_hints_pass():
    check_interim(103, [(b"Link", b"</a>")])


@pytest.mark.parametrize(
    ("raw", "clean"), [(b"OK", "OK"), (b"", ""), (b"O\0K", ""), (b"\x1b[2J", ""), (b"\xe9", "")]
)
def test_a_reason_is_plain_text_or_nothing(raw, clean):
    assert clean == printable_reason(raw)
