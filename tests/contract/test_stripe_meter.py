"""Stripe's 24 hours: a sum whose fate is not known is looked for, never counted twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from support.contract_servers.base import RESET_AFTER, RESET_BEFORE
from support.contract_servers.stripe import DAY_S, StripeServer
from support.exports import Watcher, exporter_of, exporting, known_accounts, settled
from support.sinks import stripe

from gateway.metering.sums import Message
from gateway.sinks.base import Fate
from gateway.sinks.stripe import HOUR_MS, RESEND_MS
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.mending import RedisMending
from gateway.stores.redis.sums import RedisSums, _stored

ACCOUNTS = ("acme", "bolt")


@pytest.fixture
async def keys(store_url: str) -> AsyncIterator[RedisKeyStore]:
    store = RedisKeyStore(store_url)
    # Both are one customer: its sums come from two shards.
    await known_accounts(store, ACCOUNTS)
    for account in ACCOUNTS:
        found = await store.account(account)
        assert found is not None
        await store.put_account(replace(found, external={"stripe": "cus_one"}))
    yield store
    await store.close()


@pytest.fixture
async def server() -> AsyncIterator[StripeServer]:
    server = StripeServer(("tokens", "charges"))
    async with server.running():
        yield server


async def left_in_doubt(
    client: RedisClient,
    ledger: RedisLedger,
    keys: RedisKeyStore,
    server: StripeServer,
    *,
    by_ms: int = RESEND_MS + HOUR_MS,
) -> list[Message]:
    """An exporter that died while nothing was confirmed, that long ago."""
    sink = stripe(server.url)
    exporter = exporter_of(client, ledger, keys, sink, Watcher())
    await exporter.start()
    sums = RedisSums(client)
    async with asyncio.timeout(10):
        while True:
            on_the_way = {each.identifier for _, each in await sums.under_way("stripe")}
            asked = {dict(parse_qsl(body.decode())).get("identifier") for body in server.bodies}
            if len(on_the_way) >= 6 and on_the_way <= asked:
                break
            await asyncio.sleep(0.02)
    await exporter._tasks.cancel()
    await sink.close()
    server.always = None
    found = []
    for shard, message in await sums.under_way("stripe"):
        key = f"{{s{shard:02d}}}sums:stripe"
        first_sent_ms = message.first_sent_ms - by_ms
        older = replace(message, first_sent_ms=first_sent_ms)
        await client.command("HSET", key, message.identifier, _stored(older))
        found.append(older)
    server.ahead_s = DAY_S + 3600
    return found


async def test_a_sum_that_got_there_is_not_sent_after_a_day(
    server: StripeServer, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server.always = RESET_AFTER
    total = await settled(ledger, 8, ACCOUNTS)
    await left_in_doubt(store_client, ledger, keys, server)

    async with exporting(store_client, ledger, keys, stripe(server.url)) as export:
        await export.caught_up()

    assert total == server.total("charge")
    assert len(server.counted) == len({each["identifier"] for each in server.counted})


async def test_a_sum_that_did_not_get_there_is_sent_anew(
    server: StripeServer, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server.always = RESET_BEFORE
    total = await settled(ledger, 8, ACCOUNTS)
    doubtful = await left_in_doubt(store_client, ledger, keys, server)

    async with exporting(store_client, ledger, keys, stripe(server.url)) as export:
        await export.caught_up()

    assert total == server.total("charge")
    before = {message.identifier for message in doubtful}
    assert not before & {each["identifier"] for each in server.counted}


async def test_a_sum_of_which_nobody_can_tell_waits_for_somebody_to_look(
    server: StripeServer, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    server.always = RESET_BEFORE
    await settled(ledger, 8, ACCOUNTS)
    [first, *_] = await left_in_doubt(store_client, ledger, keys, server, by_ms=RESEND_MS * 2)
    # Somebody else told Stripe something under the same customer and minute.
    await stripe_told(server, first)

    async with exporting(store_client, ledger, keys, stripe(server.url)) as export:
        await export.caught_up()

    letters = await RedisMending(store_client).dead("stripe", limit=100)
    assert letters
    assert all("was this one counted?" in letter.reason for letter in letters)
    assert all(letter.identifier for letter in letters)


async def stripe_told(server: StripeServer, message: Message) -> None:
    sink = stripe(server.url)
    await sink.open()
    other = replace(message, identifier="by-hand", value=1)
    assert Fate.DELIVERED is (await sink.send(other)).fate
    await sink.close()


async def test_a_customers_requests_never_overlap(
    server: StripeServer, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    total = await settled(ledger, 40, ACCOUNTS)
    async with exporting(store_client, ledger, keys, stripe(server.url)) as export:
        await export.caught_up()

    assert 0 == server.collisions
    assert total == server.total("charge")


async def test_an_event_can_be_taken_back_within_a_day(
    server: StripeServer, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> None:
    await settled(ledger, 1, ["acme"])
    sink = stripe(server.url)
    async with exporting(store_client, ledger, keys, sink) as export:
        await export.caught_up()
        told = next(each for each in server.counted if each["payload[token_type]"] == "charge")
        outcome = await sink.cancel(told["identifier"], event_name="charges")
        unknown = await sink.cancel("never-sent", event_name="charges")

    assert (Fate.DELIVERED, Fate.REFUSED) == (outcome.fate, unknown.fate)
    assert 0 == server.total("charge")
