"""What the pipeline sees of the outside: the client's side and the provider's side.

The pipeline imports neither aiohttp nor our upstream connection; it runs against these, so
either side can be replaced, and tests drive it with two small fakes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from gateway.proxy.notes import Notes
from gateway.proxy.trace import Trace
from gateway.values import small_value

RawHeaders = Sequence[tuple[bytes, bytes]]


class Incoming(Protocol):
    """One request as the client sent it."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str:
        """Undecoded, without the query."""
        ...

    @property
    def query_string(self) -> str: ...

    @property
    def query(self) -> Mapping[str, str]: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Case-insensitive."""
        ...

    @property
    def raw_headers(self) -> RawHeaders: ...

    @property
    def notes(self) -> Notes:
        """What follows from all of the above."""
        ...

    @property
    def address(self) -> str:
        """Whom the connection is from: a proxy in front, if there is one."""
        ...

    def body(self, *, bytes_max: int) -> Awaitable[bytes]:
        """Raises BodyTooLarge, or BadCall when the client breaks off or sends it too slowly."""
        ...


Frame = str | bytes
"""One message of a WebSocket: text, or binary."""


class Socket(Protocol):
    """One side of a WebSocket conversation."""

    async def receive(self) -> Frame | None:
        """The next message; None once the other side has closed or is gone."""
        ...

    async def send(self, frame: Frame) -> None:
        """Waits for a peer that reads slowly, up to a deadline. A peer that is gone is nothing to
        tell: `receive` says so."""
        ...

    async def close(self, *, code: int, reason: str = "") -> None:
        """Within a deadline, whatever the peer does. Closing twice does nothing."""
        ...

    @property
    def close_code(self) -> int:
        """As the peer closed it, 1000 if it gave none."""
        ...


class SocketProvider(Protocol):
    """One provider, asked for WebSockets."""

    async def connect(
        self, target: str, *, headers: RawHeaders, protocols: Sequence[str]
    ) -> tuple[Socket, str]:
        """The socket and the subprotocol the provider chose ("" for none). Raises UpstreamFailed,
        also when the provider refuses the upgrade."""
        ...


class Downstream(Protocol):
    """The way back to the client. Writing never waits; `crowded` asks the writer to."""

    @property
    def began(self) -> bool: ...

    @property
    def left(self) -> bool:
        """The client is gone."""
        ...

    @property
    def crowded(self) -> bool:
        """The client reads slower than we write: stop reading upstream until `drained`."""
        ...

    def begin(self, status: int, reason: str, lines: bytes, *, framed: bool) -> None:
        """Queue the head, whose fields are `lines`; it leaves with the first body bytes. Unless it
        is `framed` by a Content-Length among them, the body is sent in chunks (or ended by closing,
        for HTTP/1.0)."""
        ...

    def write(self, data: bytes) -> bool:
        """Whether the client is `crowded` now. Does nothing once it has left."""
        ...

    async def accept_socket(self, *, protocol: str, headers: RawHeaders) -> Socket:
        """Answer the request with the upgrade to a WebSocket it asked for."""
        ...

    def flush(self) -> None:
        """Send the head now if no body byte took it along."""
        ...

    def finish(self) -> None:
        """The body is complete."""
        ...

    def break_off(self) -> None:
        """End so that the client sees a broken answer, never a clean one."""
        ...

    async def drained(self) -> None:
        """Wait until the client has caught up or left; one that does neither is broken off."""
        ...


class Answer(Protocol):
    """A provider's response whose head has arrived."""

    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]

    @property
    def over(self) -> bool:
        """Nothing more comes: the body is complete, or was broken off by `error`."""
        ...

    @property
    def error(self) -> Exception | None: ...

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done when it is over; for those who only wait for that."""
        ...

    def relay_to(
        self, sink: Callable[[bytes], None], *, ended: Callable[[], None] | None = None
    ) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def cancel(self) -> None: ...


class Upstream(Protocol):
    """One provider's pooled connections."""

    async def request(
        self,
        method: str,
        target: str,
        *,
        fields: bytes,
        body: bytes,
        on_send: Callable[[], None] | None = None,
    ) -> Answer:
        """`fields` as `framing.field_lines` writes them: it is what refuses lines that are none.
        `on_send` is called when there is a connection, before the request is written to it."""
        ...

    def sweep(self) -> None: ...

    async def close(self) -> None: ...


@small_value
class Exchange:
    """One request, the way back, and what is observed of it."""

    request: Incoming
    downstream: Downstream
    trace: Trace
