"""A store that lost what it had confirmed: it is noticed, charged once, and told."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateways import running_gateway
from support.redis_forms import SentinelSetUp, running
from support.redis_server import KINDS, Server


@pytest.fixture(params=KINDS[:1])
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """It writes its memory to disk when it is told to, and comes back with that."""
    server = Server(request.param).start()
    yield server
    server.stop()


async def _restored(tk: object, count: int) -> None:
    async with asyncio.timeout(30):
        while await tk.metric("tollkeeper_restored_settles_total") < count:  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)


async def test_charges_after_the_snapshot_a_store_came_back_with_are_made_again(
    tmp_path: Path, own_server: Server
) -> None:
    """Two calls are charged, one before the snapshot; after the crash both are, once each."""
    async with running_gateway(tmp_path, own_server.url, admission_ms=2000) as tk:
        async with tk.chat(simulate="tokens=3") as answer:
            assert 200 == answer.status
        await tk.settled(charged=bool)
        assert own_server.ask("SAVE") == b"+OK\r\n"
        async with tk.chat(simulate="tokens=9") as answer:
            assert 200 == answer.status
        before = await tk.settled()

        own_server.kill()
        own_server.start()
        await _restored(tk, 1)

        after = await tk.assert_books_balance()
        assert (before.charged_ucr, before.available_ucr) == (
            after.charged_ucr,
            after.available_ucr,
        )
        assert [3, 9] == [event["usage"]["output_text"] for event in await tk.events()]
        [told] = [line for line in tk.lines.all() if line["event"] == "settlement_restored"]
        assert (await tk.events())[-1]["event_id"] == told["request_id"]
        assert 1 == await tk.metric("tollkeeper_restored_settles_total")


async def test_a_store_that_lost_nothing_is_charged_nothing_again(
    tmp_path: Path, own_server: Server
) -> None:
    async with running_gateway(tmp_path, own_server.url, admission_ms=2000) as tk:
        for _ in range(3):
            async with tk.chat(simulate="tokens=3") as answer:
                assert 200 == answer.status
        before = await tk.settled(charged=bool)
        assert own_server.ask("SAVE") == b"+OK\r\n"
        made = tk.gateway.stores.client.connections

        own_server.kill()
        own_server.start()
        async with asyncio.timeout(30):
            while tk.gateway.stores.client.connections == made or tk.gateway._settlements.waiting:
                await asyncio.sleep(0.02)

        after = await tk.assert_books_balance()
        assert before.charged_ucr == after.charged_ucr
        assert 3 == len(await tk.events())
        assert 0 == await tk.metric("tollkeeper_restored_settles_total")


async def test_charges_that_the_new_master_never_got_are_made_again(tmp_path: Path) -> None:
    """The replica stops following; a call is charged; the master dies and the replica, which does
    not know of that charge, takes its place."""
    store = SentinelSetUp("redis", replicas=1, sentinels=1)
    with running(store):
        async with running_gateway(tmp_path, store.url, admission_ms=2000) as tk:
            store.master.replicated_to(store.replicas[0])
            store.replicas[0].answer("REPLICAOF", "127.0.0.1", "1")
            async with tk.chat(simulate="tokens=9") as answer:
                assert 200 == answer.status
            before = await tk.settled(charged=bool)

            store.master.kill()
            await _restored(tk, 1)

            after = await tk.assert_books_balance()
            assert before.charged_ucr == after.charged_ucr
            assert before.available_ucr == after.available_ucr
