"""What a history without transactions must hold: a batch that comes half, or twice, counts once."""

import asyncio

import pytest
from support import asks
from support.histories import call, drain, fund

from gateway.errors import HistoryUnavailable
from gateway.metering.history import DAY_MS, Question
from gateway.metering.usage import Usage
from gateway.stores.redis.outbox import RedisOutbox
from gateway.workers.audit import Audit

pytestmark = [
    pytest.mark.parametrize("store_server", ["valkey"], indirect=True),
    pytest.mark.parametrize("tables", ["clickhouse"], indirect=True),
]
USED = Usage(input_uncached=10, pieces=(("web_search", 1),))


async def counted(history, ledger) -> tuple[int, int, int]:
    """Requests, charges and the lines of receipts, over some days."""
    start_ms = ledger.now_ms() // DAY_MS * DAY_MS - DAY_MS
    asked = Question(
        account_id=asks.ACCOUNT, start_ms=start_ms, end_ms=start_ms + 4 * DAY_MS, width_ms=DAY_MS
    )
    sums, lines = await history.usage(asked), await history.costs(asked)
    return (
        sum(row.requests for row in sums),
        sum(row.charge_ucr for row in sums),
        sum(row.amount_ucr for row in lines),
    )


async def test_a_batch_that_came_half_is_written_again_over_itself(tables, history, ledger):
    await fund(ledger, 10**6)
    charges = [await call(ledger, f"h{number}", USED) for number in range(3)]
    await tables.change("RENAME TABLE positions TO away")
    with pytest.raises(HistoryUnavailable):
        await drain(ledger, history)
    await tables.change("RENAME TABLE away TO positions")
    charges.append(await call(ledger, "h3", USED))
    await tables.change("RENAME TABLE records TO away")
    with pytest.raises(HistoryUnavailable):
        await drain(ledger, history)
    await tables.change("RENAME TABLE away TO records")
    charges.append(await call(ledger, "h4", USED))
    await drain(ledger, history)

    assert (5, sum(charges), sum(charges)) == await counted(history, ledger)
    moved = await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=99)
    assert ["h4", "h3", "h2", "h1", "h0", "g1"] == [each.entry.operation_id for each in moved]
    assert 10**6 - sum(charges) == moved[0].balance_ucr
    audit = Audit(ledger, RedisOutbox(ledger._client, ledger), history)
    assert [] == await audit.chains()
    assert () == (await audit.account(asks.ACCOUNT)).differences


async def test_a_late_settlement_that_came_half_adds_what_it_adds_once(tables, history, ledger):
    await fund(ledger, 1000)
    await ledger.reserve(asks.reserve(ledger, "h1", 100, lease_ms=0))
    await ledger.extend(asks.extend("h1", 1, 0, charge_ucr=10, lease_ms=0))
    await asyncio.sleep(0.01)
    await ledger.expire_holds()
    await drain(ledger, history)
    await ledger.settle(asks.settle("h1", 30))
    await tables.change("RENAME TABLE positions TO away")
    await tables.change("CREATE TABLE positions AS away")
    await tables.change("INSERT INTO positions SELECT * FROM away")
    batch = await RedisOutbox(ledger._client, ledger).read(await history.positions(), limit=9)
    await history.append(batch, {})
    await tables.change("DROP TABLE positions")
    await tables.change("RENAME TABLE away TO positions")
    await drain(ledger, history)

    start_ms = ledger.now_ms() // DAY_MS * DAY_MS
    asked = Question(
        account_id=asks.ACCOUNT, start_ms=start_ms, end_ms=start_ms + 2 * DAY_MS, width_ms=DAY_MS
    )
    [row] = await history.usage(asked)

    assert (1, 30) == (row.requests, row.charge_ucr)
    assert asks.usage_event("h1", 30).usage.in_order() == row.tokens


async def test_two_that_write_the_same_batch_at_once_are_counted_once(tables, history, ledger):
    other = tables.history()
    await fund(ledger, 10**6)
    charges = [await call(ledger, f"h{number}", USED) for number in range(5)]
    outbox = RedisOutbox(ledger._client, ledger)
    batch = await outbox.read(await history.positions(), limit=100)

    await asyncio.gather(
        *(each.append(batch, {}) for each in (history, other)), return_exceptions=True
    )
    await drain(ledger, other)

    assert (5, sum(charges), sum(charges)) == await counted(history, ledger)
    assert 6 == len(await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=99))
    await other.close()


async def test_whatever_an_id_is_made_of_it_is_found_by_it(history, ledger):
    odd = "a\tb\\n\\'{p0:String}' ? \N{SNOWMAN}\n"
    await fund(ledger, 1000)
    await call(ledger, odd, Usage(input_uncached=1))
    await drain(ledger, history)

    [found] = await history.request(asks.ACCOUNT, odd)

    assert odd == found.entry.operation_id


async def test_tables_are_made_once_whoever_comes_first(tables, history, ledger):
    others = [tables.history() for _ in range(3)]
    await asyncio.gather(*(other.open() for other in others))

    assert {await history.history_id()} == {await other.history_id() for other in others}
    for other in others:
        await other.close()
