"""The store stops, dies, forgets or cuts the line: calls fail in time, money stays whole."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support import asks
from support.audit import audit_account
from support.redis_server import KINDS, Server
from support.relay import Relay
from support.worker_ledger import worker_ledger

from gateway.errors import StoreUnavailable
from gateway.metering.ledger import AlreadyEnded, Ending, Released, Reserved, Settled
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.node import State
from gateway.tasks import TaskSet

AOF = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture(params=KINDS)
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of this test's own, to be mistreated."""
    server = Server(request.param, *AOF).start()
    yield server
    server.stop()


@pytest.fixture
async def worker(own_server: Server) -> AsyncIterator[RedisLedger]:
    async with worker_ledger(own_server.url) as ledger:
        yield ledger


async def until(client: RedisClient, state: State) -> None:
    """Returns when the client is in that state; the test's own time-out is the bound."""
    while client.state is not state:
        await asyncio.sleep(0.005)


async def test_a_stopped_store_fails_calls_in_time_and_holds_nothing_for_good(
    own_server: Server, worker: RedisLedger
) -> None:
    """SIGSTOP, ask, wait for the failure; SIGCONT: what ran meanwhile is found by its id."""
    own_server.signal(signal.SIGSTOP)
    asked_at = time.monotonic()
    futures = [worker.reserve(asks.reserve(worker, f"r{n}", 10)) for n in range(20)]

    answers = await asyncio.gather(*futures, return_exceptions=True)

    assert time.monotonic() - asked_at < 0.25
    assert {StoreUnavailable} == {type(answer) for answer in answers}
    assert State.STALLED is worker._client.state
    asked_at = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await worker.reserve(asks.reserve(worker, "at-once", 10))
    assert time.monotonic() - asked_at < 0.05
    own_server.signal(signal.SIGCONT)
    await until(worker._client, State.CONNECTED)
    await asyncio.gather(*(worker.release(asks.release(f"r{n}")) for n in range(20)))
    balance = await audit_account(worker, asks.ACCOUNT)
    assert (1000, 0) == (balance.available_ucr, balance.live_holds)


async def test_a_reserve_that_a_stalled_store_gets_to_late_takes_nothing(
    own_server: Server, worker: RedisLedger
) -> None:
    """Stopped for more than a second, so that the reserve is older than its windows may be."""
    own_server.signal(signal.SIGSTOP)
    with pytest.raises(StoreUnavailable):
        await worker.reserve(asks.reserve(worker, "r1", 10))
    await asyncio.sleep(1.1)
    own_server.signal(signal.SIGCONT)
    await until(worker._client, State.CONNECTED)

    balance = await audit_account(worker, asks.ACCOUNT)

    assert (1000, 0) == (balance.available_ucr, balance.live_holds)


async def test_a_store_silent_for_long_is_connected_to_anew(
    own_server: Server, worker: RedisLedger
) -> None:
    own_server.signal(signal.SIGSTOP)
    with pytest.raises(StoreUnavailable):
        await worker.settle(asks.settle("r1", 10))

    await until(worker._client, State.LOST)

    own_server.signal(signal.SIGCONT)
    await until(worker._client, State.CONNECTED)
    await worker.settle(asks.settle("r1", 10))
    assert 10 == (await audit_account(worker, asks.ACCOUNT)).charged_ucr


async def test_a_line_cut_before_the_answer_is_resolved_by_id(
    own_server: Server, worker: RedisLedger, tmp_path: Path
) -> None:
    """Each call runs, its answer is lost; asked again, it is answered and not applied again."""
    relay = Relay(own_server.socket_path, own_server.folder / "relay.sock")
    await relay.start()
    tasks = TaskSet()
    client = RedisClient(relay.url, tasks=tasks)
    await client.open()
    ledger = RedisLedger(client)
    await ledger.open()

    relay.swallow_replies = True
    with pytest.raises(StoreUnavailable):
        await ledger.reserve(asks.reserve(ledger, "r1", 100))
    await until(client, State.CONNECTED)
    assert isinstance(await ledger.reserve(asks.reserve(ledger, "r1", 100)), Reserved)
    relay.swallow_replies = True
    with pytest.raises(StoreUnavailable):
        await ledger.settle(asks.settle("r1", 60))
    await until(client, State.CONNECTED)

    assert AlreadyEnded(Ending.SETTLED) == await ledger.settle(asks.settle("r1", 60))
    balance = await audit_account(worker, asks.ACCOUNT)
    assert (940, 60) == (balance.available_ucr, balance.charged_ucr)
    await client.close()
    await tasks.cancel()
    await relay.stop()


async def test_a_killed_store_comes_back_with_its_holds(
    own_server: Server, worker: RedisLedger
) -> None:
    """SIGKILL with a hold open; restarted from its log, the hold settles as if nothing was."""
    await worker.reserve(asks.reserve(worker, "r1", 100))
    own_server.kill()
    await until(worker._client, State.LOST)
    with pytest.raises(StoreUnavailable):
        await worker.settle(asks.settle("r1", 60))

    own_server.start()
    await until(worker._client, State.CONNECTED)

    settled = await worker.settle(asks.settle("r1", 60))
    assert Settled(charged_ucr=60, debt_ucr=0, late=False) == settled
    assert 940 == (await audit_account(worker, asks.ACCOUNT)).available_ucr


async def test_a_store_that_forgot_its_scripts_gets_them_again(
    own_server: Server, worker: RedisLedger
) -> None:
    assert b"+OK\r\n" == own_server.ask("SCRIPT", "FLUSH")

    answers = await asyncio.gather(
        *(worker.reserve(asks.reserve(worker, f"r{n}", 10)) for n in range(5))
    )

    assert [1000 - 10 * n for n in range(1, 6)] == [answer.available_ucr for answer in answers]  # type: ignore[union-attr]
    await audit_account(worker, asks.ACCOUNT)


async def test_a_cancelled_caller_has_asked_all_the_same(worker: RedisLedger) -> None:
    """Cancelled in the turn in which it asked: the command is queued, its answer goes nowhere."""

    async def call() -> None:
        await worker.reserve(asks.reserve(worker, "r1", 100))

    caller = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)

    assert Released(100) == await worker.release(asks.release("r1"))
    assert 1000 == (await audit_account(worker, asks.ACCOUNT)).available_ucr


async def test_a_full_store_is_unavailable_and_writes_nothing(
    own_server: Server, worker: RedisLedger
) -> None:
    await worker.reserve(asks.reserve(worker, "r1", 100))
    before = await worker.balance(asks.ACCOUNT)
    own_server.ask("CONFIG", "SET", "maxmemory", "1")

    for refused in (
        worker.reserve(asks.reserve(worker, "r2", 100)),
        worker.settle(asks.settle("r1", 60)),
    ):
        with pytest.raises(StoreUnavailable):
            await refused

    own_server.ask("CONFIG", "SET", "maxmemory", "0")
    after = await audit_account(worker, asks.ACCOUNT)
    assert (before.available_ucr, 1) == (after.available_ucr, after.live_holds)


async def test_a_read_only_store_is_unavailable(own_server: Server, worker: RedisLedger) -> None:
    """As after a failover that demoted it: a replica of nobody."""
    own_server.ask("REPLICAOF", "127.0.0.1", "1")

    with pytest.raises(StoreUnavailable):
        await worker.reserve(asks.reserve(worker, "r1", 100))
