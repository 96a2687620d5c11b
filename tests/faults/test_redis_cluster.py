"""A cluster under load: slots move, masters change places or die; every call is charged once.

Whoever asks here does what the gateway does: a call that went unanswered is asked again, by its id.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from support import asks
from support.audit import audit_account
from support.loops import beats
from support.redis_forms import Node, RedisCluster, running

from gateway.errors import StoreUnavailable
from gateway.metering.ledger import AlreadyEnded, Ending, Grant, Reserved, Settled
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.node import State
from gateway.stores.redis.slots import slot_of_key
from gateway.tasks import TaskSet

ACCOUNTS = tuple(f"account-{number}" for number in range(12))
GRANTED = 10_000_000
HELD, CHARGED = 100, 60
ANSWER_S = 0.2


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    cluster = RedisCluster("redis")
    with running(cluster):
        yield cluster


@pytest.fixture
def guarded() -> Iterator[RedisCluster]:
    """Of this test's own, with a replica behind each master."""
    cluster = RedisCluster("valkey", replicas=1)
    with running(cluster):
        yield cluster


@asynccontextmanager
async def worker(url: str, *, timeout_s: float = ANSWER_S) -> AsyncIterator[RedisLedger]:
    tasks = TaskSet()
    client = RedisClient(url, tasks=tasks, timeout_s=timeout_s)
    await client.open()
    ledger = RedisLedger(client)
    await ledger.open()
    try:
        yield ledger
    finally:
        await client.close()
        await tasks.cancel()


class Load:
    """Calls of all accounts, each reserved and settled until the ledger says that it was."""

    def __init__(self, ledger: RedisLedger, name: str) -> None:
        self.ledger = ledger
        self.name = name
        self.done = dict.fromkeys(ACCOUNTS, 0)
        self.unanswered = 0
        self._over = False

    async def fund(self) -> None:
        for account in ACCOUNTS:
            grant = Grant(grant_id=self.name, account_id=account, amount_ucr=GRANTED)
            await self.ledger.grant(grant)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as calls:
            for account in ACCOUNTS:
                calls.create_task(self._calls(account))
            try:
                yield
            finally:
                self._over = True

    async def _calls(self, account: str) -> None:
        number = 0
        while not self._over:
            number += 1
            await self.call(f"{self.name}-{account}-{number}", account)
            await asyncio.sleep(0.005)  # Its tombstones have to be moved as well.

    async def call(self, hold_id: str, account: str) -> None:
        while True:
            try:
                ask = asks.reserve(self.ledger, hold_id, HELD, account_id=account)
                assert isinstance(await self.ledger.reserve(ask), Reserved)
                break
            except StoreUnavailable:
                await self._pause()
        while True:
            try:
                answer = await self.ledger.settle(asks.settle(hold_id, CHARGED, account_id=account))
                break
            except StoreUnavailable:
                await self._pause()
        assert isinstance(answer, Settled) or answer == AlreadyEnded(Ending.SETTLED)
        self.done[account] += 1

    async def _pause(self) -> None:
        self.unanswered += 1
        await asyncio.sleep(0.01)

    async def reached(self, count: int) -> None:
        """Return when every account has had so many calls more."""
        aims = {account: done + count for account, done in self.done.items()}
        async with asyncio.timeout(40):
            while any(self.done[account] < aim for account, aim in aims.items()):
                await asyncio.sleep(0.01)

    async def assert_every_call_was_charged_once(self) -> None:
        for account in ACCOUNTS:
            balance = await audit_account(self.ledger, account)
            assert self.done[account] * CHARGED == balance.charged_ucr
            assert 0 == balance.live_holds


def owner_of(cluster: RedisCluster, account: str) -> Node:
    slot = slot_of_key(shard_tag(account).encode())
    return next(node for node in cluster.masters if slot in cluster.slots_of(node))


async def test_slots_that_move_under_load_lose_and_double_nothing(cluster: RedisCluster) -> None:
    """Every slot in use moves to another node, a key at a time, while its accounts are called."""
    async with worker(cluster.url, timeout_s=0.5) as ledger:
        load = Load(ledger, "moved")
        await load.fund()
        async with load.running():
            await load.reached(2)
            for slot in sorted({slot_of_key(shard_tag(each).encode()) for each in ACCOUNTS}):
                source = next(node for node in cluster.masters if slot in cluster.slots_of(node))
                target = cluster.masters[(cluster.masters.index(source) + 1) % 3]
                await asyncio.to_thread(cluster.move, slot, source, target)
            await load.reached(2)

        await load.assert_every_call_was_charged_once()


async def test_a_call_of_a_slot_between_two_nodes_finds_its_keys(cluster: RedisCluster) -> None:
    """The slot is on its way and stays so: what was not there before is looked for at its goal."""
    async with worker(cluster.url, timeout_s=2.0) as ledger:
        account = next(
            f"between-{number}"
            for number in range(1000)
            if not any(
                slot_of_key(shard_tag(f"between-{number}").encode())
                == slot_of_key(shard_tag(each).encode())
                for each in ACCOUNTS
            )
        )
        slot, source = slot_of_key(shard_tag(account).encode()), owner_of(cluster, account)
        target = cluster.masters[(cluster.masters.index(source) + 1) % 3]
        target.answer("CLUSTER", "SETSLOT", str(slot), "IMPORTING", cluster.id_of(source))
        source.answer("CLUSTER", "SETSLOT", str(slot), "MIGRATING", cluster.id_of(target))

        await ledger._client.command("SET", f"{shard_tag(account)}new", "here")

        assert b"here" == await ledger._client.command("GET", f"{shard_tag(account)}new")
        assert 0 == source.answer("CLUSTER", "COUNTKEYSINSLOT", str(slot))
        assert 1 == target.answer("CLUSTER", "COUNTKEYSINSLOT", str(slot))
        await asyncio.to_thread(cluster.move, slot, source, target)
        assert b"here" == await ledger._client.command("GET", f"{shard_tag(account)}new")


async def test_a_moved_slot_is_found_without_anybody_noticing(cluster: RedisCluster) -> None:
    async with worker(cluster.url, timeout_s=5.0) as ledger:
        account = "somebody"
        await ledger.grant(Grant(grant_id="g", account_id=account, amount_ucr=1000))
        slot, source = slot_of_key(shard_tag(account).encode()), owner_of(cluster, account)
        target = cluster.masters[(cluster.masters.index(source) + 1) % 3]
        await asyncio.to_thread(cluster.move, slot, source, target)

        assert 1000 == (await ledger.balance(account)).available_ucr


async def test_masters_that_change_places_under_load_lose_and_double_nothing(
    guarded: RedisCluster,
) -> None:
    """A replica takes over from its master in agreement with it, as for maintenance."""
    async with worker(guarded.url) as ledger:
        load = Load(ledger, "changed")
        await load.fund()
        async with load.running():
            await load.reached(2)
            for replica in guarded.replicas:
                replica.answer("CLUSTER", "FAILOVER")
            async with asyncio.timeout(20):
                while any(replica.role != b"master" for replica in guarded.replicas):
                    await asyncio.sleep(0.02)
            await load.reached(3)

        await load.assert_every_call_was_charged_once()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_master_that_dies_is_replaced_and_the_others_go_on(
    guarded: RedisCluster, number: signal.Signals
) -> None:
    """Holds are open on all three when one dies or hangs; all are settled, none twice."""
    async with worker(guarded.url) as ledger:
        load = Load(ledger, "died")
        await load.fund()
        for account in ACCOUNTS:
            ask = asks.reserve(ledger, f"open-{account}", HELD, account_id=account)
            assert isinstance(await ledger.reserve(ask), Reserved)
        dead = guarded.masters[0]
        # What the replica has not got yet would be another test.
        dead.replicated_to(guarded.replicas[0])
        lost = [account for account in ACCOUNTS if owner_of(guarded, account) is dead]
        spared = [account for account in ACCOUNTS if account not in lost]
        assert lost
        assert spared

        dead.signal(number)

        async with beats(ANSWER_S / 10) as counted:
            with pytest.raises(StoreUnavailable):
                await ledger.settle(asks.settle(f"open-{lost[0]}", CHARGED, account_id=lost[0]))
        # At its deadline, and not when somebody took the dead one's place.
        assert counted() <= 20
        await _settled_once(ledger, spared)
        async with asyncio.timeout(20):
            await asyncio.gather(*(load.call(f"open-{account}", account) for account in lost))
        for account in spared:
            load.done[account] += 1
        await load.assert_every_call_was_charged_once()
        async with asyncio.timeout(20):
            while ledger._client.state is not State.CONNECTED:
                await asyncio.sleep(0.02)


async def _settled_once(ledger: RedisLedger, accounts: Sequence[str]) -> None:
    """At the first try: nothing has happened to their masters."""
    for account in accounts:
        answer = await ledger.settle(asks.settle(f"open-{account}", CHARGED, account_id=account))
        assert isinstance(answer, Settled)
