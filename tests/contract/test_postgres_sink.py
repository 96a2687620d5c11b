"""PostgreSQL gets each record once, whatever happens to the server meanwhile."""

import asyncio
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
    record = shipment("r1", 5).record
    at_ms, whose = record.settled_ms, {"source": record.source}
    assert 18 == await sink.charged(record.account_id, first_ms=at_ms, end_ms=at_ms + 1, **whose)
    assert 0 == await sink.charged("nobody", first_ms=0, end_ms=at_ms + 1, **whose)
    await database.execute("DROP TABLE usage")
    lost = await sink.charged(record.account_id, first_ms=0, end_ms=at_ms + 1, **whose)

    assert "UndefinedTableError 42P01" == lost.reason
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


@pytest.mark.parametrize("store_server", ["valkey"], indirect=True)
@pytest.mark.parametrize("fault", ["no answer in time", "reset"])
async def test_no_fault_loses_or_doubles_a_record(
    fault: str,
    *,
    database: Any,
    sink: PostgresSink,
    store_url: str,
    store_client: RedisClient,
    ledger: RedisLedger,
) -> None:
    """Somebody has locked the table: nothing is answered in time, or the connection is ended."""
    keys = RedisKeyStore(store_url)
    await known_accounts(keys)
    total = await settled(ledger, 4)
    async with exporting(store_client, ledger, keys, sink) as export:
        await export.caught_up()
        async with database.transaction():
            await database.execute("LOCK TABLE usage IN ACCESS EXCLUSIVE MODE")
            total += await settled(ledger, 40)
            async with asyncio.timeout(20):
                while not export.watcher.outcomes.get("retry"):
                    if fault == "reset":
                        await database.execute(
                            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"
                        )
                    await asyncio.sleep(0.05)
        await export.caught_up()
    await keys.close()
    stored = await database.fetchval("SELECT sum(charge_microcredits)::bigint FROM usage")

    assert [] == export.watcher.reasons
    assert total == stored
