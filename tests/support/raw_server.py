"""A scripted upstream on a real socket: sends exactly the bytes a test wants, when it wants."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One accepted connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """The next request, head and body; empty when the client has closed."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return head + await self._reader.readexactly(int(value))
        return head

    async def send(self, *parts: bytes) -> None:
        """Send the parts so that the client reads them one by one."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()
            # Both sides share one loop: after two turns the client has read what was sent.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def push(self, data: bytes) -> None:
        """Send without waiting for a client that may not read."""
        self._writer.write(data)

    @property
    def unsent_bytes(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def half_close(self) -> None:
        self._writer.write_eof()

    def reset(self) -> None:
        """Close so that the client gets RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client has closed, whatever it still sends."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            return

    def close(self) -> None:
        self._writer.close()


class RawServer:
    """Runs `script` for every connection; a connection is closed when its script returns.

    Leaving the context raises whatever went wrong in a script.
    """

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: list[BaseException] = []
        self.connections = 0
        self.closed = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "localhost", 0, family=socket.AF_INET, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._faults and error is None:
            raise self._faults[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._script(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client left, or the test is over: streams would complain about a cancelled task.
            pass
        except Exception as fault:
            self._faults.append(fault)
            raise
        finally:
            self.closed += 1
            self._tasks.discard(task)
            writer.close()


def answering(*parts: bytes) -> Script:
    """A script that answers every request with the same bytes and keeps the connection."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(*parts)

    return script
