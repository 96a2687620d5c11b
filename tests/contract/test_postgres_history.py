"""What a history on a server adds: several that write it, and a server that goes away."""

import asyncio

import pytest
from support import asks
from support.histories import Observer, PostgresTables, call, drain, fund, journal_of
from support.postgres_server import postgres_server, programs

from gateway.errors import Conflict, HistoryUnavailable
from gateway.metering.usage import Usage
from gateway.stores.history.history import SqlHistory
from gateway.stores.redis.outbox import RedisOutbox

pytestmark = [
    pytest.mark.skipif(programs() is None, reason="no PostgreSQL is installed here"),
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    pytest.mark.parametrize("tables", ["postgres"], indirect=True),
]


async def test_gateways_of_several_machines_make_and_share_one_history(tables, ledger):
    histories = [tables.history() for _ in range(4)]
    await asyncio.gather(*(history.open() for history in histories))
    await fund(ledger, 1000)
    await drain(ledger, histories[0])
    await call(ledger, "h1", Usage(input_uncached=1))
    await drain(ledger, histories[1])

    ids = {await history.history_id() for history in histories}
    seen = [
        [each.entry.operation_id for each in await history.request(asks.ACCOUNT, "h1")]
        for history in histories
    ]

    assert 1 == len(ids)
    assert [["h1"]] * 4 == seen
    for history in histories:
        await history.close()


async def test_of_two_that_append_the_same_at_once_one_is_refused(tables, history, ledger):
    other = tables.history()
    await fund(ledger, 10**6)
    for number in range(20):
        await call(ledger, f"h{number}", Usage(input_uncached=1))
    outbox = RedisOutbox(ledger._client, ledger)
    batch = await outbox.read(await history.positions(), limit=100)

    done = await asyncio.gather(
        *(each.append(batch, {}) for each in (history, other)), return_exceptions=True
    )

    assert [None, Conflict] == sorted(
        (each if each is None else type(each) for each in done), key=str, reverse=True
    )
    assert 21 == len(await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=99))
    await other.close()


async def test_a_model_name_with_a_nul_does_not_stop_the_journal(history, ledger):
    await fund(ledger, 1000)
    await call(ledger, "h1", Usage(input_uncached=1), model_requested="a\0b")
    await drain(ledger, history)

    span = {"start_ms": 0, "end_ms": ledger.now_ms() + 1000, "before": None, "limit": 9}
    [record] = await history.records(asks.ACCOUNT, **span)

    assert "a�b" == record.model_requested


async def test_a_table_of_another_version_is_refused_and_left_alone(tables, history, ledger):
    await tables.change("UPDATE about SET value = '99' WHERE name = 'version'")
    other = tables.history()

    with pytest.raises(HistoryUnavailable, match="version 99"):
        await other.open()
    await other.close()


async def test_a_server_that_is_away_at_the_start_and_later_is_caught_up_with(tables, ledger):
    found = programs()
    assert found is not None
    with postgres_server(found) as server:
        server.stop()
        history: SqlHistory = PostgresTables(server.url, "public").history()
        with pytest.raises(HistoryUnavailable):
            await history.open()
        observer = Observer()
        await fund(ledger, 1000)
        running = asyncio.ensure_future(journal_of(ledger, history, observer=observer).run())
        async with asyncio.timeout(40):
            while not observer.failures:
                await asyncio.sleep(0.02)
            server.start()
            while not observer.count:
                await asyncio.sleep(0.02)
            server.stop()
            failed = len(observer.failures)
            await call(ledger, "h1", Usage(input_uncached=1))
            while len(observer.failures) == failed:
                await asyncio.sleep(0.02)
            server.start()
            while observer.count < 2:
                await asyncio.sleep(0.02)
        running.cancel()
        moved = await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=9)
        await history.close()

    assert ["h1", "g1"] == [each.entry.operation_id for each in moved]
    assert not any("postgresql://" in said for said in observer.failures)
