"""The store as a worker sees it: one connection, kept up, shared by all calls.

Knows connecting, loading scripts and when to give up; not what the scripts mean. Calls made
while the store is away fail at once: a worker must answer 503 in milliseconds, not queue.
"""

import asyncio
import random
from enum import StrEnum
from typing import Any

from gateway.errors import GatewayError
from gateway.stores.redis.address import parse_address
from gateway.stores.redis.lua import SCRIPTS, Script
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.wire import Decode, Part, Request, T, Wire
from gateway.tasks import TaskSet

CONNECT_S = 2.0
BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 1.0


class State(StrEnum):
    """STALLED: connected, but the oldest call has waited longer than the time-out."""

    CONNECTED = "connected"
    STALLED = "stalled"
    LOST = "lost"


def _as_is(reply: object) -> object:
    return reply


class RedisClient:
    """`timeout_s` bounds every call: afterwards its outcome is unknown (StoreUnavailable)."""

    def __init__(self, url: str, *, tasks: TaskSet, timeout_s: float = 0.2) -> None:
        self._address = parse_address(url)
        self._tasks = tasks
        self._timeout_s = timeout_s
        self._wire: Wire | None = None
        self._closed = False

    @property
    def state(self) -> State:
        if self._wire is None:
            return State.LOST
        return State.STALLED if self._wire.stalled else State.CONNECTED

    async def open(self) -> None:
        """Connect and load the scripts. Raises StoreUnavailable, and then nothing is running."""
        self._wire = await self._connect()

    async def close(self) -> None:
        """Send what is queued and hang up, for good."""
        self._closed = True
        if self._wire is not None:
            self._wire.close()

    def command(
        self, *parts: Part, decode: Decode[Any] = _as_is
    ) -> asyncio.Future[Any]:  # Any: a raw reply is whatever the command answers
        """Queue one command for the next write; the future gets `decode` of the raw reply."""
        if self._wire is None:
            return _failed()
        return self._wire.command(parts, decode)

    def run(self, script: Script, request: Request, decode: Decode[T]) -> asyncio.Future[T]:
        """Queue a script: `request` is the number of keys, the keys, then the arguments.

        Queued before this returns: a caller cancelled while waiting has still asked. Never
        sent twice by itself.
        """
        if self._wire is None:
            return _failed()
        return self._wire.run(script, request, decode)

    async def ping(self) -> None:
        """Raises StoreUnavailable unless the server answers in time."""
        await self.command("PING")

    async def _connect(self) -> Wire:
        wire = Wire(timeout_s=CONNECT_S, lost=lambda: self._on_lost(wire))
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._address.connect(wire)
                await self._introduce(wire)
        except OSError as error:
            wire.abort()
            raise unavailable("nobody answers at its address") from error
        except BaseException:
            wire.abort()
            raise
        if not wire.connected:
            raise unavailable("the connection broke while it was being set up")
        wire.expect_answers_within(self._timeout_s)
        return wire

    async def _introduce(self, wire: Wire) -> None:
        address = self._address
        hello: list[tuple[Part, ...]] = []
        if address.password:
            user = (address.username,) if address.username else ()
            hello.append(("AUTH", *user, address.password))
        if address.db:
            hello.append(("SELECT", address.db))
        hello.extend(("SCRIPT", "LOAD", script.body) for script in SCRIPTS)
        await asyncio.gather(*(wire.command(parts, _as_is) for parts in hello))

    def _on_lost(self, wire: Wire) -> None:
        # A connection that broke while it was being made is its maker's business.
        if wire is not self._wire:
            return
        self._wire = None
        if not self._closed:
            self._tasks.start(self._reconnect(), name="reconnect to the store")

    async def _reconnect(self) -> None:
        pause_s = BACKOFF_FIRST_S
        while not self._closed:
            try:
                wire = await self._connect()
            except GatewayError:
                # Jitter keeps the workers of a machine from knocking in step.
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                pause_s = min(pause_s * 2, BACKOFF_MAX_S)
            else:
                if self._closed:
                    wire.abort()
                self._wire = wire
                return


def _failed() -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(unavailable("not connected to the store"))
    return future
