"""The listener of operators: health, readiness, metrics, the admin API and its pages."""

import socket

from aiohttp import web

from gateway.app.listening import Listener
from gateway.app.server import OnFault, log_of_faults


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
        await self._runner.cleanup()
