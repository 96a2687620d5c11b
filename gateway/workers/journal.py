"""Brings what the ledger wrote into the history: outboxes in, entries, records and sums out.

One process of an installation does it at a time, by a lease; the others stand by. Where each
outbox stands is kept in the history itself and moves in the same transaction as the rows, so a
process killed anywhere repeats nothing and loses nothing. What came in is safe to forget in the
store, and only this forgets it there. What somebody is to be told of is put on its way before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from gateway.errors import GatewayError
from gateway.metering.journal import Drained, Position
from gateway.metering.pricing import ModelPrice
from gateway.stores.base import History, Outbox, Turn

LEASE_MS = 3_000
RENEW_S = 1.0
STANDBY_S = 1.0
IDLE_S = 0.2
# Of each shard at a time, and of all in one transaction: some milliseconds of the writer's work.
ENTRIES_PER_SHARD = 100
ENTRIES_PER_COMMIT = 500
FORGET_INTERVAL_S = 600.0
# The outbox has other readers, and a history restored from last night's backup catches up from it.
KEEP_OUTBOX_MS = 24 * 3_600_000


Tell = Callable[[Sequence[Drained]], Awaitable[None]]
"""Puts on its way what somebody is to be told of these entries; they may come again."""


async def nobody(_: Sequence[Drained]) -> None:
    """For a journal that tells nobody."""


class Backward(Protocol):
    """Looks whether the store went back behind these positions, and mends what it lost."""

    async def look(self, positions: Mapping[int, Position]) -> None: ...

    async def repair(self) -> None: ...


class Observer(Protocol):
    """Told how it goes; must not raise."""

    def drained(self, count: int, *, lag_ms: int) -> None: ...

    def drain_failed(self, error: GatewayError, *, lag_ms: int) -> None: ...

    def drained_elsewhere(self) -> None: ...


class Journal:
    """Drains for one process; `holder` tells it from all others. `keep_ms`: of records."""

    def __init__(
        self,
        outbox: Outbox,
        history: History,
        *,
        holder: str,
        now_ms: Callable[[], int],
        observer: Observer,
        keep_ms: int,
        tell: Tell = nobody,
        rewound: Backward | None = None,
    ) -> None:
        self._outbox = outbox
        self._history = history
        self._holder = holder
        self._now_ms = now_ms
        self._observer = observer
        self._keep_ms = keep_ms
        self._tell = tell
        self._rewound = rewound
        self._positions: Mapping[int, Position] | None = None
        self._prices: set[str] = set()
        self._renew_at_s = 0.0
        self._forget_at_s = 0.0
        self._caught_up_ms = now_ms()

    async def run(self) -> None:
        """Drain, or stand by, until cancelled."""
        while True:
            try:
                pause_s = await self._step()
            except GatewayError as error:
                pause_s = self._failed(error)
            except Exception as fault:  # noqa: BLE001  an entry nobody foresaw must not end this unseen
                kind = type(fault).__name__
                pause_s = self._failed(GatewayError(f"The journal met an unexpected {kind}."))
            await asyncio.sleep(pause_s)

    def _failed(self, error: GatewayError) -> float:
        """Whatever was written, the history says where it stands."""
        self._positions = None
        self._prices.clear()
        self._renew_at_s = 0.0
        self._observer.drain_failed(error, lag_ms=self._now_ms() - self._caught_up_ms)
        return STANDBY_S

    async def _step(self) -> float:
        """Drain what there is, if it is our turn; answer how long to wait before the next."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._renew_at_s:
            turn = await self._outbox.claim(
                await self._history.history_id(), holder=self._holder, lease_ms=LEASE_MS
            )
            if turn is not Turn.OURS:
                self._positions, self._caught_up_ms = None, self._now_ms()
                if turn is Turn.ELSEWHERE:
                    self._observer.drained_elsewhere()
                self._observer.drained(0, lag_ms=0)
                return STANDBY_S
            self._renew_at_s = now_s + RENEW_S
            await self._look_back()
        more = await self.drain()
        if now_s >= self._forget_at_s:
            await self._forget()
            self._forget_at_s = now_s + FORGET_INTERVAL_S
        return 0.0 if more else IDLE_S

    async def _look_back(self) -> None:
        if self._rewound is not None:
            await self._rewound.look(await self._known())
            await self._rewound.repair()

    async def _known(self) -> Mapping[int, Position]:
        if self._positions is None:
            self._positions = await self._history.positions()
        return self._positions

    async def drain(self) -> bool:
        """One batch into the history; whether more waits. Raises Conflict if another drains."""
        positions = await self._known()
        found = await self._outbox.read(positions, limit=ENTRIES_PER_SHARD)
        if self._rewound is not None:
            # New entries move a position on; after that nobody could tell what it had led to.
            await self._rewound.look({each.shard: positions[each.shard] for each in found})
        # First, and harmless if repeated: once it is in the history, nobody comes back for it.
        await self._tell(found)
        for batch in _commits(found):
            await self._history.append(batch, await self._missing_prices(batch))
            self._positions = await self._history.positions()
        count = sum(len(drained.entries) for drained in found)
        more = any(len(drained.entries) == ENTRIES_PER_SHARD for drained in found)
        if not more:
            self._caught_up_ms = self._now_ms()
        self._observer.drained(count, lag_ms=self._lag_ms(found) if more else 0)
        return more

    def _lag_ms(self, found: Sequence[Drained]) -> int:
        """How old what comes next is, by the shard that is furthest behind."""
        last = [
            drained.entries[-1].time_ms
            for drained in found
            if len(drained.entries) == ENTRIES_PER_SHARD
        ]
        return max(0, self._now_ms() - min(last))

    async def _missing_prices(self, batch: Sequence[Drained]) -> Mapping[str, ModelPrice]:
        named = {
            rate_id
            for drained in batch
            for entry in drained.entries
            if isinstance(rate_id := entry.event.get("rate_id"), str) and rate_id
        }
        missing = sorted(named - self._prices)
        self._prices |= named
        return await self._outbox.prices(missing)

    async def _forget(self) -> None:
        """What the history has, the outbox need not keep; and records have their time."""
        assert self._positions is not None, "drained just now"
        await self._outbox.trim(self._positions, keep_ms=KEEP_OUTBOX_MS)
        await self._history.prune(before_ms=self._now_ms() - self._keep_ms)


def _commits(found: Sequence[Drained]) -> Sequence[Sequence[Drained]]:
    """The same in parts of a bounded size."""
    parts: list[list[Drained]] = []
    size = ENTRIES_PER_COMMIT
    for drained in found:
        if size + len(drained.entries) > ENTRIES_PER_COMMIT:
            parts.append([])
            size = 0
        parts[-1].append(drained)
        size += len(drained.entries)
    return parts
