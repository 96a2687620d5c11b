"""The exporter of one worker: sinks as configured, on a connection of its own to the store."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.inherited import Inherited
from gateway.metering.records import Source
from gateway.settings.values import Settings, SinkSettings
from gateway.sinks import Around, make_sink
from gateway.sinks.base import MeterSink, RecordSink
from gateway.stores.base import KeyStore
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.deliveries import RedisDeliveries
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.sums import RedisSums
from gateway.tasks import TaskSet
from gateway.telemetry.exports import ExportObservation
from gateway.telemetry.logs import Log
from gateway.workers.breaker import Breaker
from gateway.workers.delivery import AddressBook, RecordCourier, Sorting
from gateway.workers.exporter import Courier, Export, Exporter
from gateway.workers.metered import MeterCourier

# Deliveries wait for the store as long as it takes: no call waits for them.
STORE_S = 5.0
# A worker that was not drained leaves what is in hand to its successor.
CLOSE_S = 0.5


@asynccontextmanager
async def open_exporter(
    inherited: Inherited, *, keys: KeyStore, log: Log, worker_index: int
) -> AsyncIterator[Exporter]:
    """A running exporter. Raises StoreUnavailable, or OSError for a sink that cannot open."""
    settings = inherited.settings
    tasks = TaskSet()
    client = RedisClient(inherited.address.url, tasks=tasks, timeout_s=STORE_S)
    await client.open()
    try:
        ledger = RedisLedger(client)
        await ledger.open()
        outbox = RedisDeliveries(client, ledger)
        around = Around(writer_name(settings, worker_index), ledger.now_ms)
        source = Source(settings.export.source, settings.metering.usd_nanos_per_credit)
        sorting = Sorting(source, AddressBook(keys))
        exporter = Exporter(
            [
                _export(each, around, sorting=sorting, sums=RedisSums(client))
                for each in settings.sinks
            ],
            outbox=outbox,
            observer=ExportObservation(log, inherited.metrics),
        )
        await exporter.start()
        try:
            yield exporter
        finally:
            await exporter.stop(timeout_s=CLOSE_S)
    finally:
        await client.close()
        await tasks.cancel()


def writer_name(settings: Settings, worker_index: int) -> str:
    """The same after a restart, another one for whatever runs beside us."""
    return f"{socket.gethostname()}-{settings.listen.port}-{worker_index}"


def _export(settings: SinkSettings, around: Around, *, sorting: Sorting, sums: RedisSums) -> Export:
    sink = make_sink(settings.name, settings.options, settings.limits, around)
    breaker = Breaker()
    return Export(
        sink=sink,
        courier=_courier(sink, breaker, sorting=sorting, sums=sums),
        breaker=breaker,
        everything=settings.everything,
    )


def _courier(
    sink: RecordSink | MeterSink, breaker: Breaker, *, sorting: Sorting, sums: RedisSums
) -> Courier:
    if isinstance(sink, MeterSink):
        return MeterCourier(sink, breaker, sorting, sums)
    return RecordCourier(sink, breaker, sorting)
