"""Connections that never get to their first request are closed after a while.

aiohttp bounds how long a used connection may idle, but not how long the first request head may
take: without this, opening sockets and trickling headers costs an attacker nothing.
"""

from collections.abc import Iterable
from typing import Protocol

# Deadlines are tens of seconds; looking at every connection each tick would be waste.
LOOK_S = 1.0


class Connection(Protocol):
    """One of a caller's."""

    def close(self) -> None:
        """Once what is being answered is answered."""
        ...

    def force_close(self) -> None: ...


class Server(Protocol):
    @property
    def connections(self) -> Iterable[Connection]: ...


class SlowHeads:
    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._spoke: set[Connection] = set()
        self._silent_since_s: dict[Connection, float] = {}
        self._looked_s = 0.0

    def spoke(self, connection: Connection) -> None:
        """A whole request head arrived on this connection."""
        self._spoke.add(connection)

    def succeeded(self, connection: Connection, other: Connection) -> None:
        """`other` goes on in its place: it has been silent for as long."""
        if connection in self._spoke:
            self._spoke.add(other)
        elif (since_s := self._silent_since_s.get(connection)) is not None:
            self._silent_since_s[other] = since_s

    def sweep(self, server: Server, *, now_s: float) -> bool:
        """Close what has been silent for too long; to be called regularly. Whether it looked."""
        if now_s - self._looked_s < LOOK_S:
            return False
        self._looked_s = now_s
        connections = set(server.connections)
        self._spoke &= connections
        silent = connections - self._spoke
        self._silent_since_s = {
            connection: self._silent_since_s.get(connection, now_s) for connection in silent
        }
        for connection, since_s in self._silent_since_s.items():
            if now_s - since_s >= self._timeout_s:
                connection.force_close()
        return True
