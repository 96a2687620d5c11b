"""The client's side: a bounded body in, raw bytes out.

What is no plain call (see `plain`) is parsed by aiohttp, whose parser is hardened against
smuggling. The answer is written to the transport as it came in either case, without aiohttp's
response machinery, which costs more than nginx's whole request. What a handler returns to aiohttp
is then only a marker: sent, keep or close.
"""

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.errors import BadCall, BodyTooLarge, ClientLeft
from gateway.proxy.notes import Notes
from gateway.proxy.seams import RawHeaders, Socket

# A client may stop reading this long before it is broken off.
WRITE_TIMEOUT_S = 60.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BROKE_OFF = "The request body broke off before its end. Send it again."
# No Content, Not Modified: these end with their head (RFC 9110 6.4.1).
BODILESS = (204, 304)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
# The last of a head.
BLANK = b"\r\n"
CLOSE = b"Connection: close\r\n\r\n"
KEEP_ALIVE = b"Connection: keep-alive\r\n\r\n"


class Accept(Protocol):
    """Answers a request with the upgrade it asked for."""

    async def __call__(self, *, protocol: str, headers: RawHeaders) -> Socket: ...


class Sent:
    """Stands in for a response that was written already; aiohttp only asks it these things."""

    __slots__ = ("keep_alive",)

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing to do: the head is out."""

    async def write_eof(self) -> None:
        """Nothing to do: the body is out."""


SENT_KEEP = Sent(keep_alive=True)
SENT_CLOSE = Sent(keep_alive=False)


class ClientRequest:
    """`seams.Incoming` over an aiohttp request."""

    def __init__(self, request: web.BaseRequest, *, body_timeout_s: float) -> None:
        self._request = request
        self._body_timeout_s = body_timeout_s
        self.method = request.method
        self.headers: Mapping[str, str] = request.headers
        self.raw_headers: RawHeaders = request.raw_headers
        self.notes = Notes()
        self.address = request.remote or ""
        self.path, _, self.query_string = request.raw_path.partition("?")

    @cached_property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    async def body(self, *, bytes_max: int) -> bytes:
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise BadCall(
                "The request body is compressed. Send it as plain JSON, without Content-Encoding."
            )
        content = self._request.content
        if content.is_eof():
            # The usual case: it arrived together with the head.
            try:
                data = content.read_nowait()
            except (web.RequestPayloadError, ConnectionError) as error:
                # It left while its key was looked up: aiohttp forgets what had come.
                raise ClientLeft("The client left before its call was read.") from error
            if len(data) > bytes_max:
                raise body_too_large(bytes_max)
            return data
        length = self._request.content_length
        if length is not None and length > bytes_max:
            raise body_too_large(bytes_max)
        if self.headers.get("Expect", "").lower() == "100-continue":
            transport = self._request.transport
            if transport is not None:
                transport.write(CONTINUE)
        return await self._collect(bytes_max)

    async def _collect(self, bytes_max: int) -> bytes:
        content = self._request.content
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_timeout_s):
                while data := await content.readany():
                    size += len(data)
                    if size > bytes_max:
                        raise body_too_large(bytes_max)
                    parts.append(data)
        except TimeoutError:
            raise body_late(self._body_timeout_s) from None
        except (web.RequestPayloadError, ConnectionError) as error:
            raise BadCall(BROKE_OFF) from error
        return b"".join(parts)


def body_too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request body is larger than the {bytes_max} bytes allowed here. Send less, or ask "
        "the operator to raise listen.body_bytes_max."
    )


def body_late(timeout_s: float) -> BadCall:
    return BadCall(f"The request body did not arrive within {timeout_s:.0f} s. Try again.")


class Link(Protocol):
    """The connection an answer goes out by."""

    @property
    def transport(self) -> asyncio.Transport | None: ...

    @property
    def writing_paused(self) -> bool: ...

    async def drain(self) -> None:
        """Raises ConnectionError."""
        ...


class ClientResponse:
    """`seams.Downstream` over the transport of a connection, whoever reads what comes by it."""

    __slots__ = (
        "_accept",
        "_bodiless",
        "_chunked",
        "_head",
        "_head_only",
        "_keep_alive",
        "_link",
        "_old",
        "_transport",
        "began",
    )

    def __init__(
        self,
        link: Link,
        *,
        keep_alive: bool,
        head_only: bool = False,
        old: bool = False,
        accept: Accept | None = None,
    ) -> None:
        """`head_only`: HEAD was asked. `old`: HTTP/1.0. `accept`: makes a WebSocket of it, where
        that was asked for."""
        self._link = link
        self._transport = link.transport
        self._keep_alive = keep_alive
        self._head_only = head_only
        self._old = old
        self._accept = accept
        self._bodiless = False
        self._chunked = False
        self._head = b""
        self.began = False

    @property
    def left(self) -> bool:
        transport = self._link.transport
        return transport is None or transport.is_closing()

    @property
    def crowded(self) -> bool:
        return self._link.writing_paused

    @property
    def keeps_open(self) -> bool:
        """Another request may follow."""
        return self._keep_alive and not self.left

    def begin(self, status: int, reason: str, lines: bytes, *, framed: bool) -> None:
        self.began = True
        head = b"HTTP/1.1 %d %b\r\n%b\r\n" % (
            status,
            reason.encode("latin-1", "replace"),
            lines,
        )
        # Without a body there is no framing either.
        self._bodiless = status in BODILESS or self._head_only
        framed = framed or self._bodiless
        persistent = self._keep_alive
        if self._old:
            # HTTP/1.0 knows no chunks: without a length the body ends with the connection.
            self._keep_alive = persistent = persistent and framed
            self._head = head + (KEEP_ALIVE if persistent else CLOSE)
        else:
            if not framed:
                self._chunked = True
                head += CHUNKED
            self._head = head + (BLANK if persistent else CLOSE)

    def write(self, data: bytes) -> bool:
        transport = self._link.transport
        if transport is None or transport.is_closing():
            return False
        head, self._head = self._head, b""
        if self._chunked:
            transport.write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        elif self._bodiless:
            # An error of ours has one, but not in answer to HEAD.
            transport.write(head)
        else:
            # Joined to nothing, `data` is not copied.
            transport.write(head + data)
        return self._link.writing_paused

    async def accept_socket(self, *, protocol: str, headers: RawHeaders) -> Socket:
        self.began = True
        self._keep_alive = False
        assert self._accept is not None, "nothing else is a session"
        return await self._accept(protocol=protocol, headers=headers)

    def flush(self) -> None:
        if self._head and self._transport is not None and self._link.transport is not None:
            self._transport.write(self._head)
            self._head = b""

    def finish(self) -> None:
        if self._chunked:
            self._head += b"0\r\n\r\n"
        if self._head:
            self.flush()

    def break_off(self) -> None:
        self._keep_alive = False
        if self._transport is not None:
            self._transport.abort()

    async def drained(self) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._link.drain()
        except TimeoutError:
            self.break_off()
        except ConnectionError:
            # The client left; `left` says so from now on.
            return
