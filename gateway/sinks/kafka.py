"""Kafka: a message for each record, a CloudEvent in structured mode. Needs the extra `kafka`.

The key is the account, so that an account's records stay in one partition and in order. The
producer is idempotent and waits for all replicas in sync (`acks=all`): within a session nothing is
doubled. When a delivery's fate is not known the session is given up and another one begun, and the
records come again with the same `source` and `id`, which consumers tell duplicates by (Kafka
protocol binding for CloudEvents 1.0, section 3.3: `content-type`).
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.sinks.base import DELIVERED, Customers, Fate, Limits, Outcome, Shipment, poison, retry
from gateway.tasks import TaskSet

try:
    import aiokafka
    from aiokafka.errors import KafkaError, MessageSizeTooLargeError
except ImportError:
    aiokafka = None

HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
# What a session still has on the way ends with the time-out of its requests; then it is over.
GOODBYES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """`user`: empty for none; else SASL PLAIN."""

    brokers: str
    topic: str
    tls: bool
    user: str
    password: str = field(repr=False)
    timeout_s: float


def installed() -> bool:
    """Whether the library of the extra is there."""
    return aiokafka is not None


class KafkaSink:
    customers = Customers()

    def __init__(self, name: str, options: KafkaOptions, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self._options = options
        self._producer: aiokafka.AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._tasks = TaskSet()

    async def open(self) -> None:
        """Connects when there is something to deliver: the brokers may be away until then."""

    async def close(self) -> None:
        if self._producer is not None:
            await self._stop(self._producer)
        await self._tasks.cancel()

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        producer = None
        try:
            async with asyncio.timeout(self._options.timeout_s):
                producer = await self._started()
                sent = [await self._send(producer, each) for each in shipments]
                outcomes = await asyncio.gather(*map(_outcome, sent))
        except TimeoutError:
            outcomes = [retry(f"no answer within {self._options.timeout_s:g} s")] * len(shipments)
        except (KafkaError, OSError) as error:
            outcomes = [retry(type(error).__name__)] * len(shipments)
        if any(outcome.fate is Fate.RETRY for outcome in outcomes):
            self._give_up(producer)
        return outcomes

    async def _send(
        self, producer: "aiokafka.AIOKafkaProducer", shipment: Shipment
    ) -> "asyncio.Future[Any] | Outcome":
        record = shipment.record
        try:
            return await producer.send(  # type: ignore[no-any-return]
                self._options.topic,
                key=str(record.data["account_id"]).encode(),
                value=orjson.dumps(record.cloud_event()),
                headers=HEADERS,
            )
        except MessageSizeTooLargeError:
            return poison("larger than a message may be")

    async def _started(self) -> "aiokafka.AIOKafkaProducer":
        async with self._starting:
            if self._producer is None:
                producer = self._new()
                try:
                    await producer.start()
                except BaseException:
                    await self._stop(producer)
                    raise
                self._producer = producer
            return self._producer

    def _new(self) -> "aiokafka.AIOKafkaProducer":
        options = self._options
        security = ("SASL_" if options.user else "") + ("SSL" if options.tls else "PLAINTEXT")
        context = aiokafka.helpers.create_ssl_context() if options.tls else None
        return aiokafka.AIOKafkaProducer(
            bootstrap_servers=options.brokers,
            client_id="tollkeeper",
            enable_idempotence=True,
            acks="all",
            request_timeout_ms=int(options.timeout_s * 1000),
            security_protocol=security,
            ssl_context=context,
            sasl_mechanism="PLAIN",
            sasl_plain_username=options.user or None,
            sasl_plain_password=options.password or None,
        )

    def _give_up(self, producer: "aiokafka.AIOKafkaProducer") -> None:
        """Whoever delivers in the same session meanwhile has that repeated as well."""
        if producer is not None and self._producer is producer:
            self._producer = None
            self._tasks.start(self._stop(producer), name=f"end of a session with {self.name}")

    async def _stop(self, producer: "aiokafka.AIOKafkaProducer") -> None:
        with suppress(TimeoutError, KafkaError, OSError):
            async with asyncio.timeout(GOODBYES * self._options.timeout_s):
                await producer.stop()


async def _outcome(sent: "asyncio.Future[Any] | Outcome") -> Outcome:
    if isinstance(sent, Outcome):
        return sent
    try:
        await sent
    except MessageSizeTooLargeError:
        return poison("larger than the topic takes")
    except KafkaError as error:
        return retry(type(error).__name__)
    return DELIVERED
