"""How the connections of callers end when a worker leaves, without a call being lost.

A worker that leaves goes on serving what is asked on open connections, and its answers say
`Connection: close`. A connection that has been silent for a moment is closed: whoever keeps one
open for later finds it closed before asking anything.
"""

import asyncio
import socket

from gateway.app.server import CallsServer
from gateway.proxy.slow_heads import Connection

# Longer than what lies between an answer and the next request of a busy client.
SILENT_S = 2.0
LOOK_S = 0.05


async def take_in(listening: socket.socket, server: CallsServer) -> None:
    """Accept what has connected and is still waiting: closing the socket would turn it away."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            waiting, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        waiting.settimeout(0)
        await loop.connect_accepted_socket(server, waiting)


async def connections_ended(server: CallsServer, *, timeout_s: float) -> None:
    """Wait until no connection is open, closing those that are silent, up to the deadline."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + timeout_s
    silent_since_s: dict[Connection, float] = {}
    while (connections := set(server.connections)) and (now_s := loop.time()) < until_s:
        silent_since_s = {
            each: silent_since_s.get(each, now_s) for each in connections - server.busy()
        }
        for connection, since_s in silent_since_s.items():
            if now_s - since_s >= SILENT_S:
                connection.close()
        await asyncio.sleep(min(LOOK_S, until_s - now_s))
