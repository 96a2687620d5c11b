"""Settlements from a real spool to a ledger that fails on purpose, and to a real one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.asks import reserve, settle

from gateway.errors import GatewayError, StoreUnavailable
from gateway.metering.ledger import AlreadyEnded, Ending, Grant, Settle, Settled
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.spool import FileSpool
from gateway.workers import replay

SETTLED = Settled(charged_ucr=5, debt_ucr=0, late=False)


class Ledger:
    """Settles all but the holds it is told to fail; remembers what was asked, in order."""

    def __init__(self) -> None:
        self.failing: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0

    def settle(self, ask: Settle) -> "asyncio.Future[Settled | AlreadyEnded]":
        self.asked.append(ask.hold_id)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Settled | AlreadyEnded] = loop.create_future()
        loop.call_soon(self._answer, ask.hold_id, answer)
        return answer

    def _answer(self, hold_id: str, answer: "asyncio.Future[Settled | AlreadyEnded]") -> None:
        self.in_flight -= 1
        if hold_id in self.failing:
            answer.set_exception(self.failing[hold_id])
        else:
            answer.set_result(SETTLED)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[FileSpool]:
    spool = FileSpool(tmp_path, worker_index=0)
    yield spool
    await spool.close()


async def fill(spool: FileSpool, count: int) -> list[str]:
    hold_ids = [f"h{number}" for number in range(count)]
    await asyncio.gather(*(spool.append(settle(hold_id, 5)) for hold_id in hold_ids))
    return hold_ids


async def waiting(spool: FileSpool) -> list[str]:
    return [each.ask.hold_id for each in await spool.pending()]


async def test_everything_is_replayed_in_order_with_a_bounded_number_in_flight(
    spool: FileSpool,
) -> None:
    ledger = Ledger()
    hold_ids = await fill(spool, 2 * replay.BATCH + 1)

    assert len(hold_ids) == await replay.run_once(spool, ledger)
    assert hold_ids == ledger.asked
    assert replay.BATCH == ledger.most_in_flight
    assert 0 == spool.waiting


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), GatewayError("a script failed")])
async def test_the_first_failure_stops_it_and_what_came_before_is_confirmed(
    spool: FileSpool, failure: GatewayError
) -> None:
    ledger = Ledger()
    ledger.failing = {"h2": failure, "h4": failure}
    await fill(spool, 6)

    with pytest.raises(type(failure)):
        await replay.run_once(spool, ledger)

    assert ["h2", "h3", "h4", "h5"] == await waiting(spool)


async def test_when_the_first_fails_nothing_is_confirmed(spool: FileSpool) -> None:
    ledger = Ledger()
    ledger.failing = {"h0": StoreUnavailable("away")}
    await fill(spool, 2)

    with pytest.raises(StoreUnavailable):
        await replay.run_once(spool, ledger)

    assert ["h0", "h1"] == await waiting(spool)


async def test_the_loop_goes_on_until_the_store_is_back(
    spool: FileSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(replay, "BACKOFF_MAX_S", 0.002)
    ledger = Ledger()
    ledger.failing = {"h1": StoreUnavailable("away")}
    hold_ids = await fill(spool, 3)
    outcomes: dict[str, replay.Outcome] = {}
    failures: list[GatewayError] = []
    all_settled = asyncio.Event()

    def on_failure(error: GatewayError) -> None:
        failures.append(error)
        if len(failures) == 3:
            ledger.failing.clear()

    def on_outcome(ask: Settle, outcome: replay.Outcome) -> None:
        outcomes[ask.hold_id] = outcome
        if len(outcomes) == len(hold_ids):
            all_settled.set()

    running = asyncio.ensure_future(
        replay.run(spool, ledger, on_outcome=on_outcome, on_failure=on_failure)
    )
    await asyncio.wait_for(all_settled.wait(), 2)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert dict.fromkeys(hold_ids, SETTLED) == outcomes
    assert 3 == len(failures)


async def test_replayed_twice_a_settlement_is_charged_once(
    spool: FileSpool, ledger: RedisLedger, tmp_path: Path
) -> None:
    """As after a crash between the ledger's answer and the confirmation on disk."""
    await ledger.grant(Grant(grant_id="g", account_id="acme", amount_ucr=100))
    await ledger.reserve(reserve(ledger, "h0", 10))
    outcomes: list[replay.Outcome] = []
    for _ in range(2):
        await fill(spool, 1)
        await replay.run_once(spool, ledger, on_outcome=lambda _, what: outcomes.append(what))

    assert [SETTLED, AlreadyEnded(Ending.SETTLED)] == outcomes
    assert 95 == (await ledger.balance("acme")).available_ucr
