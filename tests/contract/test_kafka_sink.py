"""Kafka gets each record at least once, in its account's order, whatever the brokers do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import orjson
import pytest
from support import kafka
from support.exports import LIMITS, exporting, known_accounts, settled
from support.kafka import MockKafka, mock_kafka
from support.records import shipment

from gateway.sinks.base import Fate
from gateway.sinks.kafka import KafkaOptions, KafkaSink
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger

TOPIC = "usage"
TIMEOUT_S = 2.0


@pytest.fixture
def brokers() -> Iterator[MockKafka]:
    with mock_kafka() as brokers:
        yield brokers


@pytest.fixture
async def sink(brokers: MockKafka) -> AsyncIterator[KafkaSink]:
    options = KafkaOptions(
        brokers=brokers.brokers, topic=TOPIC, tls=False, user="", password="", timeout_s=TIMEOUT_S
    )
    sink = KafkaSink("kafka", options, LIMITS)
    await sink.open()
    yield sink
    await sink.close()


@pytest.fixture
async def keys(store_url: str) -> AsyncIterator[RedisKeyStore]:
    store = RedisKeyStore(store_url)
    await known_accounts(store)
    yield store
    await store.close()


async def test_a_record_is_a_cloud_event_under_its_account(
    brokers: MockKafka, sink: KafkaSink
) -> None:
    batch = [shipment(f"r{n}", n, account_id=("acme", "bolt")[n % 2]) for n in range(10)]
    outcomes = await sink.deliver(batch)
    found = await brokers.messages(TOPIC)

    assert [Fate.DELIVERED] * 10 == [outcome.fate for outcome in outcomes]
    assert {each.record.record_id: each.record.cloud_event() for each in batch} == {
        event["id"]: event for event in (orjson.loads(message.value) for message in found)
    }
    assert {"application/cloudevents+json; charset=UTF-8"} == {
        value.decode() for message in found for _, value in message.headers
    }
    for account in ("acme", "bolt"):
        own = [message for message in found if message.key == account.encode()]
        ids = [orjson.loads(message.value)["id"] for message in own]
        assert [each.record.record_id for each in batch if each.customer == account] == ids
        assert 1 == len({message.partition for message in own})


async def test_what_is_larger_than_a_message_is_poison_and_the_rest_goes(
    brokers: MockKafka, sink: KafkaSink
) -> None:
    large = shipment("large", 5)
    large = replace(
        large, record=replace(large.record, data=large.record.data | {"model": "m" * 2_000_000})
    )
    outcomes = await sink.deliver([shipment("r1", 1), large, shipment("r2", 2)])

    assert [Fate.DELIVERED, Fate.POISON, Fate.DELIVERED] == [each.fate for each in outcomes]
    assert 3 == await brokers.total(TOPIC)


def _errors(*errors: int, request: int = kafka.PRODUCE) -> Callable[[MockKafka], None]:
    return lambda brokers: brokers.answers(*errors, request=request)


# What the brokers do at first; in the last three the producer itself has to give up.
FAULTS: dict[str, Callable[[MockKafka], None]] = {
    "no leader": _errors(kafka.LEADER_NOT_AVAILABLE),
    "timed out at the broker": _errors(kafka.TIMED_OUT),
    "too few replicas, appended": _errors(kafka.NOT_ENOUGH_REPLICAS_AFTER_APPEND),
    "throttled": _errors(kafka.THROTTLED),
    "reset": _errors(kafka.TRANSPORT, kafka.TRANSPORT),
    "no producer id": _errors(kafka.TRANSPORT, request=kafka.INIT_PRODUCER_ID),
    "answered too late": lambda brokers: brokers.slow(int(TIMEOUT_S * 2_000)),
    "down": lambda brokers: brokers.down(),
}
MENDED: dict[str, Callable[[MockKafka], None]] = {
    "answered too late": lambda brokers: brokers.slow(0),
    "down": lambda brokers: brokers.up(),
}


@pytest.mark.parametrize("store_server", ["valkey"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_fault_loses_or_doubles_a_record(
    fault: str,
    *,
    brokers: MockKafka,
    sink: KafkaSink,
    store_client: RedisClient,
    ledger: RedisLedger,
    keys: RedisKeyStore,
) -> None:
    assert [Fate.DELIVERED] == [each.fate for each in await sink.deliver([shipment("first", 1)])]
    total = 1 + await settled(ledger, 40)
    FAULTS[fault](brokers)
    async with exporting(store_client, ledger, keys, sink) as export:
        if fault in MENDED:
            async with asyncio.timeout(20):
                while not export.watcher.outcomes.get("retry"):
                    await asyncio.sleep(0.05)
            MENDED[fault](brokers)
        await export.caught_up()

    assert total == await brokers.total(TOPIC)
    assert [] == export.watcher.reasons
    assert [] == export.watcher.errors
