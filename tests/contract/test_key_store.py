"""What every key store owes, on real servers, with two stores as two processes would have them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.asks import reserve
from support.redis_server import KINDS, Server
from support.silent_relay import SilentRelay

from gateway.errors import BadCall, ConfigError, Conflict, StoreUnavailable
from gateway.metering.accounts import Account, Project, Status, VirtualKey
from gateway.metering.ledger import Grant, Reason, Refused, Reserved
from gateway.metering.limits import Limit, Scope, Unit, Window
from gateway.stores.identifying import KeyRecord
from gateway.stores.redis.decode import entry_fields
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.layout import key_digest_key, key_record_key, outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger

STORE_FORMS = (*KINDS, "cluster")

PROMISE_S = 1.0
ACCOUNT = Account(account_id="acme", plan="light", name="Acme Ltd", created_ms=5)
KEY = VirtualKey(
    key_id="abcdefghijkl",
    account_id="acme",
    digest="d1",
    name="Laptop of Ann",
    models=("small", "big-*"),
    limits=(
        Limit(unit=Unit.TOKENS, ceiling=1000, window=Window.MINUTE, scope=Scope.KEY),
        Limit(unit=Unit.CALLS, ceiling=2, shadow=True),
    ),
    created_ms=7,
    expires_ms=9_000,
    source="config",
)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[RedisKeyStore]:
    store = RedisKeyStore(store_url, find_timeout_s=5.0)
    yield store
    await store.close()


@pytest.fixture
async def watching(store_url: str) -> AsyncIterator[RedisKeyStore]:
    """Another process' store, which has heard of every change since."""
    store = RedisKeyStore(store_url, find_timeout_s=5.0)
    await store.start()
    await until(lambda: _subscribed(store))
    yield store
    await store.close()


async def until(true: Callable[[], Awaitable[bool]], within_s: float = 5.0) -> float:
    """How long it took."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while not await true():
            await asyncio.sleep(0.01)
    return time.monotonic() - began


async def _subscribed(store: RedisKeyStore) -> bool:
    return store._cache._complete_until_s > time.monotonic()


async def test_of_many_changes_to_what_all_have_read_one_is_made(store: RedisKeyStore) -> None:
    await store.put_account(ACCOUNT)
    wanted = [replace(ACCOUNT, name=f"{n}", external={"lago": f"{n}"}) for n in range(12)]
    made = await asyncio.gather(*(store.change_account(ACCOUNT, each) for each in wanted))
    [winner] = [each for each, done in zip(wanted, made, strict=True) if done]

    assert winner == await store.account("acme")
    assert not await store.change_account(ACCOUNT, replace(ACCOUNT, name="late"))
    assert winner == await store.account("acme")


async def test_of_many_changes_to_a_key_one_is_made_and_its_end_is_told_once(
    store: RedisKeyStore, ledger: RedisLedger
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    ended = replace(KEY, status=Status.REVOKED)
    made = await asyncio.gather(*(store.change_key(KEY, ended) for _ in range(12)))

    assert 1 == made.count(True)
    assert ended == await store.key(KEY.key_id)
    assert not await store.change_key(KEY, replace(KEY, name="late"))
    told = await ledger._client.command("XRANGE", outbox_key(shard_tag("acme")), "-", "+")
    kinds = [entry_fields(fields)[b"kind"] for _, fields in told]
    assert [b"key.created", b"key.revoked"] == kinds


async def test_of_many_rotations_one_makes_a_key_and_the_others_leave_nothing(
    store: RedisKeyStore,
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    ending = replace(KEY, expires_ms=8_000)
    fresh = [replace(KEY, key_id=f"fresh{n:07}", digest=f"f{n}") for n in range(8)]
    made = await asyncio.gather(*(store.rotate_key(KEY, ending, each) for each in fresh))
    [winner] = [each for each, done in zip(fresh, made, strict=True) if done]

    assert {ending, winner} == set(await store.keys())
    assert [winner] == [each for each in fresh if await store.key(each.key_id)]
    for each in fresh:
        found = await store.find(each.digest)
        assert (each is winner) == (found is not None)


async def test_of_many_changes_to_a_project_one_is_made(store: RedisKeyStore) -> None:
    project = Project(project_id="search", account_id="acme", name="Search", limits=KEY.limits)
    await store.put_account(ACCOUNT)
    await store.put_project(project)
    wanted = [replace(project, name=f"{n}") for n in range(12)]
    made = await asyncio.gather(*(store.change_project(project, each) for each in wanted))
    [winner] = [each for each, done in zip(wanted, made, strict=True) if done]

    assert winner == await store.project("acme", "search")
    assert not await store.change_project(project, replace(project, name="late"))


async def test_an_account_comes_back_as_it_was_put(store: RedisKeyStore) -> None:
    await store.put_account(ACCOUNT)
    await store.put_account(Account(account_id="aardvark", plan="heavy", status=Status.SUSPENDED))

    assert ACCOUNT == await store.account("acme")
    assert ["aardvark", "acme"] == [each.account_id for each in await store.accounts()]
    assert await store.account("nobody") is None


async def test_putting_an_account_again_replaces_it_and_spares_the_ledgers_fields(
    store: RedisKeyStore, ledger: RedisLedger
) -> None:
    await store.put_account(ACCOUNT)
    await ledger.grant(Grant(grant_id="g", account_id="acme", amount_ucr=500))

    await store.put_account(replace(ACCOUNT, plan="heavy", name=""))

    assert replace(ACCOUNT, plan="heavy", name="") == await store.account("acme")
    assert 500 == (await ledger.balance("acme")).available_ucr


async def test_an_account_only_the_ledger_knows_is_none(
    store: RedisKeyStore, ledger: RedisLedger
) -> None:
    await ledger.grant(Grant(grant_id="g", account_id="acme", amount_ucr=500))

    assert await store.account("acme") is None
    assert [] == await store.accounts()


async def test_a_key_comes_back_as_it_was_put(store: RedisKeyStore) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)

    assert KEY == await store.key(KEY.key_id)
    assert KeyRecord(KEY, ACCOUNT) == await store.find("d1")
    assert KeyRecord(KEY, ACCOUNT) == store.cached("d1")
    assert await store.key("nobody") is None


async def test_keys_are_listed_by_account_and_then_by_age(store: RedisKeyStore) -> None:
    other = Account(account_id="aardvark", plan="heavy")
    keys = [
        VirtualKey(key_id="old", account_id="aardvark", digest="d2", created_ms=1),
        VirtualKey(key_id="new", account_id="aardvark", digest="d3", created_ms=2),
        KEY,
    ]
    for account in (ACCOUNT, other):
        await store.put_account(account)
    for key in reversed(keys):
        await store.put_key(key)

    assert keys == await store.keys()
    assert keys[:2] == await store.keys("aardvark")
    assert [] == await store.keys("nobody")


async def test_many_accounts_are_listed_in_batches(store: RedisKeyStore) -> None:
    wanted = [Account(account_id=f"a{number:04}", plan="light") for number in range(501)]
    # A few at a time: on a busy machine a thousand would wait beyond their deadline.
    for begin in range(0, len(wanted), 16):
        some = wanted[begin : begin + 16]
        await asyncio.gather(*(store.put_account(account) for account in some))

    assert wanted == await store.accounts()


async def test_a_digest_of_another_key_is_a_conflict_and_changes_nothing(
    store: RedisKeyStore,
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)

    with pytest.raises(Conflict):
        await store.put_key(replace(KEY, key_id="another"))

    assert [KEY] == await store.keys()
    assert KeyRecord(KEY, ACCOUNT) == await store.find("d1")


async def test_a_key_with_a_new_digest_is_no_longer_found_by_the_old(store: RedisKeyStore) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    await store.find("d1")

    await store.put_key(replace(KEY, digest="d2"))

    assert await store.find("d1") is None
    assert replace(KEY, digest="d2") == (await store.find("d2")).key
    assert [replace(KEY, digest="d2")] == await store.keys()


async def test_a_key_can_move_to_another_account(store: RedisKeyStore) -> None:
    other = Account(account_id="other", plan="light")
    for account in (ACCOUNT, other):
        await store.put_account(account)
    await store.put_key(KEY)

    await store.put_key(replace(KEY, account_id="other"))

    assert [] == await store.keys("acme")
    assert [replace(KEY, account_id="other")] == await store.keys("other")
    assert other == (await store.find("d1")).account


async def test_a_digest_that_a_broken_off_change_left_behind_opens_nothing(
    store: RedisKeyStore, store_server: Server
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    store_server.ask("SET", key_digest_key("stale"), f"acme {KEY.key_id}")

    assert await store.find("stale") is None


async def test_a_key_without_its_account_opens_nothing(store: RedisKeyStore) -> None:
    await store.put_key(KEY)

    assert await store.find("d1") is None

    await store.put_account(ACCOUNT)

    assert KeyRecord(KEY, ACCOUNT) == await store.find("d1")


async def test_the_ledger_refuses_a_key_that_is_not_active(
    store: RedisKeyStore, ledger: RedisLedger
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    await ledger.grant(Grant(grant_id="g", account_id="acme", amount_ucr=500))
    ask = reserve(ledger, "h1", 10, account_id="acme", key_id=KEY.key_id)

    assert isinstance(await ledger.reserve(ask), Reserved)

    await store.set_key_status(KEY.key_id, Status.REVOKED)

    refused = await ledger.reserve(replace(ask, hold_id="h2"))
    assert isinstance(refused, Refused)
    assert Reason.KEY is refused.reason
    assert replace(KEY, status=Status.REVOKED) == await store.key(KEY.key_id)


async def test_the_status_of_a_key_that_is_not_there_cannot_be_set(
    store: RedisKeyStore, store_server: Server
) -> None:
    with pytest.raises(BadCall, match="nobody"):
        await store.set_key_status("nobody", Status.REVOKED)

    assert b":0\r\n" == store_server.ask("EXISTS", key_record_key("acme", "nobody"))


async def _revoke(store: RedisKeyStore) -> None:
    await store.set_key_status(KEY.key_id, Status.REVOKED)


async def _expire(store: RedisKeyStore) -> None:
    await store.put_key(replace(KEY, expires_ms=1))


async def _suspend(store: RedisKeyStore) -> None:
    await store.put_account(replace(ACCOUNT, status=Status.SUSPENDED))


CHANGES = pytest.mark.parametrize("change", [_revoke, _expire, _suspend])


@CHANGES
async def test_a_change_is_forgotten_at_once_where_it_is_made(
    store: RedisKeyStore, change: Callable[[RedisKeyStore], Awaitable[None]]
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    before = await store.find("d1")

    await change(store)

    assert store.cached("d1") is None
    assert before != await store.find("d1")


@CHANGES
async def test_a_change_reaches_a_watching_store_well_within_the_promise(
    store: RedisKeyStore,
    watching: RedisKeyStore,
    change: Callable[[RedisKeyStore], Awaitable[None]],
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    await until(lambda: _remembers(watching, "d1"))
    before = watching.cached("d1")

    await change(store)
    took_s = await until(lambda: _not(_remembers(watching, "d1", find=False)))

    assert took_s < PROMISE_S / 2
    assert before != await watching.find("d1")


async def test_a_key_that_was_unknown_is_known_soon_after_it_is_made(
    store: RedisKeyStore, watching: RedisKeyStore
) -> None:
    await store.put_account(ACCOUNT)

    assert await watching.find("d1") is None

    await store.put_key(KEY)

    assert await until(lambda: _remembers(watching, "d1")) < PROMISE_S / 2


@pytest.mark.single_server
async def test_a_watching_store_remembers_for_longer_than_the_promise(
    store: RedisKeyStore, watching: RedisKeyStore
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    await until(lambda: _remembers(watching, "d1"))

    # In a cluster word of a change comes from every node, some of it after the look-up.
    await asyncio.sleep(PROMISE_S * 1.2)  # Time itself is what is tested.

    assert KeyRecord(KEY, ACCOUNT) == watching.cached("d1")


async def test_a_store_that_does_not_watch_forgets_within_the_promise(
    store: RedisKeyStore,
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    began = time.monotonic()
    await store.find("d1")

    await until(lambda: _not(_remembers(store, "d1", find=False)))

    assert time.monotonic() - began < PROMISE_S


@pytest.mark.single_server
async def test_a_revocation_is_seen_in_time_when_the_subscription_dies_silently(
    store: RedisKeyStore, store_server: Server, tmp_path: Path
) -> None:
    """Its connections stay open and nothing arrives on them, as behind a dead switch."""
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    async with SilentRelay(store_server.socket_path, tmp_path / "s") as relay:
        cut_off = RedisKeyStore(relay.url, find_timeout_s=5.0)
        await cut_off.start()
        await until(lambda: _subscribed(cut_off))
        await until(lambda: _remembers(cut_off, "d1"))

        relay.passing.clear()
        await store.set_key_status(KEY.key_id, Status.REVOKED)
        took_s = await until(lambda: _not(_remembers(cut_off, "d1", find=False)))

        assert took_s < PROMISE_S

        relay.passing.set()
        await until(lambda: _subscribed(cut_off))
        assert Status.REVOKED is (await cut_off.find("d1")).key.status
        await cut_off.close()


async def test_a_subscription_that_breaks_is_made_again_and_nothing_older_is_kept(
    store: RedisKeyStore, watching: RedisKeyStore, store_server: Server
) -> None:
    await store.put_account(ACCOUNT)
    await store.put_key(KEY)
    await until(lambda: _remembers(watching, "d1"))

    store_server.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: _not(_subscribed(watching)))
    await until(lambda: _subscribed(watching))

    assert watching.cached("d1") is None
    assert KeyRecord(KEY, ACCOUNT) == await watching.find("d1")


async def test_a_store_that_does_not_answer_is_unavailable_within_the_deadline() -> None:
    server = Server("redis").start()
    store = RedisKeyStore(server.url, find_timeout_s=0.2)
    try:
        await store.put_account(ACCOUNT)
        server.kill()
        began = time.monotonic()

        with pytest.raises(StoreUnavailable):
            await store.find("d1")

        assert time.monotonic() - began < 0.25
    finally:
        await store.close()
        server.stop()


@pytest.mark.single_server
async def test_a_stopped_server_is_unavailable_within_the_deadline(
    store: RedisKeyStore, store_server: Server, tmp_path: Path
) -> None:
    async with SilentRelay(store_server.socket_path, tmp_path / "s") as relay:
        relay.passing.clear()
        silent = RedisKeyStore(relay.url, find_timeout_s=0.2)
        began = time.monotonic()

        with pytest.raises(StoreUnavailable):
            await silent.find("d1")

        assert time.monotonic() - began < 0.3
        await silent.close()


def test_a_url_of_another_kind_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        RedisKeyStore("http://user:secret@host")

    assert "secret" not in str(refused.value)


async def _remembers(store: RedisKeyStore, digest: str, *, find: bool = True) -> bool:
    """Is there a record in memory, after it was looked up if need be?"""
    if find and store.cached(digest) is None:
        await store.find(digest)
    return store.cached(digest) is not None


async def _not(question: Awaitable[bool]) -> bool:
    return not await question
