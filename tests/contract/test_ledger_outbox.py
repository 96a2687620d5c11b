"""How long the outbox is kept, on real servers."""

from support import asks

from gateway.metering.ledger import Grant
from gateway.stores.redis.layout import outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger

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


async def length(ledger: RedisLedger) -> int:
    count: int = await ledger._client.command("XLEN", OUTBOX)
    return count


async def test_old_entries_go_by_whole_nodes_and_new_ones_stay(ledger: RedisLedger) -> None:
    await fill(ledger)

    await ledger.trim_outbox(keep_ms=60_000)

    assert NEW <= await length(ledger) < NEW + 100
    newest = await ledger._client.command("XREVRANGE", OUTBOX, "+", "-", "COUNT", NEW)
    assert {b"funded"} == {fields[fields.index(b"kind") + 1] for _, fields in newest}


async def test_an_outbox_somebody_consumes_is_left_alone(ledger: RedisLedger) -> None:
    await fill(ledger)
    await ledger._client.command("XGROUP", "CREATE", OUTBOX, "billing", "0")

    await ledger.trim_outbox(keep_ms=60_000)

    assert OLD + NEW == await length(ledger)


async def test_shards_without_an_outbox_are_trimmed_as_well(ledger: RedisLedger) -> None:
    await ledger.trim_outbox(keep_ms=0)

    assert 0 == await length(ledger)
