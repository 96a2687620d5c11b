"""Connections that never get to their first request are closed after a while.

aiohttp bounds how long a used connection may idle, but not how long the first request head may
take: without this, opening sockets and trickling headers costs an attacker nothing.
"""

import asyncio

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

# Deadlines are tens of seconds; looking at every connection each tick would be waste.
LOOK_S = 1.0


class SlowHeads:
    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._spoke: set[RequestHandler] = set()
        self._silent_since_s: dict[RequestHandler, float] = {}
        self._looked_s = 0.0

    def spoke(self, connection: RequestHandler) -> None:
        """A whole request head arrived on this connection."""
        self._spoke.add(connection)

    def sweep(self, server: web.Server) -> None:
        """Close what has been silent for too long; to be called regularly."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s < LOOK_S:
            return
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
