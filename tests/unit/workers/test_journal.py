"""How the drainer goes on after what it did not foresee, and how it takes what it reads."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gateway.errors import Conflict, GatewayError, StoreUnavailable
from gateway.metering.journal import SHARDS, Drained, Entry, Position
from gateway.stores.base import Turn
from gateway.workers import journal

KEEP_MS = 1_000_000
NOW_MS = 1_700_000_000_000


def entry(number: int) -> Entry:
    return Entry(
        entry_id=f"{NOW_MS}-{number}",
        kind="settled",
        account_id="acme",
        operation_id=f"h{number}",
        amount_ucr=1,
        debt_ucr=0,
        observed_ucr=0,
        slices=(),
        event={"rate_id": f"rate-{number % 2}"},
    )


class Outbox:
    """Gives out what it was made with, once; an exception among it is raised."""

    def __init__(self, reads: Sequence[Sequence[Drained] | Exception], turns: Any = ()) -> None:
        self._reads = list(reads)
        self._turns = list(turns)
        self.asked_prices: list[Sequence[str]] = []
        self.trimmed: list[Mapping[int, Position]] = []
        self.empty = asyncio.Event()

    async def claim(self, *_: object, **__: object) -> Turn:
        return self._turns.pop(0) if self._turns else Turn.OURS

    async def read(self, *_: object, **__: object) -> Sequence[Drained]:
        if not self._reads:
            self.empty.set()
            return []
        found = self._reads.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def trim(self, positions: Mapping[int, Position], *, keep_ms: int) -> None:
        assert keep_ms == journal.KEEP_OUTBOX_MS
        self.trimmed.append(positions)

    async def prices(self, rate_ids: Sequence[str]) -> Mapping[str, Any]:
        self.asked_prices.append(rate_ids)
        return {}


class History:
    def __init__(self) -> None:
        self.batches: list[Sequence[Drained]] = []
        self.pruned: list[int] = []

    async def history_id(self) -> str:
        return "history"

    async def positions(self) -> Mapping[int, Position]:
        return dict.fromkeys(range(SHARDS), Position())

    async def append(self, batch: Sequence[Drained], _: Mapping[str, Any]) -> None:
        self.batches.append(batch)

    async def prune(self, *, before_ms: int) -> None:
        self.pruned.append(before_ms)


class Observer:
    def __init__(self) -> None:
        self.failures: list[GatewayError] = []
        self.lags_ms: list[int] = []
        self.elsewhere = 0

    def drained(self, _: int, *, lag_ms: int) -> None:
        self.lags_ms.append(lag_ms)

    def drain_failed(self, error: GatewayError, *, lag_ms: int) -> None:
        self.failures.append(error)
        self.lags_ms.append(lag_ms)

    def drained_elsewhere(self) -> None:
        self.elsewhere += 1


async def until_empty(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> tuple[History, Observer]:
    """Run the worker until it has read all there is."""
    for pause in ("STANDBY_S", "IDLE_S", "RENEW_S"):
        monkeypatch.setattr(journal, pause, 0.001)
    history, observer = History(), Observer()
    worker = journal.Journal(
        outbox,
        history,
        holder="one",
        now_ms=lambda: NOW_MS,
        observer=observer,
        keep_ms=KEEP_MS,
    )
    running = asyncio.ensure_future(worker.run())
    await asyncio.wait_for(outbox.empty.wait(), 5)
    running.cancel()
    return history, observer


async def test_failures_are_told_and_do_not_end_it(monkeypatch):
    away, bug = StoreUnavailable("away"), KeyError("kind")
    outbox = Outbox([away, bug, Conflict("another"), [Drained(3, "0-0", [entry(1)])]])

    history, observer = await until_empty(outbox, monkeypatch)

    assert away is observer.failures[0]
    assert "KeyError" in observer.failures[1].message
    assert 3 == len(observer.failures)
    assert [[Drained(3, "0-0", [entry(1)])]] == history.batches


async def test_a_commit_is_bounded_and_keeps_shards_whole(monkeypatch):
    full = [entry(number) for number in range(journal.ENTRIES_PER_SHARD)]
    found = [Drained(shard, "0-0", full) for shard in range(12)]

    history, _ = await until_empty(Outbox([found]), monkeypatch)

    sizes = [sum(len(each.entries) for each in batch) for batch in history.batches]
    assert 12 * journal.ENTRIES_PER_SHARD == sum(sizes)
    assert max(sizes) <= journal.ENTRIES_PER_COMMIT
    assert found == [each for batch in history.batches for each in batch]


async def test_prices_are_asked_for_once(monkeypatch):
    reads = [[Drained(3, "0-0", [entry(number)])] for number in (1, 3, 2)]

    outbox = Outbox(reads)
    await until_empty(outbox, monkeypatch)

    assert [["rate-1"], [], ["rate-0"]] == outbox.asked_prices


async def test_who_stands_by_reads_nothing(monkeypatch):
    outbox = Outbox([], [Turn.OTHERS, Turn.ELSEWHERE, Turn.OTHERS])

    history, observer = await until_empty(outbox, monkeypatch)

    assert ([], 1) == (history.batches, observer.elsewhere)


async def test_records_are_kept_for_their_time_and_the_outbox_to_where_it_was_drained(monkeypatch):
    outbox = Outbox([[Drained(3, "0-0", [entry(1)])]])

    history, _ = await until_empty(outbox, monkeypatch)

    assert [NOW_MS - KEEP_MS] == history.pruned
    assert [set(range(SHARDS))] == [set(positions) for positions in outbox.trimmed]
