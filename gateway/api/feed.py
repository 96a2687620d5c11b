"""What the ledger writes, as it writes it, for whoever listens in this process.

One look at a time for all listeners, at the outboxes of the shards that somebody listens to. What
came before a listener was there is read from the outbox as well, as far as that reaches. Bounded:
the number of listeners, and what one of them may leave unread before it is cut.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Draining, GatewayError, QuotaExceeded
from gateway.metering.journal import SHARDS, START, Drained, Entry, Position, shard_of
from gateway.stores.base import Outbox

POLL_S = 0.25
PAGE = 500
# What a listener leaves unread for longer than this, it has lost.
UNREAD_MAX = 1000
LISTENERS_MAX = 500
LISTENERS_OF_ACCOUNT_MAX = 20
# Entries looked at, of all accounts of a shard, to find what a listener missed.
CATCH_UP_MAX = 20_000
# Shards are read one after the other: across them, the order of the last moment is not certain.
OVERLAP_MS = 1000


class End(StrEnum):
    """Why a listener hears no more."""

    DRAINING = "draining"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Heard:
    """An entry, and the shard it comes from."""

    shard: int
    entry: Entry


class Listener:
    """One who listens: to an account, or to all."""

    def __init__(self, account_id: str | None) -> None:
        self.account_id = account_id
        self.shards: Sequence[int] = (
            range(SHARDS) if account_id is None else (shard_of(account_id),)
        )
        self.ended: End | None = None
        self._unread: list[Heard] = []
        self._something = asyncio.Event()
        self._told: Mapping[int, Position] = {}

    def wants(self, entry: Entry) -> bool:
        return self.account_id is None or entry.account_id == self.account_id

    def hear(self, heard: Iterable[Heard]) -> None:
        self._unread += heard
        if len(self._unread) > UNREAD_MAX:
            self._unread.clear()
            self.end(End.SLOW)
        self._something.set()

    def end(self, why: End) -> None:
        self.ended = self.ended or why
        self._something.set()

    def caught_up(self, positions: Mapping[int, Position]) -> None:
        """What is not behind these was told already."""
        self._told = positions

    async def next(self, *, timeout_s: float) -> Sequence[Heard]:
        """What came since, once something came; empty when nothing did for so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._something.wait()
        except TimeoutError:
            return ()
        self._something.clear()
        heard, self._unread = self._unread, []
        return [
            each
            for each in heard
            if each.shard not in self._told or not self._told[each.shard].covers(each.entry)
        ]


class Feed:
    """`now_ms` is the ledger's clock."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        now_ms: Callable[[], int],
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        self._outbox = outbox
        self._now_ms = now_ms
        self._on_fault = on_fault
        self._listeners: set[Listener] = set()
        self._positions: dict[int, Position] = {}
        self._closed = False

    async def run(self) -> None:
        """Until cancelled. While the store does not answer there is nothing to hear."""
        while True:
            try:
                await self._look()
            except GatewayError:
                pass
            except Exception as fault:  # noqa: BLE001 - a worker's loop: it must go on
                self._on_fault("feed", fault)
            await asyncio.sleep(POLL_S)

    def admit(self, account_id: str | None) -> None:
        """Raises QuotaExceeded when too many listen here, Draining when all of it ends."""
        if self._closed:
            raise Draining("The gateway is shutting down; another takes over.", retry_after_s=1)
        same = sum(each.account_id == account_id for each in self._listeners)
        if len(self._listeners) >= LISTENERS_MAX or same >= LISTENERS_OF_ACCOUNT_MAX:
            raise QuotaExceeded("Too many listen already; close a stream first.", retry_after_s=10)

    def listen(self, account_id: str | None) -> Listener:
        """From now on, until `leave`. Raises as `admit` does."""
        self.admit(account_id)
        listener = Listener(account_id)
        self._listeners.add(listener)
        start = Position(entry_id=f"{self._now_ms()}-0")
        for shard in listener.shards:
            self._positions.setdefault(shard, start)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        wanted = {shard for each in self._listeners for shard in each.shards}
        self._positions = {
            shard: position for shard, position in self._positions.items() if shard in wanted
        }

    def close(self) -> None:
        """End all streams, and let none begin."""
        self._closed = True
        for listener in self._listeners:
            listener.end(End.DRAINING)

    async def missed(
        self, listener: Listener, after: Position
    ) -> AsyncGenerator[Sequence[Heard], None]:
        """What came behind that entry, page by page. The last page is empty if some of it is lost:
        the outbox no longer reaches so far back, or too much has happened since."""
        lost = listener.account_id is not None and await self._trimmed(listener.shards, after)
        if listener.account_id is None:
            after = Position(entry_id=f"{max(0, _ms(after) - OVERLAP_MS)}-0")
        positions = dict.fromkeys(listener.shards, after)
        looked = 0
        while not lost and (found := await self._outbox.read(positions, limit=PAGE)):
            positions |= _ends(found)
            if heard := [each for each in _in_order(found) if listener.wants(each.entry)]:
                yield heard
            looked += sum(len(each.entries) for each in found)
            lost = looked > CATCH_UP_MAX
        listener.caught_up({} if lost else positions)
        if lost:
            yield ()

    async def _trimmed(self, shards: Sequence[int], after: Position) -> bool:
        first = await self._outbox.read(
            {shard: Position(entry_id=START) for shard in shards}, limit=1
        )
        return not any(after.covers(each.entries[0]) for each in first)

    async def _look(self) -> None:
        more = bool(self._listeners)
        while more:
            found = await self._outbox.read(self._positions, limit=PAGE)
            heard = _in_order(found)
            for listener in tuple(self._listeners):
                if mine := [each for each in heard if self._is_for(listener, each)]:
                    listener.hear(mine)
            # Whoever began to listen meanwhile has a place of its own.
            self._positions |= {
                shard: end for shard, end in _ends(found).items() if shard in self._positions
            }
            more = any(len(each.entries) == PAGE for each in found)

    def _is_for(self, listener: Listener, heard: Heard) -> bool:
        return heard.shard in listener.shards and listener.wants(heard.entry)


def _ends(found: Sequence[Drained]) -> dict[int, Position]:
    return {each.shard: Position(entry_id=each.entries[-1].entry_id) for each in found}


def _in_order(found: Sequence[Drained]) -> list[Heard]:
    heard = [Heard(each.shard, entry) for each in found for entry in each.entries]
    return sorted(heard, key=lambda each: (each.entry.time_ms, each.shard))


def _ms(position: Position) -> int:
    return int(position.entry_id.partition("-")[0])
