"""The pooled connections to one provider.

Newest idle connection first, so that the rest may grow old and be closed. A connection that had
gone stale is replaced once, as long as the provider cannot have begun to work on the request.
Knows nothing of metering, header policy or of choosing between providers.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

from gateway.errors import ConfigError, UpstreamFailed, UpstreamTimeout
from gateway.proxy.answer import Answer
from gateway.proxy.connection import Connection, Unanswered
from gateway.proxy.framing import request_line

STALE_WITHIN_S = 2.0
"""A provider that had closed an idle connection says so within a round trip. One that drops it
later may have worked, and billed, in the meantime: asking again could pay twice."""

CLOSE_TIMEOUT_S = 1.0
"""Aborted sockets are gone within two turns of the loop; TLS takes a few more."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a provider lives. `path_prefix` has no trailing slash; a target is appended to it."""

    scheme: str
    host: str
    port: int
    path_prefix: str = ""

    @classmethod
    def parse(cls, base_url: str) -> "Origin":
        """Raises ConfigError for anything but http(s)://host[:port][/path]."""
        try:
            url = urlsplit(base_url)
            port = url.port
            (url.hostname or "").encode("idna")
        except ValueError as error:
            raise ConfigError(f"base URL: {error}") from error
        if url.scheme not in _DEFAULT_PORTS or not url.hostname:
            raise ConfigError("base URL: expected http://host or https://host, with port and path")
        if url.username is not None or url.query or url.fragment:
            raise ConfigError("base URL: leave out user, query and fragment")
        return cls(
            scheme=url.scheme,
            host=url.hostname,
            port=port or _DEFAULT_PORTS[url.scheme],
            path_prefix=url.path.rstrip("/"),
        )

    @property
    def authority(self) -> bytes:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port != _DEFAULT_PORTS[self.scheme]:
            host = f"{host}:{self.port}"
        return host.encode("idna")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Bounds of one provider's pool. `tls` None: the system's roots, for https origins."""

    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 300.0
    idle_timeout_s: float = 120.0
    keepalive_s: float = 30.0
    connections_max: int = 1000
    head_bytes_max: int = 65536
    tls: ssl.SSLContext | None = None


def provider_tls(ca_file: str | None = None) -> ssl.SSLContext:
    """A verifying context for HTTP/1.1; `ca_file` replaces the system's roots."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Pool:
    """Connections to one origin, at most `connections_max`, opened when needed."""

    def __init__(self, origin: Origin, settings: PoolSettings) -> None:
        self._origin = origin
        self._settings = settings
        self._tls: ssl.SSLContext | None = None
        if origin.scheme == "https":
            self._tls = settings.tls or provider_tls()
        # Insertion order makes the dictionary a stack with cheap removal from the middle.
        self._idle: dict[Connection, None] = {}
        self._open: set[Connection] = set()
        self._connecting = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    async def request(
        self,
        method: str,
        target: str,
        *,
        fields: bytes,
        body: bytes,
        on_send: Callable[[], None] | None = None,
    ) -> Answer:
        """Send one request; return once the final response head has arrived.

        `on_send` is called when there is a connection: the provider may have it from then on.
        `fields` go out as they are: Host and Content-Length must be among them. Raises
        UpstreamFailed or UpstreamTimeout, and BadCall for a target that cannot be written.
        """
        line = request_line(method, self._origin.path_prefix + target)
        head = b"%b%b\r\n" % (line, fields)
        head_only = method == "HEAD"
        connection = self._take_idle() or await self._acquire()
        if on_send is not None:
            on_send()
        stale_until_s = 0.0
        if connection.used:
            stale_until_s = monotonic() + STALE_WITHIN_S
        try:
            return await connection.exchange(head, body, head_only=head_only)
        except Unanswered:
            if monotonic() >= stale_until_s:
                raise
        # The dying connection leaves its place to this one.
        self._connecting += 1
        connection = await self._connect()
        return await connection.exchange(head, body, head_only=head_only)

    def sweep(self) -> None:
        """Enforce first-byte and idle deadlines and close what was idle for too long.

        To be called every quarter of a second; there is no other timer.
        """
        now_s = asyncio.get_running_loop().time()
        for connection in tuple(self._open):
            connection.sweep(now_s)

    async def close(self) -> None:
        """Break off what runs and drop every connection; nothing can be requested any more."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(_pool_closed())
        for connection in tuple(self._open):
            connection.fail(_pool_closed())
        if self._open:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._emptied,), timeout=CLOSE_TIMEOUT_S)

    # What follows is called by the connections.

    def opened(self, connection: Connection) -> None:
        self._open.add(connection)

    def released(self, connection: Connection) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle[connection] = None

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._offer_places()
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.popitem()
            if not connection.closed:
                return connection
        return None

    async def _acquire(self) -> Connection:
        if self._closed:
            raise _pool_closed()
        if not self._has_place():
            return await self._wait_for_place() or await self._connect()
        self._connecting += 1
        return await self._connect()

    def _has_place(self) -> bool:
        return len(self._open) + self._connecting < self._settings.connections_max

    def _offer_places(self) -> None:
        """Let waiting requests connect as far as there is room; the room is taken here already."""
        while self._waiters and self._has_place():
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._connecting += 1
                waiter.set_result(None)

    async def _wait_for_place(self) -> Connection | None:
        """A connection that became free, or None: a place to open one, already counted."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        timeout_s = self._settings.connect_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter
        except BaseException as error:
            self._hand_back(waiter)
            if isinstance(error, TimeoutError):
                raise UpstreamTimeout(
                    f"All {self._settings.connections_max} connections to the provider were busy "
                    f"for {timeout_s:g} s.",
                    code="upstream_busy",
                ) from error
            raise

    def _hand_back(self, waiter: "asyncio.Future[Connection | None]") -> None:
        """Pass on what this waiter was given in the very moment it stopped waiting."""
        if not waiter.done() or waiter.cancelled():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return
        if waiter.exception() is not None:
            return
        connection = waiter.result()
        if connection is None:
            self._connecting -= 1
            self._offer_places()
        elif not connection.closed:
            self.released(connection)

    async def _connect(self) -> Connection:
        """Open a connection in a place that is already counted in `_connecting`."""
        connection = Connection(self._settings, self)
        timeout_s = self._settings.connect_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._dial(connection)
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"The provider accepted no connection within {timeout_s:g} s.",
            ) from error
        except OSError as error:
            raise UpstreamFailed(
                f"The provider could not be reached: {error.strerror or type(error).__name__}.",
            ) from error
        finally:
            self._connecting -= 1
            self._offer_places()
        if self._closed:
            connection.close()
            raise _pool_closed()
        return connection

    async def _dial(self, connection: Connection) -> None:
        tls = self._tls
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                self._origin.host,
                self._origin.port,
                ssl=tls,
                server_hostname=None if tls is None else self._origin.host,
            )
        except BaseException:
            # A cancelled attempt may have got its socket, or get it even now; uvloop then closes
            # it without a word to the protocol.
            connection.close()
            self.lost(connection)
            raise


def _pool_closed() -> UpstreamFailed:
    return UpstreamFailed("The gateway closed its connections to the provider.")
