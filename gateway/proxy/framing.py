"""HTTP/1.1 as we write it, and what we refuse to read although the parser would let it through.

llhttp (tried: httptools 0.9.0) already refuses bare CR and LF, folded lines, control characters in
fields, every odd Content-Length and both framings at once. It lets through transfer codings other
than `chunked` (read until close), `chunked` named twice or under HTTP/1.0, `keep-alive, close` as
persistent under HTTP/1.0, versions 0.9 and 2.0, bodies on 1xx, statuses below 100, control
characters in the reason: these are dealt with here.
Facts: RFC 9112 §2-§6 (framing), RFC 9110 §15 (status codes). Knows no socket and no parser.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from gateway.errors import BadCall
from gateway.proxy.seams import RawHeaders

HEADERS_MAX = 200
"""Providers send 15 to 40 fields; aiohttp and nginx stop at 100 and more."""

# The parser refuses a second Host, Content-Length, Content-Type or Transfer-Encoding.
ONCE = ("Authorization", "x-api-key", "api-key", "x-goog-api-key", "Content-Encoding")

_BODILESS = frozenset({204, 304})
_VERSIONS = frozenset({"1.1", "1.0"})
_INTERIM_MAX = 199
_STATUS_MIN = 100
_STATUS_MAX = 599
_SWITCHING_PROTOCOLS = 101
_TARGET = re.compile(rb"/[^ \r\n\0]*+")
_LENGTHS = frozenset({len("connection"), len("content-length"), len("transfer-encoding")})


class MalformedAnswer(Exception):
    """The bytes are no HTTP response we are willing to interpret; says why, quotes nothing."""


class Headers(Protocol):
    """Of a request, case-insensitive."""

    def get(self, name: str, /) -> str | None: ...

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...


# Both raise BadCall for what would end its line early: the parser in front of us refuses that too,
# and this is where a second request could be smuggled in.


def request_line(method: str, target: str) -> bytes:
    """With its end."""
    # A path that was no UTF-8 arrives as surrogates; this gives back the bytes the caller sent.
    path = target.encode("utf-8", "surrogateescape")
    if _TARGET.fullmatch(path) is None:
        raise BadCall(
            "The path must start with a slash and hold no space, line break or NUL. "
            "Percent-encode it."
        )
    return b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), path)


def field_lines(headers: RawHeaders) -> bytes:
    """Each with its end."""
    lines = b"\r\n".join([*map(b": ".join, headers), b""])
    # `in` raises and swallows an error in here, for bytes (CPython 3.11).
    if len(lines.splitlines()) != len(headers) or lines.find(b"\0") >= 0:
        raise BadCall("A header holds a line break or NUL. Remove it.")
    return lines


def check_asked(version: tuple[int, int], headers: Headers) -> None:
    """Raises BadCall for a request that two readers could understand differently, although the
    parser in front of us reads it: where it ends, or who sends it."""
    if version not in ((1, 1), (1, 0)):
        raise BadCall("The HTTP version is not spoken here. Send HTTP/1.1.")
    for name in ONCE:
        if len(headers.getall(name, ())) > 1:
            raise BadCall(f"{name} came more than once. Send it once.")
    transfer_encoding = headers.get("Transfer-Encoding")
    if transfer_encoding is None:
        return
    if version == (1, 0) or transfer_encoding.strip().lower() != "chunked":
        raise BadCall(
            "The only Transfer-Encoding of a request is `chunked`, in HTTP/1.1. Send the body so, "
            "or with a Content-Length."
        )


def check_interim(status: int, headers: RawHeaders) -> None:
    """Let a 1xx pass by; it has no body, and nobody here asked to switch protocols."""
    if status < _STATUS_MIN or status == _SWITCHING_PROTOCOLS:
        raise MalformedAnswer(f"status {status} was not asked for")
    for name, _ in headers:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            raise MalformedAnswer("an interim response claims to have a body")


def read_framing(status: int, version: str, headers: RawHeaders) -> tuple[bool, bool]:
    """How the body of a final response ends: with the connection, since it has neither a length
    nor chunks; and whether another exchange may follow, if the parser agrees.

    Raises MalformedAnswer where two readers could disagree about where the body ends."""
    if version not in _VERSIONS:
        raise MalformedAnswer(f"HTTP version {version} is neither 1.0 nor 1.1")
    if status > _STATUS_MAX or len(headers) > HEADERS_MAX:
        raise MalformedAnswer(f"status {status} with {len(headers)} header fields")
    until_close = status not in _BODILESS
    persistent = True
    chunked = False
    for name, value in headers:
        # Cheaper than a lower-case copy of every name, and tells most of them apart.
        if len(name) not in _LENGTHS:
            continue
        lower = name.lower()
        if lower == b"content-length":
            until_close = False
        elif lower == b"connection":
            persistent = persistent and value.lower().find(b"close") < 0
        elif lower == b"transfer-encoding":
            if chunked or version == "1.0" or value.strip().lower() != b"chunked":
                raise MalformedAnswer("its transfer coding is not plainly `chunked`")
            chunked = True
            until_close = False
    return until_close, persistent and not until_close


@lru_cache(maxsize=64)
def printable_reason(reason: bytes) -> str:
    """The reason phrase if it is harmless text, else none: it is optional everywhere."""
    text = reason.decode("latin-1")
    return text if text.isascii() and text.isprintable() else ""
