"""aiohttp's servers, made to keep to themselves what they could not read.

By itself aiohttp quotes a malformed request, be it a key or a prompt, in its answer and in a
traceback on stderr. Here what is malformed is answered as every refusal is, and what aiohttp would
log is told to us as a fault, if it is one, without its text.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from gateway.proxy.plain import PlainConnection, PlainRequest
from gateway.proxy.slow_heads import Connection, SlowHeads
from gateway.tasks import TaskSet

# Of a connection between two requests, on either side of the hand-over.
KEEPALIVE_S = 75.0
# A connection that was silent for so long keeps nothing of its last request, which held a key.
SAID_S = 5.0

OnFault = Callable[[str, BaseException], None]


class Answering(Protocol):
    """What answers callers."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse: ...

    def malformed(self, request: web.BaseRequest, *, ours: bool) -> web.StreamResponse:
        """The answer to what is no request or, if `ours`, met a bug."""
        ...

    def busy(self) -> AbstractSet[RequestHandler]:
        """The connections on which `handle` is answering."""
        ...

    def takes(self, path: str) -> bool:
        """Whether a plain request for it is a call."""
        ...

    def call(self, request: PlainRequest, connection: PlainConnection) -> Awaitable[bool]:
        """Answer one; whether another request may follow on its connection."""
        ...


def log_of_faults(on_fault: OnFault) -> logging.Logger:
    """For aiohttp in place of its own: tells bugs, by their type, and nothing of a request."""
    # Not of the hierarchy: nothing it is told reaches another handler.
    logger = logging.Logger("gateway.http", logging.ERROR)  # noqa: LOG001  see above
    logger.addHandler(_Faults(on_fault))
    return logger


class _Faults(logging.Handler):
    def __init__(self, on_fault: OnFault) -> None:
        super().__init__()
        self._on_fault = on_fault

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        # Of the admin listener: what a client sent is no fault of ours.
        if fault is not None and not isinstance(fault, HttpProcessingError):
            self._on_fault("http", fault)


class CallsServer(web.Server):
    """The listener of callers. Each connection begins as a plain one; what else comes by it than
    calls with a length is aiohttp's."""

    def __init__(
        self,
        answering: Answering,
        *,
        slow_heads: SlowHeads,
        on_fault: OnFault,
        body_timeout_s: float,
    ) -> None:
        super().__init__(
            answering.handle,
            # A request's bytes are inspected and forwarded as they came, never unpacked.
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            logger=log_of_faults(on_fault),
        )
        self.answering = answering
        self._slow_heads = slow_heads
        self._on_fault = on_fault
        self._body_timeout_s = body_timeout_s
        self._open: set[PlainConnection] = set()
        self._calls = TaskSet()

    def __call__(self) -> PlainConnection:  # type: ignore[override]  # see the class
        return PlainConnection(self, body_timeout_s=self._body_timeout_s)

    @property
    def connections(self) -> list[Connection]:  # type: ignore[override]  # of both kinds
        return [*self._open, *super().connections]

    def busy(self) -> AbstractSet[Connection]:
        """Connections on which something is being answered."""
        return {each for each in self._open if each.serving} | self.answering.busy()

    def sweep(self) -> None:
        """Close what has been silent for too long, and before that forget what it said; to be
        called regularly."""
        now_s = asyncio.get_running_loop().time()
        if not self._slow_heads.sweep(self, now_s=now_s):
            return
        for connection in tuple(self._open):
            if connection.serving:
                continue
            silent_s = now_s - connection.silent_since_s
            if silent_s >= SAID_S:
                connection.said = None
            if silent_s >= KEEPALIVE_S:
                connection.force_close()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  aiohttp's
        await self._calls.drain(timeout_s=timeout or 0.0)
        await self._calls.cancel()
        for connection in tuple(self._open):
            connection.force_close()
        await super().shutdown(timeout)

    # What a plain connection asks of its owner.

    def opened(self, connection: PlainConnection) -> None:
        self._open.add(connection)

    def lost(self, connection: PlainConnection) -> None:
        self._open.discard(connection)

    def takes(self, path: str) -> bool:
        return self.answering.takes(path)

    def start(self, connection: PlainConnection, request: PlainRequest) -> None:
        self._slow_heads.spoke(connection)
        self._calls.start(self._answer(connection, request), name="call")

    async def _answer(self, connection: PlainConnection, request: PlainRequest) -> None:
        keep_open = False
        try:
            keep_open = await self.answering.call(request, connection)
        except Exception as fault:  # noqa: BLE001  the edge: a bug of one call is not the next one's
            self._on_fault("http", fault)
        finally:
            connection.ended(keep_open=keep_open)

    def other(self, connection: PlainConnection) -> asyncio.Protocol:
        self._open.discard(connection)
        other = _Connection(self, loop=self._loop, **self._kwargs)
        self._slow_heads.succeeded(connection, other)
        return other


class _Connection(RequestHandler):
    """One connection of a caller's that is not plain."""

    __slots__ = ("_malformed",)

    def __init__(self, server: CallsServer, **options: Any) -> None:  # noqa: ANN401  as given to the server
        super().__init__(server, **options)
        self._malformed = server.answering.malformed

    async def drain(self) -> None:
        """Wait until the client has read most of what was written. Raises ConnectionError."""
        await self._drain_helper()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  it quotes what came
    ) -> web.StreamResponse:
        """Called by aiohttp."""
        ours = status != HTTPStatus.BAD_REQUEST
        if ours:
            self.log_exception("A request met a bug.", exc_info=exc)
        if request.writer.output_size > 0:
            # As aiohttp does: an answer has begun, and nothing may follow in it.
            raise ConnectionError("an answer has begun")
        return self._malformed(request, ours=ours)
