"""Kafka brokers that speak the real protocol and fail on request: librdkafka's own mock cluster.

It is reached by ctypes in the library that `confluent-kafka` brings along (rdkafka_mock.h).
"""

import ctypes
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import files
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

PRODUCER = 0
PRODUCE = 0
INIT_PRODUCER_ID = 22
# Of rd_kafka_resp_err_t; the mock closes the connection at TRANSPORT, before any effect.
TRANSPORT, NO_ERROR, LEADER_NOT_AVAILABLE, TIMED_OUT, TOO_LARGE = -195, 0, 5, 7, 10
NOT_ENOUGH_REPLICAS_AFTER_APPEND, THROTTLED = 20, 89
PARTITIONS = 4


def _library() -> ctypes.CDLL:
    listed = files("confluent-kafka") or []
    [path] = [each for each in listed if each.match("librdkafka*.so*")]
    library = ctypes.CDLL(str(path.locate()))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


@dataclass
class MockKafka:
    brokers: str
    _library: ctypes.CDLL
    _cluster: ctypes.c_void_p

    def answers(self, *errors: int, request: int = PRODUCE) -> None:
        """To the next requests of that kind, in place of doing what they ask."""
        listed = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), listed
        )

    def slow(self, rtt_ms: int) -> None:
        """Requests have their effect, and are answered so late."""
        self._library.rd_kafka_mock_broker_set_rtt(self._cluster, ctypes.c_int32(1), rtt_ms)

    def down(self) -> None:
        self._library.rd_kafka_mock_broker_set_down(self._cluster, ctypes.c_int32(1))

    def up(self) -> None:
        self._library.rd_kafka_mock_broker_set_up(self._cluster, ctypes.c_int32(1))

    async def messages(self, topic: str) -> list[Any]:
        """All there are, of every partition."""
        found: list[Any] = []
        async with self._consumer() as consumer:
            places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            await consumer.seek_to_beginning(*places)
            while len(found) < sum(ends.values()):
                some = await consumer.getmany(timeout_ms=500)
                found += [message for messages in some.values() for message in messages]
        return found

    async def total(self, topic: str) -> int:
        """As a consumer adds up that keeps one of each source and id."""
        events = [orjson.loads(message.value) for message in await self.messages(topic)]
        once = {(event["source"], event["id"]): event for event in events}
        return sum(event["data"]["charge_microcredits"] for event in once.values())

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.brokers, group_id=None)
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()


@contextmanager
def mock_kafka() -> Iterator[MockKafka]:
    library = _library()
    said = ctypes.create_string_buffer(512)
    client = ctypes.c_void_p(
        library.rd_kafka_new(
            PRODUCER, ctypes.c_void_p(library.rd_kafka_conf_new()), said, len(said)
        )
    )
    assert client.value, said.value
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, 1))
    assert cluster.value
    brokers = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    try:
        yield MockKafka(brokers, library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)
