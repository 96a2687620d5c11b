"""The nodes of a Redis Cluster: whose each slot is, learnt and kept up to date; calls sent on.

A node that answers MOVED, ASK or TRYAGAIN has not run the call: it is asked for where it belongs,
until its time is up. Everything else, a broken connection first of all, leaves the outcome
unknown and is for whoever asked. Calls of one event-loop turn leave in one write for each node.
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, seen 2026-11.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from gateway.errors import GatewayError
from gateway.stores.redis.address import Address, Place
from gateway.stores.redis.node import Node, State, connected
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.slots import ANY, SLOTS
from gateway.stores.redis.wire import Call, Wire
from gateway.tasks import TaskSet

# How often the map is asked for although nothing was amiss, so that a demoted or hanging master is
# left although it says nothing; and the least time between two questions when something is.
LOOK_S = 1.0
LOOK_AGAIN_S = 0.05
ANSWER_S = 1.0
# Between two tries of a call whose keys are between two nodes, or whose node is being connected.
PAUSE_S = 0.01

Where = tuple[str, int]
# First and last slot, and their master.
Range = tuple[int, int, Where]


class Cluster:
    def __init__(
        self, place: Place, *, tasks: TaskSet, timeout_s: float, up: Callable[[], None]
    ) -> None:
        self._up = up
        self._seeds = place.servers
        self._way_in = place.servers[0]
        self._tasks = tasks
        self._timeout_s = timeout_s
        self._nodes: dict[Where, Node] = {}
        self._former: set[Node] = set()
        """No longer asked, but perhaps still answering."""
        self._owners: list[Node | None] = [None] * SLOTS
        self._whole = False
        """Every slot is somebody's."""
        self._amiss = asyncio.Event()
        self._learning = asyncio.Lock()
        self._closed = False

    @property
    def state(self) -> State:
        """Of the masters; LOST as well while some slots are nobody's."""
        states = {node.state for node in self._nodes.values()}
        if not states or states == {State.LOST}:
            return State.LOST
        if State.LOST in states or not self._whole:
            return State.PARTLY
        return State.STALLED if State.STALLED in states else State.CONNECTED

    @property
    def masters(self) -> Sequence[Address]:
        return [node.address for node in self._nodes.values() if node.address is not None]

    async def open(self) -> None:
        """Learn the map and connect. Raises StoreUnavailable if no slot can be reached."""
        await self.ready()
        if self.state is State.LOST:
            raise unavailable("no node of the cluster answers")

    async def ready(self) -> None:
        """Returns once the map is known and its masters were tried. Raises StoreUnavailable."""
        async with self._learning:
            if self._nodes:
                return
            self._take_in(await self._ask_around())
            for node in self._nodes.values():
                node.start()
            waits = [node.ready() for node in self._nodes.values()]
            try:
                async with asyncio.timeout(ANSWER_S):
                    await asyncio.gather(*waits)
            except TimeoutError:
                # Those that answer are enough to begin with.
                self._amiss.set()
        self._tasks.start(self._keep_up(), name="look at the cluster's map")

    def close(self) -> None:
        self._closed = True
        self._amiss.set()
        for node in (*self._nodes.values(), *self._former):
            node.close()

    def wire_of(self, slot: int) -> Wire | None:
        if slot == ANY:
            return next((node.wire for node in self._nodes.values() if node.wire), None)
        node = self._owners[slot]
        return None if node is None else node.wire

    # The map

    async def _keep_up(self) -> None:
        while not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._amiss.wait()
            self._amiss.clear()
            # What is known stays when nobody answers.
            with suppress(GatewayError):
                self._take_in(await self._ask_around())
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _ask_around(self) -> Sequence[Range]:
        for node in list(self._nodes.values()):
            if node.state is State.CONNECTED and node.wire is not None and node.address:
                try:
                    return await _map_of(node.wire, node.address)
                except GatewayError:
                    continue
        for seed in (*self._seeds, *self.masters):
            try:
                return await _map_at(seed)
            except (GatewayError, TimeoutError):
                continue
        raise unavailable("no node of the cluster answers")

    def _take_in(self, ranges: Sequence[Range]) -> None:
        for first, last, where in ranges:
            node = self._node(where)
            self._owners[first : last + 1] = [node] * (last + 1 - first)
        self._part_with(set(self._nodes) - {where for _, _, where in ranges})
        self._whole = sum(last + 1 - first for first, last, _ in ranges) == SLOTS

    def _part_with(self, former: set[Where]) -> None:
        """Of nodes without slots; what was asked of them is still answered."""
        for where in former:
            node = self._nodes.pop(where)
            self._former.add(node)
            self._owners = [None if owner is node else owner for owner in self._owners]
            self._tasks.start(self._see_off(node), name="leave a node of the cluster")

    async def _see_off(self, node: Node) -> None:
        # By then every call of it was answered or has failed.
        await asyncio.sleep(self._timeout_s)
        self._former.discard(node)
        node.close()

    def _node(self, where: Where) -> Node:
        node = self._nodes.get(where)
        if node is None:
            address = self._way_in.at(*where)

            async def find() -> Address:
                return address

            node = Node(
                find,
                tasks=self._tasks,
                timeout_s=self._timeout_s,
                elsewhere=lambda call, error: self._elsewhere(call, error, where),
                up=self._up,
                lost=self._amiss.set,
            )
            self._nodes[where] = node
            node.start()
        return node

    # Calls that came to the wrong node

    def _elsewhere(self, call: Call, error: str, asked: Where) -> bool:
        words = error.split()
        if words[0] in ("MOVED", "CLUSTERDOWN"):
            self._amiss.set()
        if call.slot == ANY or words[0] not in ("MOVED", "ASK", "TRYAGAIN"):
            return False
        if words[0] == "TRYAGAIN":
            return self._later(call)
        host, _, port = words[2].rpartition(":")
        node = self._node((host or asked[0], int(port)))
        if words[0] == "MOVED":
            self._owners[call.slot] = node
        asking = words[0] == "ASK"
        if node.wire is not None and node.wire.take(call, asking=asking):
            return True
        return self._later(call)

    def _later(self, call: Call) -> bool:
        """Ask again in a moment; False when its time is up."""
        loop = asyncio.get_running_loop()
        if self._closed or loop.time() + PAUSE_S >= call.asked_at + self._timeout_s:
            return False
        loop.call_later(PAUSE_S, self._again, call)
        return True

    def _again(self, call: Call) -> None:
        wire = self.wire_of(call.slot)
        if call.over or (wire is not None and wire.take(call)) or self._later(call):
            return
        call.failed(unavailable(f"{call.name} found nobody to answer it"))


async def _map_at(address: Address) -> Sequence[Range]:
    async with asyncio.timeout(ANSWER_S):
        wire = await connected(address, lost=lambda _wire: None)
        try:
            return await _map_of(wire, address)
        finally:
            wire.abort()


async def _map_of(wire: Wire, asked: Address) -> Sequence[Range]:
    return await wire.command(("CLUSTER", "SLOTS"), lambda reply: list(_ranges(reply, asked.host)))


def _ranges(reply: Sequence[Sequence[Any]], asked: str) -> Iterator[Range]:
    """A node that does not know its own name is the one that was asked."""
    for first, last, master, *_ in reply:
        host = master[0].decode() if master[0] else asked
        yield first, last, (asked if host == "?" else host, master[1])
