"""A master behind sentinels dies, hangs or is replaced: calls find the new one, holds are there."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from support import asks
from support.audit import audit_account
from support.redis_forms import SentinelSetUp, running
from support.worker_ledger import worker_ledger

from gateway.errors import StoreUnavailable
from gateway.metering.ledger import Reserved, Settled
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.node import State
from gateway.tasks import TaskSet


@pytest.fixture
def watched() -> Iterator[SentinelSetUp]:
    store = SentinelSetUp("redis", replicas=1, sentinels=3)
    with running(store):
        yield store


@pytest.fixture
async def worker(watched: SentinelSetUp) -> AsyncIterator[RedisLedger]:
    async with worker_ledger(watched.url) as ledger:
        yield ledger


async def settled(ledger: RedisLedger, hold_id: str, charge_ucr: int) -> object:
    """The answer, once there is one."""
    async with asyncio.timeout(40):
        while True:
            try:
                return await ledger.settle(asks.settle(hold_id, charge_ucr))
            except StoreUnavailable:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_hold_outlives_the_master_it_was_taken_at(
    watched: SentinelSetUp, worker: RedisLedger, number: signal.Signals
) -> None:
    """Dead or merely hanging: the replica has the hold, and is where the settlement goes. The old
    master, when it comes back, is no place to write to."""
    assert isinstance(await worker.reserve(asks.reserve(worker, "r1", 100)), Reserved)
    watched.master.replicated_to(watched.replicas[0])

    if number == signal.SIGKILL:
        watched.master.kill()
    else:
        watched.master.signal(number)
    asked_at = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await worker.reserve(asks.reserve(worker, "r2", 100))

    assert time.monotonic() - asked_at < 0.25
    assert Settled(charged_ucr=60, debt_ucr=0, late=False) == await settled(worker, "r1", 60)
    assert b"master" == watched.replicas[0].role
    if number == signal.SIGSTOP:
        watched.master.signal(signal.SIGCONT)
    else:
        watched.master.start()
    assert isinstance(await worker.reserve(asks.reserve(worker, "r3", 100)), Reserved)
    assert Settled(charged_ucr=70, debt_ucr=0, late=False) == await settled(worker, "r3", 70)
    async with asyncio.timeout(40):
        while watched.master.role == b"master":
            await asyncio.sleep(0.05)
    balance = await audit_account(worker, asks.ACCOUNT)
    assert (870, 130) == (balance.available_ucr, balance.charged_ucr)


async def test_a_master_that_was_replaced_is_left(
    watched: SentinelSetUp, worker: RedisLedger
) -> None:
    """For maintenance, while it answers: nobody is cut off, and yet calls find the new one."""
    watched.master.replicated_to(watched.replicas[0])

    watched.sentinels[0].ask("SENTINEL", "FAILOVER", "ours")
    async with asyncio.timeout(40):
        while watched.replicas[0].role != b"master":
            await asyncio.sleep(0.02)

    async with asyncio.timeout(40):
        while [watched.replicas[0].port] != [each.port for each in worker._client.masters]:
            await asyncio.sleep(0.02)
        while worker._client.state is not State.CONNECTED:
            await asyncio.sleep(0.02)
    await settled(worker, "r1", 60)
    assert 60 == (await audit_account(worker, asks.ACCOUNT)).charged_ucr


async def test_one_sentinel_that_answers_is_enough(watched: SentinelSetUp) -> None:
    for sentinel in watched.sentinels[:2]:
        sentinel.kill()
    client = RedisClient(watched.url, tasks=TaskSet(), timeout_s=5.0)

    await client.open()

    await client.ping()
    await client.close()


async def test_a_service_that_no_sentinel_knows_is_said_plainly(watched: SentinelSetUp) -> None:
    tasks = TaskSet()
    client = RedisClient(watched.url.replace("/ours", "/theirs"), tasks=tasks)

    with pytest.raises(StoreUnavailable, match="no sentinel names its master"):
        await client.open()

    assert 0 == len(tasks)
