"""A process that delivers to sinks and is killed before it can acknowledge anything.

`python -m support.dying_exporter STORE SINKS`, the latter JSON: what to make each sink of. It says
`sent NAME` for each that has been sent something, and that sink hears no more of it: an answer
never arrives. To be killed.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from support import sinks
from support.exports import LIMITS, Watcher, exporter_of

from gateway.sinks.base import Fate, Outcome, Shipment
from gateway.sinks.json_lines import JsonLinesOptions, JsonLinesSink
from gateway.sinks.kafka import KafkaOptions, KafkaSink
from gateway.sinks.postgres import PostgresOptions, PostgresSink
from gateway.sinks.totals import TotalsOptions, TotalsSink
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger
from gateway.tasks import TaskSet


class Unheard:
    """A sink whose answers never arrive: what it was given it has."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self.name, self.limits, self.customers = sink.name, sink.limits, sink.customers
        self.open, self.close = sink.open, sink.close

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        outcomes: Sequence[Outcome] = await self._sink.deliver(shipments)
        if any(each.fate is Fate.RETRY for each in outcomes):
            return outcomes
        os.write(sys.stdout.fileno(), f"sent {self.name}\n".encode())
        await asyncio.Event().wait()
        raise AssertionError


def json_lines(folder: str, ledger: RedisLedger, writer: str) -> JsonLinesSink:
    options = JsonLinesOptions(
        folder=Path(folder), file_bytes_max=1 << 20, file_age_max_s=3600, fsync=True
    )
    return JsonLinesSink("json_lines", options, LIMITS, writer=writer, now_ms=ledger.now_ms)


def totals(folder: str, _: RedisLedger, writer: str) -> TotalsSink:
    options = TotalsOptions(folder=Path(folder), accounts_max=100)
    return TotalsSink("totals", options, LIMITS, writer=writer)


def kafka(brokers: str, _: RedisLedger, __: str) -> KafkaSink:
    options = KafkaOptions(
        brokers=brokers, topic="t", tls=False, user="", password="", timeout_s=5.0
    )
    return KafkaSink("kafka", options, LIMITS)


def postgres(url: str, _: RedisLedger, __: str) -> PostgresSink:
    return PostgresSink("postgres", PostgresOptions(url=url, table="usage", timeout_s=5.0), LIMITS)


MADE: Mapping[str, Callable[[str, RedisLedger, str], Any]] = {
    "stripe": lambda url, _, __: sinks.stripe(url),
    "lago": lambda url, _, __: sinks.lago(url),
    "openmeter": lambda url, _, __: sinks.openmeter(url),
    "clickhouse": lambda url, _, __: sinks.clickhouse(url),
    "webhook": lambda url, ledger, _: sinks.webhook(url, ledger),
    "json_lines": json_lines,
    "totals": totals,
    "kafka": kafka,
    "postgres": postgres,
}
"""By where they send and what writes."""
BY_HTTP = ("stripe", "lago", "openmeter", "clickhouse", "webhook")
"""Their servers can keep back an answer themselves."""


async def main(store_url: str, places: Mapping[str, str]) -> None:
    client, keys = RedisClient(store_url, tasks=TaskSet(), timeout_s=5), RedisKeyStore(store_url)
    await client.open()
    ledger = RedisLedger(client)
    await ledger.open()
    for name, place in places.items():
        sink = MADE[name](place, ledger, "worker")
        unheard = sink if name in BY_HTTP else Unheard(sink)
        await exporter_of(client, ledger, keys, unheard, Watcher()).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], orjson.loads(sys.argv[2])))
