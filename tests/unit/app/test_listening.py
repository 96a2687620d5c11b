"""Who connects in a burst waits in the socket's queue, and is taken in several at a time."""

import asyncio
import socket
from contextlib import ExitStack

import uvloop
from aiohttp import web

from gateway.app.listening import Listener, _listening
from gateway.app.operators import OperatorsListener

# More than a listener's queue holds where nobody says how long it is.
BURST = 300
SEVERAL = 8


def burst(listening: socket.socket, clients: ExitStack) -> None:
    """Connects while the event loop stands still. Raises TimeoutError for one turned away."""
    for _ in range(BURST):
        clients.enter_context(socket.create_connection(listening.getsockname(), timeout=5))


class Taken(asyncio.Protocol):
    def __init__(self, taken: list[asyncio.BaseTransport]) -> None:
        self._taken = taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._taken.append(transport)


def test_a_burst_of_callers_waits_and_is_taken_in_by_several() -> None:
    async def turns() -> int:
        taken: list[asyncio.BaseTransport] = []
        listener = await Listener.open(listening, lambda: Taken(taken))
        burst(listening, clients)
        # The first turn looks at the sockets, the second has what came of it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        count = len(taken)
        # uvloop waits for ever when it is closed with some of them open.
        while len(taken) < BURST:
            await asyncio.sleep(0.01)
        for transport in taken:
            transport.close()
        listener.close()
        await asyncio.sleep(0.01)
        return count

    with ExitStack() as clients, _listening("127.0.0.1", 0) as listening:
        assert SEVERAL <= uvloop.run(turns()) < BURST


def test_operators_are_taken_in_as_callers_are() -> None:
    async def turns() -> int:
        operators = OperatorsListener(web.Application(), on_fault=lambda _where, _fault: None)
        await operators.open(listening)
        burst(listening, clients)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert operators._runner.server is not None
        count = len(operators._runner.server.connections)
        # Whoever is taken in at the very moment of closing is waited for.
        while len(operators._runner.server.connections) < BURST:
            await asyncio.sleep(0.01)
        await operators.close()
        await operators.close()
        return count

    with ExitStack() as clients, _listening("127.0.0.1", 0) as listening:
        assert SEVERAL <= uvloop.run(turns()) < BURST
