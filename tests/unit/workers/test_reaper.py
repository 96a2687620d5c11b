"""When the reaper sweeps, and that nothing ends it; what a sweep does is the ledger's contract."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import GatewayError, StoreUnavailable
from gateway.workers import reaper


class Ledger:
    """Answers sweeps as told: a number of holds, or an error to raise."""

    def __init__(self, answers: Sequence[int | GatewayError]) -> None:
        self._answers = list(answers)
        self.asked = 0
        self.done = asyncio.Event()

    async def expire_holds(self, *, batch: int) -> int:
        assert reaper.BATCH == batch
        self.asked += 1
        if not self._answers:
            self.done.set()
            return 0
        answer = self._answers.pop(0)
        if isinstance(answer, GatewayError):
            raise answer
        return answer


class Observer:
    def __init__(self) -> None:
        self.counts: list[int] = []

    def hold_expired(self, count: int) -> None:
        self.counts.append(count)


async def test_a_sweep_goes_on_until_nothing_more_is_due() -> None:
    ledger = Ledger([reaper.BATCH, reaper.BATCH + 5, 3])

    assert 2 * reaper.BATCH + 8 == await reaper.run_once(ledger)
    assert 3 == ledger.asked


async def test_a_sweep_is_bounded() -> None:
    ledger = Ledger([reaper.BATCH] * 1000)

    assert reaper.HOLDS_PER_SWEEP_MAX == await reaper.run_once(ledger)


async def test_a_sweep_that_fails_says_so() -> None:
    with pytest.raises(StoreUnavailable):
        await reaper.run_once(Ledger([StoreUnavailable("away")]))


async def test_a_store_that_is_away_is_told_and_swept_when_it_is_back() -> None:
    away, broken = StoreUnavailable("away"), GatewayError("a script failed")
    ledger, observer = Ledger([2, away, broken, 1]), Observer()
    failures: list[GatewayError] = []

    running = asyncio.ensure_future(
        reaper.run(ledger, observer=observer, on_failure=failures.append, interval_s=0.001)
    )
    await asyncio.wait_for(ledger.done.wait(), 2)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert [2, 1] == observer.counts
    assert [away, broken] == failures
