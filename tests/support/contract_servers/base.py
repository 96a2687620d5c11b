"""What all contract servers share: a real listener, and faults that are played one by one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Fault:
    """`when`: whether the request has had its effect. `kind`: hang, reset or a status."""

    kind: str
    when: str = BEFORE


HANG_BEFORE, HANG_AFTER = Fault("hang"), Fault("hang", AFTER)
RESET_BEFORE, RESET_AFTER = Fault("reset"), Fault("reset", AFTER)
SLOW_DOWN = Fault("429")
BROKEN_BEFORE, BROKEN_AFTER = Fault("500"), Fault("500", AFTER)
BAD_GATEWAY_AFTER = Fault("502", AFTER)
ALL_FAULTS = (
    *(HANG_BEFORE, HANG_AFTER, RESET_BEFORE, RESET_AFTER),
    *(SLOW_DOWN, BROKEN_BEFORE, BROKEN_AFTER, BAD_GATEWAY_AFTER),
)
# Longer than any time-out of a test's sink.
HANG_S = 30.0


class ContractServer:
    """Subclasses say what a request does. `faults` are played in order, then `always`, then all
    is well."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.url = ""
        self.port = 0

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        raise NotImplementedError

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(request)
        self.bodies.append(body)
        fault = self.faults.popleft() if self.faults else self.always
        if fault is None:
            return await self.answer(request, body)
        if fault.when == AFTER:
            await self.answer(request, body)
        return await self._fail(request, fault.kind)

    async def _fail(self, request: web.BaseRequest, kind: str) -> web.StreamResponse:
        if kind == "hang":
            await asyncio.sleep(HANG_S)
        if kind in ("hang", "reset"):
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        headers = {"Retry-After": "1"} if kind == "429" else {}
        return web.Response(status=int(kind), headers=headers)

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["ContractServer"]:
        server = web.Server(self._handle)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)
        self.port = listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            listener.close()
            await server.shutdown(timeout=0.1)


def json_error(status: int, content: Any) -> web.Response:
    return web.json_response(content, status=status)
