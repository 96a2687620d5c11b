"""Delivers settlements to the sinks: in lanes, in batches, at least once, never in a call's path.

For each sink the shards are divided into lanes; a lease in the store gives a lane to one process
of the installation. What has the lane reads its shards, gathers a batch, delivers it, and
acknowledges what was taken. Whatever a process had in hand when it died, its successor gets.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import GatewayError, StoreUnavailable
from gateway.sinks.base import Sink
from gateway.stores.delivering import LANES, Backlog, Deliveries, OutboxEntry
from gateway.tasks import TaskSet
from gateway.workers.breaker import Breaker

LEASE_MS = 15_000
# Empty looks cost the store a command for each shard.
POLL_S = 0.5
# Who waits for a lane tries again after so long; whoever has many lets others go first.
TRY_S = 1.0
COURTESY_S = 0.3
BACKLOG_EVERY_S = 2.0


class Observer(Protocol):
    """Told what becomes of records; must not raise."""

    def exported(self, sink: str, outcome: str, count: int) -> None: ...

    def buried(self, sink: str, reason: str) -> None: ...

    def sink_failing(self, sink: str, reason: str) -> None: ...

    def sink_back(self, sink: str) -> None: ...

    def sink_disabled(self, sink: str, reason: str) -> None: ...

    def backlog(self, sink: str, backlog: Backlog, *, lag_ms: int) -> None: ...

    def export_failed(self, sink: str, error: GatewayError) -> None: ...

    def export_fault(self, sink: str, fault: Exception) -> None:
        """A bug of ours, in a sink or before it."""
        ...


class Courier(Protocol):
    """Brings a batch to its sink. Leaves unacknowledged what it could not get rid of."""

    async def resume(self, lane: "Lane") -> None:
        """What the lane's owner before us had begun, other than by reading entries."""
        ...

    async def ship(self, entries: Sequence[OutboxEntry], lane: "Lane") -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One sink, and how it is fed."""

    sink: Sink
    courier: Courier
    breaker: Breaker
    everything: bool = True
    """A sink that is new gets what the outbox still has."""


class LaneLost(Exception):
    """Another process has the lane now: what is in hand is its business."""


class Lane:
    """One share of the shards on its way to one sink."""

    def __init__(
        self,
        export: Export,
        number: int,
        *,
        outbox: Deliveries,
        observer: Observer,
        holder: str,
        stopping: asyncio.Event,
        lease_ms: int,
    ) -> None:
        self.sink, self.number = export.sink.name, number
        self.outbox, self.observer, self.stopping = outbox, observer, stopping
        self.held = False
        self._export = export
        self._holder = holder
        self._lease_ms = lease_ms
        self._kept_at_s = 0.0

    async def run(self, *, others_held: Callable[[], int]) -> None:
        """Until stopped. What the store does not answer is asked again."""
        while not self.stopping.is_set():
            try:
                self.held = await self._lease(self._lease_ms)
                if self.held:
                    await self._work()
            except LaneLost:
                pass
            except GatewayError as error:
                self.observer.export_failed(self.sink, error)
            except Exception as fault:  # noqa: BLE001 - a bug must not end a lane for good
                self.observer.export_fault(self.sink, fault)
            self.held = False
            pause_s = TRY_S * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            await self.pause(pause_s + COURTESY_S * others_held())

    async def _work(self) -> None:
        export, limit = self._export, self._export.sink.limits.events_max
        await self.outbox.join(self.sink, self.number, everything=export.everything)
        await export.courier.resume(self)
        while entries := await self.outbox.unfinished(self.sink, self.number, limit=limit):
            await export.courier.ship(entries, self)
            if self.stopping.is_set():
                break
        last = False
        while not last:
            # One more round after the signal: what was settled until then goes out as well.
            last = self.stopping.is_set()
            await self.keep()
            if again := await self.outbox.repeats(self.sink, self.number, limit=limit):
                await export.courier.ship(again, self)
            if entries := await self._gather(linger_s=0 if last else export.sink.limits.linger_s):
                await export.courier.ship(entries, self)
        await self._lease(0)

    async def _gather(self, *, linger_s: float) -> list[OutboxEntry]:
        limit = self._export.sink.limits.events_max
        clock = asyncio.get_running_loop().time
        batch: list[OutboxEntry] = []
        until_s = clock() + linger_s
        while True:
            await self.keep()
            more = list(await self.outbox.read(self.sink, self.number, limit=limit - len(batch)))
            if more and not batch:
                until_s = clock() + linger_s
            batch += more
            if len(batch) >= limit or clock() >= until_s or self.stopping.is_set():
                return batch
            await self.pause(min(POLL_S, max(0.0, until_s - clock())))

    async def keep(self) -> None:
        """Go on having the lane. Raises LaneLost."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._kept_at_s > self._lease_ms / 3000:
            if not await self._lease(self._lease_ms):
                raise LaneLost
            self._kept_at_s = now_s

    async def pause(self, for_s: float) -> None:
        """Sleep, at most until the signal to stop."""
        try:
            async with asyncio.timeout(for_s):
                await self.stopping.wait()
        except TimeoutError:
            return

    async def _lease(self, ttl_ms: int) -> bool:
        return await self.outbox.lease(self.sink, self.number, holder=self._holder, ttl_ms=ttl_ms)


class Exporter:
    """All sinks' lanes in one process."""

    def __init__(
        self,
        exports: Sequence[Export],
        *,
        outbox: Deliveries,
        observer: Observer,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._exports = exports
        self._outbox = outbox
        self._observer = observer
        self._stopping = asyncio.Event()
        self._tasks = TaskSet()
        holder = secrets.token_hex(8)
        self._lanes: Mapping[str, Sequence[Lane]] = {
            export.sink.name: [
                Lane(
                    export,
                    number,
                    outbox=outbox,
                    observer=observer,
                    holder=holder,
                    stopping=self._stopping,
                    lease_ms=lease_ms,
                )
                for number in range(LANES)
            ]
            for export in exports
        }

    async def start(self) -> None:
        """Raises OSError for a sink that cannot be opened, StoreUnavailable without a store."""
        for export in self._exports:
            await export.sink.open()
            for number in range(LANES):
                await self._outbox.join(export.sink.name, number, everything=export.everything)
        for name, lanes in self._lanes.items():
            for lane in lanes:
                others_held = _counter(lanes, lane)
                self._tasks.start(
                    lane.run(others_held=others_held), name=f"export {name} {lane.number}"
                )
        self._tasks.start(self._report(), name="export backlog")

    async def _report(self) -> None:
        """Also while deliveries fail: then above all."""
        while not self._stopping.is_set():
            for name, lanes in self._lanes.items():
                with suppress(StoreUnavailable):
                    await self._report_on(name, [lane.number for lane in lanes if lane.held])
            with suppress(TimeoutError):
                async with asyncio.timeout(BACKLOG_EVERY_S):
                    await self._stopping.wait()

    async def _report_on(self, sink: str, lanes: Sequence[int]) -> None:
        held = [await self._outbox.backlog(sink, number) for number in lanes]
        whole = Backlog(
            waiting=sum(each.waiting for each in held),
            oldest_ms=min((each.oldest_ms for each in held if each.oldest_ms), default=0),
            repeats=sum(each.repeats for each in held),
            dead=sum(each.dead for each in held),
            sums=sum(each.sums for each in held),
        )
        lag_ms = max(0, self._outbox.now_ms() - whole.oldest_ms) if whole.oldest_ms else 0
        self._observer.backlog(sink, whole, lag_ms=lag_ms)

    async def stop(self, *, timeout_s: float) -> None:
        """Deliver what is there, up to the deadline; the rest is the next process's."""
        self._stopping.set()
        await self._tasks.drain(timeout_s=timeout_s)
        await self._tasks.cancel()
        for export in self._exports:
            await export.sink.close()


def _counter(lanes: Sequence[Lane], lane: Lane) -> Callable[[], int]:
    return lambda: sum(each.held for each in lanes if each is not lane)
