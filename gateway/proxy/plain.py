"""A caller's connection for as long as all it asks is plain: a call, its answer, the next call.

What aiohttp would do for every request (a task that waits for tasks, a stream for the body, a URL,
a timer) is not needed for a `POST` whose length is known. Whatever else comes, be it at the
beginning or behind a hundred calls, is given to aiohttp with the connection, unread: it answers it
as if it had had the connection all along. A head that does not come whole in one piece is such, so
nothing here waits for the rest of one.
"""

import asyncio
import socket
from collections.abc import Awaitable, Mapping
from functools import cached_property
from typing import Protocol, cast
from urllib.parse import parse_qsl

from gateway.errors import BadCall, ClientLeft
from gateway.proxy.downstream import BROKE_OFF, body_late, body_too_large
from gateway.proxy.plain_head import Said, read_head
from gateway.proxy.seams import RawHeaders

# Of a body nobody asked for yet, and of requests sent ahead of their turn; a read may bring more.
HELD_BYTES_MAX = 64 * 1024
# A client that was answered before it had sent all may go on for so long, as with aiohttp.
LINGER_S = 10.0


class Lane(Protocol):
    """Who owns the connections. Called synchronously; must not raise."""

    def opened(self, connection: "PlainConnection") -> None: ...

    def lost(self, connection: "PlainConnection") -> None: ...

    def takes(self, path: str) -> bool:
        """Whether a `POST` there is a call."""
        ...

    def start(self, connection: "PlainConnection", request: "PlainRequest") -> None:
        """Serve it, and call `ended` whatever comes of it."""
        ...

    def other(self, connection: "PlainConnection") -> asyncio.Protocol:
        """Whom to give this connection."""
        ...


class PlainRequest:
    """`seams.Incoming` of a plain request."""

    method = "POST"

    def __init__(self, said: Said, length: bytes, connection: "PlainConnection") -> None:
        self._said = said
        self._length = length
        self._connection = connection
        self.headers: Mapping[str, str] = said.headers(length)
        self.address = connection.address
        self.path, self.query_string, self.notes = said.path, said.query_string, said.notes

    @property
    def raw_headers(self) -> RawHeaders:
        return self._said.fields(self._length)

    @cached_property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    def body(self, *, bytes_max: int) -> Awaitable[bytes]:
        if int(self._length) > bytes_max:
            raise body_too_large(bytes_max)
        return self._connection.body()


class PlainConnection(asyncio.Protocol):
    """One at a time: a request is served, its body taken in, what comes behind it kept."""

    def __init__(self, lane: Lane, *, body_timeout_s: float) -> None:
        self._lane = lane
        self._body_timeout_s = body_timeout_s
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.writing_paused = False
        self.address = ""
        self.serving = False
        """A request is being answered, or what is left of it has still to come."""
        self.silent_since_s = self._loop.time()
        self.said: Said | None = None
        """In the last head, and likely in the next."""
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._missing_bytes = 0
        self._ahead = b""
        self._paused = False
        self._last = False
        self._lingering: asyncio.TimerHandle | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    # What the call needs.

    async def body(self) -> bytes:
        """All of it. Raises BadCall when it breaks off or is late, ClientLeft for one that is there
        although its client is not."""
        if self._missing_bytes:
            await self._arrived()
        elif self.transport is None:
            raise ClientLeft("The client left before its call was read.")
        # Or nobody would see it leave.
        if self._paused:
            self._read_on()
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _arrived(self) -> None:
        if self.transport is None:
            raise BadCall(BROKE_OFF)
        self._arrival = self._loop.create_future()
        self._read_on()
        try:
            async with asyncio.timeout(self._body_timeout_s):
                await self._arrival
        except TimeoutError:
            raise body_late(self._body_timeout_s) from None
        except ConnectionError as error:
            raise BadCall(BROKE_OFF) from error
        finally:
            self._arrival = None

    async def drain(self) -> None:
        """Wait until the client has read most of what was written. Raises ConnectionError."""
        if self.transport is None:
            raise ConnectionResetError("the client left")
        if self.writing_paused:
            if self._drained is None or self._drained.done():
                self._drained = self._loop.create_future()
            await self._drained

    def ended(self, *, keep_open: bool) -> None:
        """The request was answered, or never will be."""
        self._last = self._last or not keep_open
        self._parts.clear()
        if self.transport is None:
            return
        if self._missing_bytes:
            # Closed on a client that still sends, the answer would be lost with the connection.
            self._read_on()
            self._lingering = self._loop.call_later(LINGER_S, self.force_close)
        else:
            self._next()

    def _next(self) -> None:
        if self._last or self.transport is None or self.transport.is_closing():
            self.force_close()
            return
        self.serving = False
        self.silent_since_s = self._loop.time()
        if self._paused:
            self._read_on()
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            self._begin(ahead)

    # What the listener needs, as of aiohttp's connections.

    def close(self) -> None:
        """Once what is being answered is answered."""
        if self.serving:
            self._last = True
        else:
            self.force_close()

    def force_close(self) -> None:
        """What was written still goes out."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.close()

    # What follows is called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        # A client whose host went away is found out in the end.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._lane.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  as the loop calls it
        self.transport = None
        self._lane.lost(self)
        if self._lingering is not None:
            self._lingering.cancel()
        for waiting in (self._arrival, self._drained):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionResetError("the client left"))
        self._ahead = b""

    def pause_writing(self) -> None:
        self.writing_paused = True

    def resume_writing(self) -> None:
        self.writing_paused = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            return
        if not self.serving:
            self._begin(data)
        elif self._missing_bytes:
            self._take(data)
        else:
            self._keep(data)

    def _begin(self, data: bytes) -> None:
        said = self.said
        length = None if said is None else said.again(data)
        if said is None or length is None:
            read = read_head(data)
            if read is None or not self._lane.takes(read[0].path):
                self._hand_over(data)
                return
            said, length = read
            self.said = said
        self.serving = True
        self._held_bytes = 0
        self._missing_bytes = int(length)
        body_from = said.size + len(length)
        if len(data) > body_from:
            self._take(data[body_from:])
        self._lane.start(self, PlainRequest(said, length, self))

    def _take(self, data: bytes) -> None:
        missing_bytes = self._missing_bytes - len(data)
        if missing_bytes < 0:
            self._keep(data[missing_bytes:])
            data, missing_bytes = data[:missing_bytes], 0
        self._missing_bytes = missing_bytes
        if self._lingering is not None:
            self._let_go()
            return
        self._parts.append(data)
        self._held_bytes += len(data)
        if self._arrival is None:
            if self._held_bytes > HELD_BYTES_MAX:
                self._pause()
        elif not missing_bytes and not self._arrival.done():
            self._arrival.set_result(None)

    def _let_go(self) -> None:
        """Of a body that nobody wants any more."""
        if not self._missing_bytes and self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
            self._next()

    def _keep(self, data: bytes) -> None:
        """Sent ahead of its turn."""
        self._ahead += data
        if len(self._ahead) > HELD_BYTES_MAX:
            self._pause()

    def _pause(self) -> None:
        transport = self.transport
        if transport is not None and not transport.is_closing():
            self._paused = True
            transport.pause_reading()

    def _read_on(self) -> None:
        if self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def _hand_over(self, data: bytes) -> None:
        transport, self.transport = self.transport, None
        assert transport is not None, "something came by it"
        other = self._lane.other(self)
        transport.set_protocol(other)
        other.connection_made(transport)
        if self.writing_paused:
            other.pause_writing()
        other.data_received(data)
