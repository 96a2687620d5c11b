"""The listener of operators: health, readiness, metrics, the admin API and its pages."""

import asyncio
import socket

from aiohttp import web

from gateway.app.listening import Listener
from gateway.app.server import OnFault, log_of_faults

# Of the loop, from a connection's being accepted to its waiting for the first request.
TURNS_TO_TAKE_IN = 4


class OperatorsListener:
    def __init__(self, application: web.Application, *, on_fault: OnFault) -> None:
        self._runner = web.AppRunner(
            application, access_log=None, auto_decompress=False, logger=log_of_faults(on_fault)
        )
        self._listener: Listener | None = None

    async def open(self, listening: socket.socket) -> None:
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "it is set up"
        self._listener = await Listener.open(listening, server)

    async def close(self) -> None:
        """Answer what was asked, and take in nobody any more. Twice does nothing more."""
        if self._listener is not None:
            self._listener.close()
            # Who was taken in just now must wait for a request before aiohttp tells it that there
            # will be none: else it is waited for as long as a request may take, a minute.
            for _ in range(TURNS_TO_TAKE_IN):
                await asyncio.sleep(0)
        await self._runner.cleanup()
