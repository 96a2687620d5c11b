"""PostgreSQL gets each record once, whatever happens to the server meanwhile."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from support.exports import LIMITS, exporting, known_accounts, settled
from support.postgres_server import PostgresServer, postgres_server, programs
from support.records import shipment

from gateway.sinks.base import Fate
from gateway.sinks.postgres import PostgresOptions, PostgresSink
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger

PROGRAMS = programs()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL is installed here")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    assert PROGRAMS is not None
    with postgres_server(PROGRAMS) as server:
        yield server


@pytest.fixture
async def database(server: PostgresServer) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(server.url)
    await connection.execute("DROP TABLE IF EXISTS usage")
    yield connection
    await connection.close()


@pytest.fixture
async def sink(server: PostgresServer) -> AsyncIterator[PostgresSink]:
    options = PostgresOptions(url=server.url, table="usage", timeout_s=2.0)
    sink = PostgresSink("postgres", options, LIMITS)
    await sink.open()
    yield sink
    await sink.close()


async def test_a_record_is_a_row_once(database: Any, sink: PostgresSink) -> None:
    first = await sink.deliver([shipment("r1", 5), shipment("r2", 6)])
    again = await sink.deliver([shipment("r2", 6), shipment("r3", 7)])

    rows = await database.fetch("SELECT * FROM usage ORDER BY id")

    assert [Fate.DELIVERED, Fate.DELIVERED] == [each.fate for each in first]
    assert [Fate.DUPLICATE, Fate.DELIVERED] == [each.fate for each in again]
    assert [("r1", 5), ("r2", 6), ("r3", 7)] == [
        (row["id"], row["charge_microcredits"]) for row in rows
    ]
    assert 1_795_428_852.377 == rows[0]["time"].timestamp()


async def test_a_record_that_does_not_fit_is_refused_and_not_retried(
    database: Any, sink: PostgresSink
) -> None:
    bad = shipment("r1", 5)
    bad = replace(bad, record=replace(bad.record, data=bad.record.data | {"model": "a\0b"}))

    refused = await sink.deliver([shipment("r2", 6), bad])

    assert [Fate.REFUSED] * 2 == [each.fate for each in refused]


@pytest.mark.parametrize("store_server", ["valkey"], indirect=True)
async def test_the_sum_in_the_table_is_the_sum_that_was_settled(
    server: PostgresServer,
    sink: PostgresSink,
    store_url: str,
    store_client: RedisClient,
    ledger: RedisLedger,
) -> None:
    connection = await asyncpg.connect(server.url)
    await connection.execute("DROP TABLE IF EXISTS usage")
    await connection.close()
    keys = RedisKeyStore(store_url)
    await known_accounts(keys)
    total = await settled(ledger, 40)
    async with exporting(store_client, ledger, keys, sink) as export:
        await export.caught_up()
        server.stop()
        total += await settled(ledger, 40)
        server.start()
        await export.caught_up()
    await keys.close()
    connection = await asyncpg.connect(server.url)
    stored = await connection.fetchval("SELECT sum(charge_microcredits)::bigint FROM usage")
    await connection.close()

    assert [] == export.watcher.reasons
    assert total == stored, export.watcher
