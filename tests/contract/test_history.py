"""From the ledger's outboxes into the history and back out, on real servers."""

import asyncio
from dataclasses import replace

import pytest
from support import asks
from support.histories import PRICE, Observer, call, drain, fund, journal_of

from gateway.errors import Conflict
from gateway.metering.history import DAY_MS, HOUR_MS, MINUTE_MS, Dimension, Question, Wanted
from gateway.metering.journal import NO_HASH, SHARDS, chained, shard_of
from gateway.metering.pricing import Rates, Tier
from gateway.metering.usage import TokenClass, Usage
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.outbox import RedisOutbox

# What a store's kinds could differ in is tested where they are read.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)


def today(ledger: RedisLedger, **asked: object) -> Question:
    start_ms = ledger.now_ms() // DAY_MS * DAY_MS
    given = {"account_id": asks.ACCOUNT, "width_ms": DAY_MS} | asked
    # Two days: midnight may come while the test runs.
    return Question(start_ms=start_ms, end_ms=start_ms + 2 * DAY_MS, **given)  # type: ignore[arg-type]


async def test_what_the_ledger_wrote_is_in_the_history_as_it_was(ledger, history):
    await fund(ledger, 1000)
    charge = await call(ledger, "h1", Usage(input_uncached=10, output_text=5))
    await drain(ledger, history)

    entries = await ledger.events(asks.ACCOUNT)
    moved = await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=10)

    assert entries == [each.entry for each in reversed(moved)]
    assert [1000, 1000 - charge] == [each.balance_ucr for each in reversed(moved)]
    assert [0, 1000] == [each.balance_before_ucr for each in reversed(moved)]


async def test_the_hashes_of_each_shard_are_one_chain(ledger, history):
    for number in range(5):
        await fund(ledger, 10, f"account-{number}")
    await fund(ledger, 100)
    await drain(ledger, history)
    await call(ledger, "h1", Usage(input_uncached=1))
    await drain(ledger, history)

    positions = await history.positions()
    found = 0
    for shard in range(SHARDS):
        last = NO_HASH
        for each in await history.chain(shard, after=0, limit=100):
            last = chained(last, each.entry)
            found += 1
            assert last == each.hash
        assert positions[shard].hash == last

    assert 7 == found


async def test_draining_again_adds_nothing(ledger, history):
    await fund(ledger, 1000)
    charge = await call(ledger, "h1", Usage(input_uncached=10))
    await drain(ledger, history)
    await drain(ledger, history)

    [row] = await history.usage(today(ledger))

    assert (1, charge) == (row.requests, row.charge_ucr)


async def test_a_batch_that_does_not_begin_where_the_shard_stands_changes_nothing(ledger, history):
    await fund(ledger, 1000)
    outbox = RedisOutbox(ledger._client, ledger)
    found = await outbox.read(await history.positions(), limit=10)
    await history.append(found, {})

    with pytest.raises(Conflict):
        await history.append(found, {})

    assert 1 == len(await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=10))


async def test_sums_by_hour_day_and_minute_are_the_same(ledger, history):
    await fund(ledger, 10**7)
    used = Usage(input_uncached=10, output_text=7, pieces=(("web_search", 2),))
    total = sum([await call(ledger, f"h{n}", used, model=f"m{n % 2}") for n in range(5)])
    await RedisOutbox(ledger._client, ledger).publish_prices([PRICE])
    await drain(ledger, history)

    for width_ms in (MINUTE_MS, HOUR_MS, DAY_MS):
        asked = today(ledger, width_ms=width_ms, by=(Dimension.MODEL,))
        rows = await history.usage(asked)
        assert {("m0",): 3, ("m1",): 2} == {
            group: sum(row.requests for row in rows if row.group == group)
            for group in {row.group for row in rows}
        }
        assert total == sum(row.charge_ucr for row in rows)
        assert used.in_order() == tuple(
            sum(column) // 5 for column in zip(*(row.tokens for row in rows), strict=True)
        )
        assert 10 == sum(dict(row.pieces)["web_search"] for row in rows)
    only = await history.usage(today(ledger, models=("m1",)))
    assert [2] == [row.requests for row in only]


async def test_costs_are_the_lines_of_the_receipts(ledger, history):
    await fund(ledger, 10**7)
    await RedisOutbox(ledger._client, ledger).publish_prices([PRICE])
    used = Usage(input_uncached=3, output_text=1, pieces=(("web_search", 1),))
    charge = await call(ledger, "h1", used) + await call(ledger, "h2", used)
    await drain(ledger, history)

    rows = {row.name: row for row in await history.costs(today(ledger))}

    assert (6, 14) == (rows["input_uncached"].quantity, rows["input_uncached"].amount_ucr)
    assert (2, 20_000) == (rows["web_search"].quantity, rows["web_search"].amount_ucr)
    assert charge == sum(row.amount_ucr for row in rows.values())
    assert "unitemised" not in rows


async def test_without_the_price_the_amount_stands_in_one_line(ledger, history):
    await fund(ledger, 1000)
    charge = await call(ledger, "h1", Usage(input_uncached=10), rate_id="never-published")
    await drain(ledger, history)

    rows = {row.name: (row.quantity, row.amount_ucr) for row in await history.costs(today(ledger))}

    assert {"input_uncached": (10, 0), "unitemised": (0, charge)} == rows


async def test_a_call_that_expired_and_was_settled_late_counts_once(ledger, history):
    await fund(ledger, 1000)
    await ledger.reserve(asks.reserve(ledger, "h1", 100, lease_ms=0))
    await ledger.extend(asks.extend("h1", 1, 0, charge_ucr=10, lease_ms=0))
    await asyncio.sleep(0.01)
    assert 1 == await ledger.expire_holds()
    await drain(ledger, history)
    await ledger.settle(asks.settle("h1", 30))
    await drain(ledger, history)

    [row] = await history.usage(today(ledger))
    books = await ledger.balance(asks.ACCOUNT)

    usage = asks.usage_event("h1", 30).usage
    assert (1, 30, usage.in_order()) == (row.requests, row.charge_ucr, row.tokens)
    assert books.charged_ucr == sum(c.amount_ucr for c in await history.costs(today(ledger)))
    entries = await history.request(asks.ACCOUNT, "h1")
    assert ["expired", "late"] == [each.entry.kind for each in entries]


async def test_expired_and_late_in_one_batch_count_once_as_well(ledger, history):
    await fund(ledger, 1000)
    await ledger.reserve(asks.reserve(ledger, "h1", 100, lease_ms=0))
    await ledger.extend(asks.extend("h1", 1, 0, charge_ucr=10, lease_ms=0))
    await asyncio.sleep(0.01)
    await ledger.expire_holds()
    await ledger.settle(asks.settle("h1", 30))
    await drain(ledger, history)

    [row] = await history.usage(today(ledger))

    assert (1, 30) == (row.requests, row.charge_ucr)


async def test_a_settlement_repeated_after_the_store_was_set_back_is_counted_once(ledger, history):
    await fund(ledger, 1000)
    charge = await call(ledger, "h1", Usage(input_uncached=10))
    await drain(ledger, history)
    tombstone = f"{{s{shard_of(asks.ACCOUNT):02d}}}h:h1"
    await ledger._client.command("DEL", tombstone)
    settle = asks.settle("h1", charge)
    event = replace(settle.event, usage=Usage(input_uncached=10), rate_id=PRICE.rate_id)
    await ledger.settle(replace(settle, event=event))
    await drain(ledger, history)

    [row] = await history.usage(today(ledger))

    assert (1, charge, 10) == (row.requests, row.charge_ucr, sum(row.tokens))


async def test_records_come_newest_first_and_page_by_page(ledger, history):
    await fund(ledger, 10**6)
    for number in range(5):
        await call(ledger, f"h{number}", Usage(input_uncached=number + 1), stream=number == 3)
    await drain(ledger, history)
    span = {"start_ms": 0, "end_ms": ledger.now_ms() + 1000}

    first = await history.records(asks.ACCOUNT, before=None, limit=2, **span)
    rest = await history.records(asks.ACCOUNT, before=first[-1].record_id, limit=9, **span)

    assert ["h4", "h3", "h2", "h1", "h0"] == [each.request_id for each in (*first, *rest)]
    assert [False, True] == [each.stream for each in first]
    assert (5, "small-1", "rate-1") == (sum(first[0].tokens), first[0].model, first[0].rate_id)
    assert [] == await history.records(asks.ACCOUNT, start_ms=0, end_ms=1, before=None, limit=9)
    for wanted in ({"models": ("nobody",)}, {"keys": ("nobody",)}):
        assert [] == await history.records(asks.ACCOUNT, before=None, limit=9, **span, **wanted)
    mine = {"models": (first[0].model,), "keys": (first[0].key_id,)}
    assert first == await history.records(asks.ACCOUNT, before=None, limit=2, **span, **mine)


async def test_accounts_do_not_see_each_other(ledger, history):
    await fund(ledger, 1000)
    await fund(ledger, 1000, "other")
    await call(ledger, "h1", Usage(input_uncached=1))
    await call(ledger, "h2", Usage(input_uncached=1), "other")
    await drain(ledger, history)

    span = {"start_ms": 0, "end_ms": ledger.now_ms() + 1000, "before": None, "limit": 9}
    assert ["h2"] == [each.request_id for each in await history.records("other", **span)]
    assert [] == await history.request("other", "h1")
    assert ["acme", "other"] == await history.account_ids()


async def test_records_have_their_time_and_sums_and_journal_stay(ledger, history):
    await fund(ledger, 1000)
    charge = await call(ledger, "h1", Usage(input_uncached=10))
    await drain(ledger, history)

    await history.prune(before_ms=ledger.now_ms() + 1000)

    span = {"start_ms": 0, "end_ms": ledger.now_ms() + 1000, "before": None, "limit": 9}
    assert [] == await history.records(asks.ACCOUNT, **span)
    assert [charge] == [row.charge_ucr for row in await history.usage(today(ledger))]
    assert 2 == len(await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=9))


async def test_records_that_have_not_had_their_time_stay(ledger, history):
    await fund(ledger, 10**6)
    await call(ledger, "h1", Usage(input_uncached=1))
    between_ms = ledger.now_ms() + 1
    while ledger.now_ms() <= between_ms:
        await asyncio.sleep(0.001)
    await call(ledger, "h2", Usage(input_uncached=1))
    await drain(ledger, history)

    await history.prune(before_ms=between_ms)

    span = {"start_ms": 0, "end_ms": ledger.now_ms() + 1000, "before": None, "limit": 9}
    assert ["h2"] == [each.request_id for each in await history.records(asks.ACCOUNT, **span)]


async def test_a_history_is_opened_again_where_it_stood(ledger, history, tables):
    await fund(ledger, 1000)
    await call(ledger, "h1", Usage(input_uncached=10))
    await drain(ledger, history)
    again = tables.history()
    await again.open()
    await call(ledger, "h2", Usage(input_uncached=10))
    await drain(ledger, again)

    moved = await again.movements(asks.ACCOUNT, kinds=(), before=None, limit=9)

    assert await again.history_id() == await history.history_id()
    assert ["h2", "h1", "g1"] == [each.entry.operation_id for each in moved]
    assert await again.positions() == await history.positions()
    await again.close()


async def test_the_worker_drains_in_the_background_and_hands_over(ledger, history):
    observer = Observer()
    await fund(ledger, 1000)
    running = asyncio.ensure_future(journal_of(ledger, history, observer=observer).run())
    standing_by = asyncio.ensure_future(journal_of(ledger, history, holder="two").run())
    try:
        async with asyncio.timeout(10):
            while not observer.count:
                await asyncio.sleep(0.02)
            running.cancel()
            await call(ledger, "h1", Usage(input_uncached=1))
            while not await history.request(asks.ACCOUNT, "h1"):
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        standing_by.cancel()

    assert [] == observer.failures
    assert 1 <= observer.count
    assert {0} == set(observer.lags_ms)


async def test_a_damaged_history_fails_the_drain_and_nothing_else(ledger, history, tables):
    observer = Observer()
    await tables.change("DROP TABLE records")
    await fund(ledger, 1000)
    await call(ledger, "h1", Usage(input_uncached=1))
    running = asyncio.ensure_future(journal_of(ledger, history, observer=observer).run())
    async with asyncio.timeout(10):
        while not observer.failures:
            await asyncio.sleep(0.02)
    running.cancel()

    assert observer.failures[0].startswith("The history is not available:")
    assert observer.lags_ms[-1] >= 0
    assert 0 == (await history.positions())[shard_of(asks.ACCOUNT)].entries


async def test_how_calls_of_all_accounts_ended_and_what_they_cost(ledger, history):
    await fund(ledger, 10**6)
    await fund(ledger, 10**6, "other")
    bought = replace(PRICE, rate_id="", pieces={}, fee_ucr=1)
    price = replace(PRICE, purchase=bought)
    await RedisOutbox(ledger._client, ledger).publish_prices([price])
    used = Usage(input_uncached=10, output_text=5)
    charges = [await call(ledger, "h1", used, held_ucr=10**4)]
    charges += [await call(ledger, "h2", Usage(input_uncached=1), "other")]
    used = Usage(input_uncached=1, pieces=(("web_search", 2),))
    charges += [await call(ledger, "h3", used, held_ucr=10**4)]
    await drain(ledger, history)
    hour_ms = ledger.now_ms() // HOUR_MS * HOUR_MS

    [found] = await history.ends(start_ms=0)
    assert [found] == [*await history.ends(start_ms=hour_ms - HOUR_MS)]
    assert [] == [*await history.ends(start_ms=hour_ms + 2 * HOUR_MS)]

    assert ("settled", 3, 3, sum(charges)) == (
        *(found.kind, found.entries, found.requests, found.charge_ucr),
    )
    assert sum(charges[1:]) - 10**4 == found.beyond_ucr
    # Of pieces without a purchase price nothing is known.
    assert (2, sum(charges[:2])) == (found.costed, found.costed_ucr)
    assert 100 * (11 * 2_500_000 + 5 * 900) + 2 * 10**8 == found.scaled_cost


async def test_a_late_settlement_costs_what_is_left_of_the_whole_call(ledger, history):
    """Pieces too, the fee once, and at the price of long calls if both together are one."""
    await fund(ledger, 10**9)
    tiers = (*PRICE.tiers, Tier(100, Rates.of({TokenClass.INPUT_UNCACHED: 7})))
    bought = replace(PRICE, rate_id="", tiers=tiers, fee_ucr=3)
    price = replace(PRICE, purchase=bought)
    await RedisOutbox(ledger._client, ledger).publish_prices([price])
    await ledger.reserve(asks.reserve(ledger, "h1", 100, lease_ms=0))
    begun = replace(asks.usage_event("h1", 10), usage=Usage(input_uncached=90), rate_id="rate-1")
    await ledger.extend(replace(asks.extend("h1", 1, 0, lease_ms=0), event=begun))
    await asyncio.sleep(0.01)
    assert 1 == await ledger.expire_holds()
    whole = Usage(input_uncached=101, pieces=(("web_search", 1),))
    settle = asks.settle("h1", 30)
    event = replace(settle.event, usage=whole, rate_id="rate-1")
    await ledger.settle(replace(settle, event=event))
    await drain(ledger, history)

    found = await history.ends(start_ms=0)

    assert {"expired": 1, "late": 0} == {each.kind: each.requests for each in found}
    assert 100 * 101 * 7 + 10**12 + 3 * 10**8 == sum(each.scaled_cost for each in found)
    assert 30 == sum(each.costed_ucr for each in found)


async def test_the_newest_records_of_accounts_in_several_shards_are_each_told_once(ledger, history):
    accounts = ("acme", "other", "third")
    assert 3 == len({shard_of(account) for account in accounts})
    for account in accounts:
        await fund(ledger, 10**6, account)
    for number in range(6):
        await call(ledger, f"h{number}", Usage(input_uncached=1), accounts[number % 3])
        await drain(ledger, history)

    wanted = Wanted(start_ms=0, before=None, looked_at=100, limit=1)
    found, more = [], True
    while more:
        page = await history.newest(wanted)
        found += [each.request_id for each in page.records]
        wanted, more = replace(wanted, before=page.looked_to), page.looked_to is not None

    assert [f"h{number}" for number in reversed(range(6))] == found


async def test_the_newest_records_of_all_accounts_page_by_page(ledger, history):
    await fund(ledger, 10**6)
    for name in ("h1", "h2", "h3"):
        await call(ledger, name, Usage(input_uncached=1))
    await drain(ledger, history)

    wanted = Wanted(start_ms=0, before=None, looked_at=100, limit=2)
    first = await history.newest(wanted)
    rest = await history.newest(replace(wanted, before=first.looked_to))
    short = await history.newest(replace(wanted, looked_at=2, provenances=("held",)))

    assert ["h3", "h2"] == [each.request_id for each in first.records]
    assert (["h1"], None) == ([each.request_id for each in rest.records], rest.looked_to)
    # Nothing among those looked through; behind them there may be.
    assert ([], first.looked_to) == ([*short.records], short.looked_to)
    mine = await history.newest(replace(wanted, accounts=(asks.ACCOUNT,), limit=1))
    assert [first.records[0]] == [*mine.records]
    later = await history.newest(replace(wanted, start_ms=ledger.now_ms() + DAY_MS, looked_at=1))
    assert ([], None) == ([*later.records], later.looked_to)
