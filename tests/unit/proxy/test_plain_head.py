"""Whatever the plain reader takes, aiohttp's parser reads as the same request; what is in doubt, it
does not take."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.proxy import plain_head
from gateway.proxy.plain_head import FIELDS_MAX, HEAD_BYTES_MAX, PlainHeaders, Said, read_head

LINE = b"POST /v1/chat/completions?a=b HTTP/1.1\r\n"
FIELDS = (b"Host: x", b"Authorization: Bearer k", b"X-A: b c", b"Content-Length: 2")
LOOP = asyncio.new_event_loop()


def head(*fields: bytes, line: bytes = LINE) -> bytes:
    return line + b"".join(field + b"\r\n" for field in (*FIELDS, *fields)) + b"\r\n"


def read_by_aiohttp(data: bytes) -> Any:
    """The messages in there, as the slow lane's parser sees them."""
    protocol: Any = SimpleNamespace(
        pause_reading=lambda: None, resume_reading=lambda **_: None, _reading_paused=False
    )
    parser = HttpRequestParser(
        protocol,
        LOOP,
        2**16,
        max_line_size=8190,
        max_field_size=8190,
        max_headers=128,
        auto_decompress=False,
    )
    return parser.feed_data(data)[0]


@dataclass
class Read:
    """What comes of a head for the call."""

    said: Said
    length: bytes

    @property
    def target(self) -> str:
        return f"{self.said.path}?{self.said.query_string}"

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        return list(self.said.fields(self.length))

    @property
    def headers(self) -> PlainHeaders:
        return self.said.headers(self.length)

    @property
    def size(self) -> int:
        return self.said.size + len(self.length)

    def all(self) -> tuple[Any, ...]:
        return self.target, self.fields, dict(self.headers), self.size, int(self.length)


def read_of(data: bytes) -> Read | None:
    found = read_head(data)
    return None if found is None else Read(*found)


def first_read(data: bytes) -> Read:
    found = read_of(data)
    assert found is not None
    return found


def read_again(before: Read, data: bytes) -> Read | None:
    length = before.said.again(data)
    return None if length is None else Read(before.said, length)


def test_a_plain_head_is_read_with_its_fields_in_order_and_case():
    data = head() + b"{}"
    read = first_read(data)

    assert "/v1/chat/completions?a=b" == read.target
    assert [tuple(field.split(b": ")) for field in FIELDS] == read.fields
    assert b"{}" == data[read.size :]
    assert b"2" == read.length
    assert "Bearer k" == read.headers["authorization"] == read.headers.get("AUTHORIZATION")
    assert "X-a" in read.headers
    assert "x-b" not in read.headers
    assert "" == read.headers.get("x-b", "")
    assert len(FIELDS) == len(list(read.headers)) == len(read.headers)
    with pytest.raises(KeyError):
        read.headers["x-b"]


IN_DOUBT = {
    "not there as a whole": head()[:-1],
    "another method": head(line=b"PUT /v1/files HTTP/1.1\r\n"),
    "HTTP/1.0": head(line=b"POST / HTTP/1.0\r\n"),
    "a host in the target": head(line=b"POST http://y/ HTTP/1.1\r\n"),
    "a fragment": head(line=b"POST /#a HTTP/1.1\r\n"),
    "a space in the target": head(line=b"POST / a HTTP/1.1\r\n"),
    "bytes beyond ASCII": head(b"X-B: \xff"),
    "a control character": head(b"X-B: a\x01b"),
    "a line break of its own": head(b"X-B: a\nb"),
    "a folded line": head(b"X-B: a\r\n b"),
    "a space before the colon": head(b"X-B : a"),
    "a space behind the value": head(b"X-B: a "),
    "a tab behind the last value": head(b"X-B: a\t"),
    "an empty value": head(b"X-B:"),
    "a field twice": head(b"x-a: b"),
    "a length twice": head(b"content-length: 2"),
    "a coding": head(b"Transfer-Encoding: chunked"),
    "a compressed body": head(b"Content-Encoding: gzip"),
    "an upgrade": head(b"Upgrade: websocket"),
    "an expectation": head(b"Expect: 100-continue"),
    "the last request": head(b"Connection: close"),
    "no length": head().replace(b"Content-Length: 2\r\n", b""),
    "no host": head().replace(b"Host: x\r\n", b""),
    "a signed length": head().replace(b"Length: 2", b"Length: +2"),
    "a length of many digits": head().replace(b"Length: 2", b"Length: " + b"2" * 11),
    "too long": head(b"X-B: " + b"a" * HEAD_BYTES_MAX),
    "too many fields": head(*(b"X-%d: a" % number for number in range(FIELDS_MAX))),
}


@pytest.mark.parametrize("data", IN_DOUBT.values(), ids=IN_DOUBT.keys())
def test_what_is_in_doubt_is_not_read(data: bytes):
    assert read_head(data) is None


def test_the_same_with_another_length_is_read_as_if_it_were_the_first():
    first = first_read(head() + b"{}")
    for length in (b"2", b"0", b"1234567890", b"007"):
        data = head().replace(b"Length: 2", b"Length: " + length) + b"POST /"
        again = read_again(first, data)
        assert again is not None
        assert first_read(data).all() == again.all()
    assert "2" == first.headers["Content-Length"]


def test_the_same_is_read_again_only_as_far_as_it_would_be_read_anew():
    """With a longer length a head may be too long."""
    longest = head(b"X-B: " + b"a" * (HEAD_BYTES_MAX - len(head(b"X-B: "))))
    longer = longest.replace(b"Length: 2", b"Length: 22")
    assert read_head(longer) is None
    assert read_again(first_read(longest), longer) is None


def test_of_lines_that_were_read_few_are_kept_and_no_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plain_head, "_LINES_MAX", 8)
    monkeypatch.setattr(plain_head, "_LINES", lines := type(plain_head._LINES)())
    for number in range(20):
        long = b"X-Long: " + b"a" * 1_000
        first_read(head(b"X-B: %d" % number, b"x-api-key: secret", b"Cookie: secret", long))
        assert len(lines) <= 8
    assert {b"Host: x", b"X-A: b c"} < {*lines}
    assert not [line for line in lines if b"Bearer" in line or b"secret" in line or len(line) > 128]


PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b": ", b":", b" ", b"\t", b"\0", b"\x7f", b"\xff", b",", b";"),
        *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"Host: y\r\n", b"chunked"),
        *(
            b"X-B: a\r\n",
            b"Connection: keep-alive\r\n",
            b"GET / HTTP/1.1\r\n",
            b"%0d%0a",
            b"[",
            b"@",
        ),
    ]
)


CHANGES = st.lists(
    st.tuples(st.integers(0, len(head())), PIECES | st.binary(max_size=3)), max_size=3
)
# Some of them about the length, where all is the same but for a digit.
DIGITS = st.lists(
    st.tuples(
        st.integers(len(head()) - 8, len(head())),
        st.text("0123456789 \r\n+_", max_size=11).map(str.encode),
    ),
    max_size=2,
)


def changed(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    for at, piece in changes:
        data = data[:at] + piece + data[at:]
    return data


@settings(max_examples=500, deadline=None)
@given(CHANGES, CHANGES | DIGITS, CHANGES)
def test_what_is_read_again_is_what_would_be_read_anew(
    first: list[tuple[int, bytes]], second: list[tuple[int, bytes]], both: list[tuple[int, bytes]]
):
    before = read_of(changed(head(), both + first)) or first_read(head())
    data = changed(head(), both + second)
    again = read_again(before, data)
    if again is not None:
        assert first_read(data).all() == again.all()


@settings(max_examples=300, deadline=None)
@given(CHANGES)
def test_what_is_read_is_what_aiohttp_reads(changes: list[tuple[int, bytes]]):
    data = changed(head(), changes)
    read = read_of(data)
    if read is None:
        return
    try:
        [(message, _)] = read_by_aiohttp(data[: read.size] + b"a" * int(read.length))
    except HttpProcessingError as error:
        raise AssertionError(f"aiohttp refuses it: {error}") from error

    assert "POST" == message.method
    assert read.target == message.path
    assert read.fields == list(message.raw_headers)
    assert dict(read.headers) == {name.lower(): text for name, text in message.headers.items()}
    assert not message.chunked
    assert not message.upgrade
    assert not message.should_close
