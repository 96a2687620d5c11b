"""The listening sockets, opened once by the process that forks and shared with its workers.

Each worker has a socket of its own for callers, under SO_REUSEPORT, so the kernel spreads
connections over them. They stay open while workers come and go: who connects in between waits in
the socket's queue for the next worker instead of being turned away. Operators' socket is one for
all workers, so that any of them can answer.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.settings.values import Settings

# A burst of callers waits here; what does not fit, their TCP tries again after a second or more.
BACKLOG = 4096
# libuv, and so uvloop, takes in one connection in a turn of the loop. The turns of a busy loop are
# long, and new callers would wait behind those who are connected: so it is asked several times.
TAKEN_IN_EACH_TURN = 16


@dataclass(frozen=True, slots=True)
class Sockets:
    calls: Sequence[socket.socket]
    admin: socket.socket

    def close(self) -> None:
        """In this process; whoever inherited them goes on listening."""
        for each in (*self.calls, self.admin):
            each.close()


def open_sockets(settings: Settings) -> Sockets:
    """Bound and listening, one for each worker and one for operators.

    Raises OSError, naming the address, for a port that is taken.
    """
    listen, admin = settings.listen, settings.admin
    operators = _listening(admin.host, admin.port)
    callers: list[socket.socket] = []
    port = listen.port
    try:
        for _ in range(listen.workers):
            callers.append(_listening(listen.host, port))
            # The first may have let the system choose.
            port = callers[0].getsockname()[1]
    except OSError:
        Sockets(callers, operators).close()
        raise
    return Sockets(callers, operators)


class Listener:
    """Takes in who connects to one socket, several in a turn of the loop."""

    def __init__(self, servers: Sequence[asyncio.Server]) -> None:
        self._servers = servers

    @classmethod
    async def open(
        cls, listening: socket.socket, factory: Callable[[], asyncio.Protocol]
    ) -> "Listener":
        loop = asyncio.get_running_loop()
        return cls(
            [
                # It listens once more, and without saying so with a short queue.
                await loop.create_server(factory, sock=listening.dup(), backlog=BACKLOG)
                for _ in range(TAKEN_IN_EACH_TURN)
            ]
        )

    def close(self) -> None:
        """Takes in nobody any more; the socket itself, and who waits there, is left alone."""
        for server in self._servers:
            server.close()


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    opened = socket.socket(family, kind, protocol)
    try:
        # Connections of an earlier run that are still closing do not count.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
        opened.settimeout(0)
    except OSError as error:
        opened.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    return opened
