"""The one server that runs everything: that of a plain URL, or the master that sentinels name."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.errors import StoreUnavailable
from gateway.stores.redis.address import Address, Form, Place
from gateway.stores.redis.node import Node, State
from gateway.stores.redis.sentinel import Sentinels
from gateway.stores.redis.wire import Wire
from gateway.tasks import TaskSet

# How often sentinels are asked whether the master is still the master: one that is cut off from
# them, but not from us, takes writes that will be lost.
LOOK_S = 1.0


class OneServer:
    def __init__(
        self, place: Place, *, tasks: TaskSet, timeout_s: float, up: Callable[[], None]
    ) -> None:
        self._tasks = tasks
        self._address = place.servers[0]
        self._sentinels = Sentinels(place) if place.form is Form.SENTINEL else None
        self._node = Node(
            self._find,
            tasks=tasks,
            timeout_s=timeout_s,
            up=up,
            masters_only=self._sentinels is not None,
        )
        self._looking = False

    async def _find(self) -> Address:
        return self._address if self._sentinels is None else await self._sentinels.master()

    @property
    def state(self) -> State:
        return self._node.state

    @property
    def masters(self) -> Sequence[Address]:
        return [] if self._node.address is None else [self._node.address]

    async def open(self) -> None:
        await self._node.open()
        self._look()

    async def ready(self) -> None:
        await self._node.ready()
        self._look()

    def wire_of(self, slot: int) -> Wire | None:
        del slot
        return self._node.wire

    def close(self) -> None:
        self._node.close()
        if self._sentinels is not None:
            self._sentinels.close()

    def _look(self) -> None:
        if self._sentinels is not None and not self._looking:
            self._looking = True
            self._tasks.start(self._keep_looking(self._sentinels), name="ask the sentinels")

    async def _keep_looking(self, sentinels: Sentinels) -> None:
        while not self._node.closed:
            await asyncio.sleep(LOOK_S)
            if self._node.wire is None:
                continue
            try:
                named = await sentinels.master()
            except StoreUnavailable:
                # Without them the master still is one, as far as anybody knows.
                continue
            if self._node.address is not None and named.place != self._node.address.place:
                self._node.leave()
