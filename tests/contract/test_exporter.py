"""How the exporter delivers: the bad ones apart, again on request, by whoever is alive."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support import asks
from support.contract_servers.base import BROKEN_BEFORE
from support.contract_servers.lago import LagoServer
from support.contract_servers.openmeter import OpenMeterServer
from support.contract_servers.stripe import StripeServer
from support.contract_servers.webhook import WebhookServer
from support.exports import (
    LEASE_MS,
    Watcher,
    exporter_of,
    exporting,
    known_accounts,
    settled,
)
from support.redis_server import KINDS
from support.sinks import SECRET, lago, openmeter, stripe, webhook

from gateway.metering.journal import Position
from gateway.metering.ledger import Grant
from gateway.metering.records import Record
from gateway.sinks.base import DELIVERED as TAKEN
from gateway.sinks.base import Customers, Limits, Outcome, Shipment
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.deliveries import RedisDeliveries
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.layout import outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.mending import RedisMending
from gateway.stores.redis.outbox import RedisOutbox

STORE_FORMS = (*KINDS, "cluster")

BAD = "bad-model"


@pytest.fixture
async def keys(store_url: str) -> AsyncIterator[RedisKeyStore]:
    store = RedisKeyStore(store_url)
    await known_accounts(store, external={"stripe": "cus_", "lago": "sub_"})
    yield store
    await store.close()


class Memory:
    """A sink that remembers what it got; `gate` holds deliveries up."""

    customers = Customers()

    def __init__(self, *, name: str = "memory") -> None:
        self.name = name
        self.limits = Limits(events_max=10, linger_s=0.05)
        self.records: list[Record] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def deliver(self, shipments: list[Shipment]) -> list[Outcome]:
        self.records += [each.record for each in shipments]
        await self.gate.wait()
        return [TAKEN] * len(shipments)

    @property
    def total(self) -> int:
        return sum({each.record_id: each.charge_ucr for each in self.records}.values())


async def settle_of_model(ledger: RedisLedger, hold: str, model: str, charge: int) -> None:
    await ledger.grant(Grant(grant_id=f"g{hold}", account_id=asks.ACCOUNT, amount_ucr=10**6))
    await ledger.reserve(asks.reserve(ledger, hold, charge))
    ask = asks.settle(hold, charge)
    await ledger.settle(replace(ask, event=replace(ask.event, model=model)))


async def test_a_poisonous_record_is_found_and_the_rest_of_its_batch_delivered(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server = OpenMeterServer(bad_model=BAD)
    async with server.running():
        for number in range(7):
            await settle_of_model(ledger, f"r{number}", BAD if number == 4 else "good", 10)
        async with exporting(store_client, ledger, keys, openmeter(server.url)) as export:
            await export.caught_up()
        [letter] = await RedisMending(store_client).dead("openmeter", limit=10)

    assert 60 == server.total()
    assert ("r4", 10, "acme") == (letter.request_id, letter.amount_ucr, letter.account_id)
    assert "HTTP 400" in letter.reason
    assert 1 == export.watcher.outcomes["poison"]


async def test_a_dead_letter_is_delivered_once_its_cause_is_mended(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server, mending = OpenMeterServer(bad_model=BAD), RedisMending(store_client)
    async with server.running():
        await settle_of_model(ledger, "r1", BAD, 25)
        async with exporting(store_client, ledger, keys, openmeter(server.url)) as export:
            await export.caught_up()
            letters = await mending.dead("openmeter", limit=10)
            server.bad_model = ""
            assert 1 == await mending.redrive("openmeter", letters)
            assert 0 == await mending.redrive("openmeter", letters)
            await export.caught_up()

    assert 25 == server.total()
    assert [] == await mending.dead("openmeter", limit=10)


async def test_lago_names_the_bad_ones_itself(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server = LagoServer(unknown=("sub_bolt",))
    async with server.running():
        await settled(ledger, 20)
        async with exporting(store_client, ledger, keys, lago(server.url)) as export:
            await export.caught_up()
        letters = await RedisMending(store_client).dead("lago", limit=100)

    assert {"bolt"} == {letter.account_id for letter in letters}
    assert 5 == len(letters)
    assert 15 == len({event["properties"]["request_id"] for event in server.events.values()})


async def test_a_replay_sends_the_same_records_once_more(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    sink, mending = Memory(), RedisMending(store_client)
    async with exporting(store_client, ledger, keys, sink) as export:
        total = await settled(ledger, 12)
        await export.caught_up()
        first = sorted(sink.records, key=lambda record: record.record_id)
        sink.records = []
        assert 12 == await mending.replay("memory", first_ms=0, last_ms=10**15)
        await export.caught_up()
        again = sorted(sink.records, key=lambda record: record.record_id)
        sink.records = []
        wanted = first[3].record_id
        assert 1 == await mending.replay("memory", first_ms=0, last_ms=10**15, requests=[wanted])
        await export.caught_up()

    assert first == again
    assert total == sum(record.charge_ucr for record in first)
    assert [wanted] == [record.record_id for record in sink.records]


async def test_an_account_without_an_id_is_told_and_mended(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    await known_accounts(keys, ["newcomer"])
    server, mending = StripeServer(("tokens", "charges")), RedisMending(store_client)
    async with server.running():
        total = await settled(ledger, 6, ["newcomer", "acme"])
        async with exporting(store_client, ledger, keys, stripe(server.url)) as export:
            await export.caught_up()
            letters = await mending.dead("stripe", limit=10)
            assert 3 == len(letters)
            assert {"newcomer"} == {letter.account_id for letter in letters}
        await known_accounts(keys, ["newcomer"], external={"stripe": "cus_"})
        async with exporting(store_client, ledger, keys, stripe(server.url)) as export:
            await mending.redrive("stripe", letters)
            await export.caught_up()

    assert total == server.total("charge")


async def test_two_processes_share_the_lanes_and_each_record_comes_once(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    one, two = Memory(), Memory()
    async with exporting(store_client, ledger, keys, one) as first:
        async with exporting(store_client, ledger, keys, two):
            total = 0
            for _ in range(4):
                total += await settled(ledger, 40, [f"account-{n}" for n in range(40)])
                await asyncio.sleep(0.2)
            await first.caught_up()

    ids = [record.record_id for record in (*one.records, *two.records)]
    assert len(ids) == len(set(ids)) == 160
    assert total == one.total + two.total


async def test_what_a_dead_process_had_in_hand_its_successor_delivers(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    dying, heir = Memory(), Memory()
    dying.gate.clear()
    total = await settled(ledger, 30)
    exporter = exporter_of(store_client, ledger, keys, dying, Watcher())
    await exporter.start()
    async with asyncio.timeout(10):
        while not dying.records:
            await asyncio.sleep(0.01)
    # Between sending and acknowledging, without a word to the store.
    await exporter._tasks.cancel()

    async with exporting(store_client, ledger, keys, heir) as export:
        await export.caught_up(timeout_s=10 + LEASE_MS / 1000)

    assert total == heir.total
    assert {record.record_id for record in dying.records} <= {
        record.record_id for record in heir.records
    }
    resent = {record.record_id: record for record in heir.records}
    assert all(resent[record.record_id] == record for record in dying.records)


async def test_a_stop_delivers_what_was_settled_until_then(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    sink = Memory()
    sink.limits = Limits(events_max=100, linger_s=1.0)
    async with exporting(store_client, ledger, keys, sink) as export:
        await asyncio.sleep(0.5)
        total = await settled(ledger, 30)
        await export.exporter.stop(timeout_s=5)

    assert total == sink.total


async def test_a_receiver_that_is_gone_gets_nothing_more(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server = WebhookServer(SECRET, gone=True)
    async with server.running():
        await settled(ledger, 5)
        async with exporting(store_client, ledger, keys, webhook(server.url, ledger)) as export:
            async with asyncio.timeout(10):
                while not export.watcher.states:
                    await asyncio.sleep(0.01)
            asked = len(server.requests)
            await settled(ledger, 5)
            await asyncio.sleep(0.5)

    assert ["disabled"] == export.watcher.states
    assert len(server.requests) <= asked + 4
    waiting = (await RedisDeliveries(store_client, ledger).backlog("webhook")).waiting
    assert 10 <= waiting


async def test_a_redirect_is_not_followed(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    inside = WebhookServer(SECRET)
    async with inside.running():
        server = WebhookServer(SECRET, location=f"{inside.url}/metadata")
        async with server.running():
            await settled(ledger, 5)
            async with exporting(store_client, ledger, keys, webhook(server.url, ledger)) as export:
                async with asyncio.timeout(10):
                    while export.watcher.outcomes.get("retry", 0) < 2:
                        await asyncio.sleep(0.01)

    assert [] == inside.requests


async def test_a_webhook_to_a_private_address_is_never_sent(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server = WebhookServer(SECRET)
    async with server.running():
        await settled(ledger, 5)
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            guarded = webhook(url, ledger, allow=())
            async with exporting(store_client, ledger, keys, guarded) as export:
                async with asyncio.timeout(10):
                    while not export.watcher.outcomes.get("retry"):
                        await asyncio.sleep(0.01)

    assert [] == server.requests


async def test_the_circuit_opens_and_closes_again(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server = OpenMeterServer()
    server.faults.extend([BROKEN_BEFORE] * 5)
    async with server.running():
        total = await settled(ledger, 5, [asks.ACCOUNT])
        async with exporting(store_client, ledger, keys, openmeter(server.url)) as export:
            await export.caught_up()

    assert ["failing", "back"] == export.watcher.states
    assert total == server.total()


async def test_lag_is_told_while_a_sink_takes_nothing(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    sink = Memory()
    sink.gate.clear()
    await settled(ledger, 5, [asks.ACCOUNT])
    async with exporting(store_client, ledger, keys, sink) as export:
        async with asyncio.timeout(10):
            while max(export.watcher.lags_ms, default=0) < 1000:
                await asyncio.sleep(0.05)
        sink.gate.set()
        await export.caught_up()


async def test_a_bug_in_a_sink_is_told_and_ends_nothing(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    class Buggy(Memory):
        async def deliver(self, shipments: list[Shipment]) -> list[Outcome]:
            if not self.records:
                self.records.append(shipments[0].record)
                raise KeyError("a bug")
            return await super().deliver(shipments)

    sink = Buggy()
    total = await settled(ledger, 5, [asks.ACCOUNT])
    async with exporting(store_client, ledger, keys, sink) as export:
        await export.caught_up()

    assert ["KeyError"] == export.watcher.errors
    assert total == sink.total


async def test_a_late_settlement_after_an_expiry_adds_up_to_the_call(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    await ledger.grant(Grant(grant_id="g", account_id=asks.ACCOUNT, amount_ucr=10**6))
    await ledger.reserve(asks.reserve(ledger, "r1", 50))
    await ledger.extend(asks.extend("r1", 1, 0, charge_ucr=10, lease_ms=0))
    await ledger.expire_holds()
    await ledger.settle(asks.settle("r1", 25))
    sink = Memory()
    async with exporting(store_client, ledger, keys, sink) as export:
        await export.caught_up()

    first, second = sink.records
    assert ("r1", 10, "r1.late", 15) == (
        first.record_id,
        first.charge_ucr,
        second.record_id,
        second.charge_ucr,
    )
    assert 25 == first.usage["input_uncached"] + second.usage["input_uncached"]
    assert 50 == first.usage["output_text"] + second.usage["output_text"]


async def test_what_a_sink_has_not_got_is_not_trimmed(
    store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    outbox = outbox_key(shard_tag(asks.ACCOUNT))
    for number in range(250):
        await store_client.command("XADD", outbox, f"{number + 1}-1", "kind", "funded")
    await store_client.command("XGROUP", "CREATE", outbox, "slow", "150-1")
    await store_client.command("XGROUP", "CREATE", outbox, "done", "250-1")
    number = int(outbox[2:4])
    position = Position(entry_id="250-1")
    await RedisOutbox(store_client, ledger).trim({number: position}, keep_ms=0)

    [first] = await store_client.command("XRANGE", outbox, "-", "+", "COUNT", 1)
    assert 1 < int(first[0].split(b"-")[0]) <= 150
