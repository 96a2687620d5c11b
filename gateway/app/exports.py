"""The exporter of one worker: sinks as configured, on a connection of its own to the store."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.app.inherited import Inherited
from gateway.metering.records import Source
from gateway.settings.values import Settings, SinkSettings
from gateway.sinks import Around, make_sink
from gateway.sinks.base import MeterSink, RecordSink, TellsCharges
from gateway.sinks.notices import NoticePoster
from gateway.stores.identifying import KeyStore
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.deliveries import RedisDeliveries
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.standings import RedisStandings
from gateway.stores.redis.sums import RedisSums
from gateway.tasks import TaskSet
from gateway.telemetry.exports import ExportObservation
from gateway.telemetry.logs import Log
from gateway.workers.breaker import Breaker
from gateway.workers.delivery import AddressBook, RecordCourier, Sorting
from gateway.workers.exporter import Courier, Export, Exporter
from gateway.workers.metered import MeterCourier
from gateway.workers.standing import StandingReporter

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
        exports = [
            _export(each, around, sorting=sorting, sums=RedisSums(client))
            for each in settings.sinks
        ]
        reporter = StandingReporter(
            ExportObservation(log, inherited.metrics),
            RedisStandings(client, ledger),
            {each.sink.name: each.breaker for each in exports},
        )
        exporter = Exporter(exports, outbox=outbox, observer=reporter)
        await exporter.start()
        tasks.start(reporter.run(), name="standing of sinks")
        try:
            yield exporter
        finally:
            await exporter.stop(timeout_s=CLOSE_S)
            await reporter.share()
    finally:
        await client.close()
        await tasks.cancel()


@dataclass(frozen=True, slots=True)
class Outside:
    """What the Metering API and notices reach beyond the store."""

    poster: NoticePoster
    """To webhook endpoints."""
    tell_charges: Mapping[str, TellsCharges]
    """The sinks that can be asked what they have, by name."""


@asynccontextmanager
async def open_outside(settings: Settings, ledger: RedisLedger) -> AsyncIterator[Outside]:
    """Connects to nobody before it is used."""
    async with AsyncExitStack() as opened:
        hooks = settings.webhooks
        poster = NoticePoster(allow=hooks.allow, timeout_s=hooks.timeout_s, now_ms=ledger.now_ms)
        around = Around(writer="", now_ms=ledger.now_ms)
        sinks = {
            each.name: make_sink(each.name, each.options, each.limits, around)
            for each in settings.sinks
        }
        tell = {name: sink for name, sink in sinks.items() if isinstance(sink, TellsCharges)}
        for each in (poster, *tell.values()):
            await each.open()
            opened.push_async_callback(each.close)
        yield Outside(poster, tell)


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
