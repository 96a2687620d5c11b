"""How long the outbox is kept and who drains it, on real servers."""

import asyncio

from support import asks
from support.redis_server import KINDS

from gateway.metering.journal import SHARDS, Position, shard_of
from gateway.metering.ledger import Grant
from gateway.stores.base import Turn
from gateway.stores.redis.decode import entry_fields
from gateway.stores.redis.layout import JOURNAL, outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.outbox import LOST_MS, RedisOutbox

STORE_FORMS = (*KINDS, "cluster")

OUTBOX = outbox_key(shard_tag(asks.ACCOUNT))
# Several nodes of a stream (100 entries each): only whole ones are ever trimmed.
OLD, NEW = 250, 10


async def fill(ledger: RedisLedger) -> None:
    """Old entries, written a long time ago, and a few of now."""
    for number in range(OLD):
        await ledger._client.command("XADD", OUTBOX, f"{number + 1}-1", "kind", "settled")
    for number in range(NEW):
        name = f"g{number}"
        await ledger.grant(Grant(grant_id=name, account_id=asks.ACCOUNT, amount_ucr=1))


def drained_to(entry_id: str) -> dict[int, Position]:
    """Every shard at the beginning, but the account's own."""
    positions = dict.fromkeys(range(SHARDS), Position())
    return positions | {shard_of(asks.ACCOUNT): Position(entry_id=entry_id)}


async def newest_id(ledger: RedisLedger) -> str:
    [(entry_id, _)] = await ledger._client.command("XREVRANGE", OUTBOX, "+", "-", "COUNT", 1)
    return entry_id.decode()


def outbox_of(ledger: RedisLedger) -> RedisOutbox:
    return RedisOutbox(ledger._client, ledger)


async def length(ledger: RedisLedger) -> int:
    count: int = await ledger._client.command("XLEN", OUTBOX)
    return count


async def test_old_entries_go_by_whole_nodes_and_new_ones_stay(ledger: RedisLedger) -> None:
    await fill(ledger)

    await outbox_of(ledger).trim(drained_to(await newest_id(ledger)), keep_ms=60_000)

    assert NEW <= await length(ledger) < NEW + 100
    newest = await ledger._client.command("XREVRANGE", OUTBOX, "+", "-", "COUNT", NEW)
    assert {b"funded"} == {entry_fields(fields)[b"kind"] for _, fields in newest}


async def test_an_outbox_somebody_consumes_is_left_alone(ledger: RedisLedger) -> None:
    await fill(ledger)
    await ledger._client.command("XGROUP", "CREATE", OUTBOX, "billing", "0")

    await outbox_of(ledger).trim(drained_to(await newest_id(ledger)), keep_ms=60_000)

    assert OLD + NEW == await length(ledger)


async def test_what_the_history_does_not_have_is_never_forgotten(ledger: RedisLedger) -> None:
    await fill(ledger)

    await outbox_of(ledger).trim(drained_to("120-1"), keep_ms=0)

    found = await ledger._client.command("XRANGE", OUTBOX, "-", "+")
    assert 100 + 1 == int(found[0][0].split(b"-")[0])
    assert OLD - 100 + NEW == len(found)


async def test_shards_without_an_outbox_are_trimmed_as_well(ledger: RedisLedger) -> None:
    await outbox_of(ledger).trim(drained_to("0-0"), keep_ms=0)

    assert 0 == await length(ledger)


async def test_one_drains_and_another_when_it_is_gone(ledger: RedisLedger) -> None:
    outbox = outbox_of(ledger)

    first = await outbox.claim("history", holder="one", lease_ms=60_000)
    again = await outbox.claim("history", holder="one", lease_ms=50)
    other = await outbox.claim("history", holder="two", lease_ms=50)
    await asyncio.sleep(0.06)
    later = await outbox.claim("history", holder="two", lease_ms=50)

    assert [Turn.OURS, Turn.OURS, Turn.OTHERS, Turn.OURS] == [first, again, other, later]


async def test_another_history_waits_until_the_first_was_lost_for_a_day(
    ledger: RedisLedger,
) -> None:
    outbox = outbox_of(ledger)
    await outbox.claim("history", holder="one", lease_ms=1)
    await asyncio.sleep(0.01)

    other = await outbox.claim("another", holder="two", lease_ms=1)
    long_ago_ms = ledger.now_ms() - LOST_MS - 60_000
    await ledger._client.command("HSET", JOURNAL, "until_ms", long_ago_ms)
    much_later = await outbox.claim("another", holder="two", lease_ms=1)

    assert [Turn.ELSEWHERE, Turn.OURS] == [other, much_later]
