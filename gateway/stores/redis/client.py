"""The store as a worker sees it: commands and scripts, wherever the server is that runs them.

One server, the master that sentinels name, or a cluster: the URL says which. Knows not what the
scripts mean. Calls made while the store is away fail at once: a worker must answer 503 in
milliseconds, not queue.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from gateway.errors import StoreUnavailable
from gateway.stores.redis.address import Address, Form, parse_place
from gateway.stores.redis.cluster import Cluster
from gateway.stores.redis.lua import Script
from gateway.stores.redis.node import State
from gateway.stores.redis.one_server import OneServer
from gateway.stores.redis.operations import Gathering, Operation, Shared
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.slots import (
    ANY,
    first_key,
    slot_of_command,
    slot_of_key,
    slot_of_request,
)
from gateway.stores.redis.wire import Decode, Part, Request, T, Wire
from gateway.tasks import TaskSet


def _as_is(reply: object) -> object:
    return reply


class Route(Protocol):
    """The way to the server of a slot."""

    @property
    def state(self) -> State: ...

    @property
    def masters(self) -> Sequence[Address]:
        """The servers that take writes, as far as they are known."""
        ...

    async def open(self) -> None: ...

    async def ready(self) -> None: ...

    def wire_of(self, slot: int) -> Wire | None: ...

    def close(self) -> None: ...


class RedisClient:
    """`timeout_s` bounds every call: afterwards its outcome is unknown (StoreUnavailable)."""

    def __init__(self, url: str, *, tasks: TaskSet, timeout_s: float = 0.2) -> None:
        place = parse_place(url)
        self.sharded = place.form is Form.CLUSTER
        """Of one server every slot is its own: a command may touch the keys of any."""
        self.connections = 0
        """Made so far, to any server: with another than before, or one that was restarted, what
        was confirmed last may be missing."""
        route = Cluster if self.sharded else OneServer
        self._route: Route = route(place, tasks=tasks, timeout_s=timeout_s, up=self._count)
        self._gathering = Gathering(self._send, self._flush)
        self._to_flush: set[Wire] = set()

    def _count(self) -> None:
        self.connections += 1

    @property
    def state(self) -> State:
        return self._route.state

    @property
    def masters(self) -> Sequence[Address]:
        """The servers that take writes, as far as they are known."""
        return self._route.masters

    async def open(self) -> None:
        """Connect and load the scripts. Raises StoreUnavailable, and then nothing is running."""
        await self._route.open()

    async def ready(self) -> None:
        """Returns once connected, having begun to connect; whoever asks sets the deadline."""
        await self._route.ready()

    async def close(self) -> None:
        """Send what is queued and hang up, for good."""
        self._gathering.leave()
        self._route.close()

    def command(
        self, *parts: Part, decode: Decode[Any] = _as_is
    ) -> asyncio.Future[Any]:  # Any: a raw reply is whatever the command answers
        """Queue one command for the next write; the future gets `decode` of the raw reply."""
        self._gathering.leave()
        slot = slot_of_command(parts) if self.sharded else ANY
        wire = self._route.wire_of(slot)
        return _failed() if wire is None else wire.command(parts, decode, slot=slot)

    def run(self, script: Script, request: Request, decode: Decode[T]) -> asyncio.Future[T]:
        """Queue a script: `request` is the number of keys, the keys, then the arguments.

        Queued before this returns: a caller cancelled while waiting has still asked. Sent again
        only where a server answered that it did not run it.
        """
        self._gathering.leave()
        slot = slot_of_request(request) if self.sharded else ANY
        wire = self._route.wire_of(slot)
        return _failed() if wire is None else wire.run(script, request, decode, slot=slot)

    def operate(self, operation: Operation, decode: Decode[T]) -> asyncio.Future[T]:
        """As `run`, of an operation of `calls.lua`: it shares a script with what else is asked in
        this turn of the event loop."""
        slot = slot_of_key(first_key(operation[1])) if self.sharded else ANY
        return self._gathering.ask(operation, decode, slot=slot)

    def _send(self, call: Shared) -> None:
        wire = self._route.wire_of(call.slot)
        if wire is None:
            call.failed(_away())
        else:
            self._to_flush.add(wire)
            wire.send(call)

    def _flush(self) -> None:
        while self._to_flush:
            self._to_flush.pop().flush()

    async def ping(self) -> None:
        """Raises StoreUnavailable unless the server, or one of them, answers in time."""
        await self.command("PING")


def _failed() -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(_away())
    return future


def _away() -> StoreUnavailable:
    return unavailable("not connected to the store")
