"""A store that lost more than its workers remember: its shards close, catch up from the journal and
open again, or stay closed and say why."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import tollkeeper
from support.gateways import TestGateway, running_gateway
from support.redis_forms import RedisCluster, SentinelSetUp, running
from support.redis_server import Server
from support.running_stream import stream_of

from gateway.metering.accounts import Status, VirtualKey
from gateway.metering.balance import Balance
from gateway.metering.journal import shard_of
from gateway.metering.ledger import Correct, Grant, VoidGrant
from gateway.proxy import recent
from gateway.stores.redis.layout import outbox_key, shard_tag
from gateway.workers import rewound
from gateway.workers.audit import Audit


@pytest.fixture
def own_server() -> Iterator[Server]:
    server = Server("valkey").start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker remembers what it confirmed: as if it had been minutes, not moments."""
    monkeypatch.setattr(recent, "KEPT_MAX", 0)
    monkeypatch.setattr(rewound, "RETRY_S", 0.5)


async def charged(tk: TestGateway, tokens: int) -> Balance:
    before = (await tk.settled()).charged_ucr
    async with tk.chat(simulate=f"tokens={tokens}") as answer:
        assert 200 == answer.status
    return await tk.settled(charged=lambda ucr: ucr > before)


async def in_history(tk: TestGateway) -> None:
    """All that the outbox has."""
    shard = shard_of(tk.account)
    newest = (await tk.ledger.events(tk.account))[-1]
    async with asyncio.timeout(30):
        while not (await tk.gateway.history.positions())[shard].covers(newest):
            await asyncio.sleep(0.05)


async def told(tk: TestGateway, event: str) -> list[dict[str, Any]]:
    """The log's lines of that event, once there is one of our account's shard."""
    async with asyncio.timeout(30):
        while True:
            lines = [line for line in tk.lines.all() if line["event"] == event]
            if any(line["shard"] == shard_of(tk.account) for line in lines):
                return lines
            await asyncio.sleep(0.05)


async def ready(tk: TestGateway) -> dict[str, Any]:
    url = f"http://127.0.0.1:{tk.gateway.admin_port}/readyz"
    async with tk.http.get(url) as answer:
        return {"http_status": answer.status, **await answer.json()}


async def differences(tk: TestGateway) -> Any:
    stores = tk.gateway.stores
    audit = Audit(stores.ledger, stores.outbox, tk.gateway.history)
    return (await audit.account(tk.account)).differences


async def refused(tk: TestGateway) -> None:
    """Once the worker knows, which it does within a second."""
    async with asyncio.timeout(30):
        while not await tk.metric("tollkeeper_shards_closed"):
            await asyncio.sleep(0.02)
    async with tk.chat(simulate="tokens=1") as answer:
        refusal = await answer.json()
    assert (503, "metering_unavailable") == (answer.status, refusal["error"]["code"])


async def opened(tk: TestGateway) -> None:
    async with asyncio.timeout(30):
        while "closed_shards" in await ready(tk):
            await asyncio.sleep(0.02)


def sums(balance: Balance) -> tuple[int, ...]:
    return (
        *(balance.granted_ucr, balance.charged_ucr, balance.available_ucr),
        *(balance.debt_ucr, balance.corrected_ucr),
    )


def grants(balance: Balance) -> Any:
    return sorted(
        (replace(each, effective_ms=0) for each in balance.grants), key=lambda one: one.grant_id
    )


async def test_all_that_came_after_a_snapshot_is_done_again_by_its_id(
    tmp_path: Path, own_server: Server
) -> None:
    """Calls, a grant, a correction and a withdrawal are lost with it; the books are as before."""
    async with running_gateway(tmp_path, own_server.url, admission_ms=2000) as tk:
        await charged(tk, 3)
        await in_history(tk)
        stores, issue = tk.gateway.stores, tk.session.issuing.issue
        template = VirtualKey(key_id="", account_id=tk.account, digest="", name="another")
        leaked, _ = await issue(template)
        assert own_server.ask("SAVE") == b"+OK\r\n"
        await stores.keys.set_key_status(leaked.key_id, Status.REVOKED)
        new, _ = await issue(template)
        bought = Grant(
            grant_id="bought", account_id=tk.account, amount_ucr=5_000, priority=7, note="invoice 1"
        )
        given = Grant(grant_id="given", account_id=tk.account, amount_ucr=900, priority=90)
        refund = Correct(correction_id="refund", account_id=tk.account, amount_ucr=70, note="sorry")
        for grant in (bought, given):
            await tk.ledger.grant(grant)
        await charged(tk, 9)
        await tk.ledger.correct(refund)
        await tk.ledger.void_grant(VoidGrant("given", tk.account))
        before = await charged(tk, 5)
        await in_history(tk)

        own_server.kill()
        own_server.start()
        [line] = await told(tk, "shard_caught_up")

        after = await tk.settled()
        assert (sums(before), grants(before)) == (sums(after), grants(after))
        assert () == await differences(tk)
        assert 6 == line["replayed"] == await tk.metric("tollkeeper_replayed_entries_total")
        assert 1 == len(await told(tk, "store_went_back"))
        known = await stores.keys.key(leaked.key_id)
        assert known is not None
        assert (Status.REVOKED, None) == (known.status, await stores.keys.key(new.key_id))
        [keys] = await told(tk, "keys_lost")
        assert new.key_id == keys["key_ids"]
        # Whoever does it once more is answered that it was done.
        assert (await tk.ledger.grant(bought)).repeated
        assert (await tk.ledger.correct(refund)).repeated
        await in_history(tk)
        assert () == await differences(tk)
        await opened(tk)
        await charged(tk, 2)


async def test_an_emptied_store_stays_closed_until_its_accounts_are_back(
    tmp_path: Path, own_server: Server
) -> None:
    """New calls are refused and the reason is told; a call that runs goes on and is charged."""
    async with running_gateway(tmp_path, own_server.url, admission_ms=2000) as tk:
        stores = tk.gateway.stores
        account, keys = await stores.keys.account(tk.account), await stores.keys.keys(tk.account)
        assert account is not None
        before = await charged(tk, 9)
        await in_history(tk)
        async with tk.chat(simulate="tokens=40,delay_ms=100", stream=True) as stream:
            await stream.content.readany()

            assert own_server.ask("FLUSHALL") == b"+OK\r\n"
            [line] = await told(tk, "shard_stays_closed")

            await refused(tk)
            assert b"[DONE]" in await stream.read()
        assert "accounts and keys are not in the journal" in line["reason"]
        state = await ready(tk)
        assert 200 == state["http_status"]
        assert [(shard_of(tk.account), line["reason"])] == [
            (each["shard"], each["stuck"]) for each in state["closed_shards"]
        ]
        assert 1 == await tk.metric("tollkeeper_shards_closed")

        await stores.keys.put_account(account)
        for key in keys:
            await stores.keys.put_key(key)
        await told(tk, "shard_caught_up")

        after = await tk.settled(charged=lambda ucr: ucr > before.charged_ucr)
        assert before.granted_ucr == after.granted_ucr == after.charged_ucr + after.available_ucr
        assert () == await differences(tk)
        await opened(tk)
        await charged(tk, 1)


async def test_a_repair_by_hand_opens_what_the_journal_alone_cannot(
    tmp_path: Path, own_server: Server
) -> None:
    """Nobody brings the account back; its credit and charges are corrected as totals."""
    async with running_gateway(tmp_path, own_server.url, admission_ms=2000) as tk:
        before = await charged(tk, 9)
        await in_history(tk)
        assert own_server.ask("FLUSHALL") == b"+OK\r\n"
        await told(tk, "shard_stays_closed")
        config = str(tmp_path / "gateway.yaml")

        shown = await tollkeeper("audit", "--config", config)
        repaired = await tollkeeper("audit", "--repair", "--yes", "--config", config)

        await opened(tk)
        assert (1, 0) == (shown.code, repaired.code), repaired.out
        assert "accounts and keys are not in the journal" in shown.out
        after = await tk.settled()
        assert sums(before) == sums(after)
        assert () == await differences(tk)


async def test_what_a_replica_never_had_is_done_again_by_its_id(tmp_path: Path) -> None:
    store = SentinelSetUp("redis", replicas=1, sentinels=1)
    with running(store):
        async with running_gateway(tmp_path, store.url, admission_ms=2000) as tk:
            await charged(tk, 3)
            stream = await stream_of(tk, 60, delay_ms=50)
            store.master.replicated_to(store.replicas[0])
            store.replicas[0].answer("REPLICAOF", "127.0.0.1", "1")
            assert b"[DONE]" in await stream
            await tk.ledger.grant(
                Grant(grant_id="bought", account_id=tk.account, amount_ucr=5_000, priority=7)
            )
            before = await charged(tk, 9)
            await in_history(tk)

            store.master.kill()
            await told(tk, "shard_caught_up")

            after = await tk.settled()
            assert (sums(before), grants(before)) == (sums(after), grants(after))
            assert () == await differences(tk)
            assert 3 == await tk.metric("tollkeeper_replayed_entries_total")
            # The replica still held the stream's credit. Its call is recorded once all the same.
            await in_history(tk)
            records = await tk.gateway.history.records(
                tk.account, start_ms=0, end_ms=2**52, before=None, limit=100
            )
            assert before.charged_ucr == sum(each.charge_ucr for each in records)
            assert 3 == sum(each.requests for each in records)


async def test_in_a_cluster_the_shard_of_the_lost_outbox_catches_up(tmp_path: Path) -> None:
    store = RedisCluster("redis")
    with running(store):
        async with running_gateway(tmp_path, store.url, admission_ms=2000) as tk:
            before = await charged(tk, 9)
            await in_history(tk)

            await tk.gateway.stores.client.command("DEL", outbox_key(shard_tag(tk.account)))
            await told(tk, "shard_caught_up")

            # It had lost the entries only: all of them are answered as done.
            assert sums(before) == sums(await tk.settled())
            await opened(tk)
            await charged(tk, 1)
