"""The store is away and the plan has advances: calls are served within them, and charged once."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.gateways import (
    INPUT_UCR,
    OUTPUT_UCR,
    TestGateway,
    gateway_pair,
    running_gateway,
)
from support.redis_server import Server
from support.running_stream import stream_of

from gateway.metering.accounts import Account, Status
from gateway.metering.advances import LEASES_BEYOND
from gateway.stores.redis.open_holds import RedisOpenHolds

ADVANCE_UCR = 200_000
PLAN = '{store_away: advance, advance_credits: "0.2", advance_s: 60}'
SMALL_ADVANCE = PLAN.replace('"0.2"', '"0.05"').replace("}", ", slice_tokens: 100}")
# What a call of these tests costs at most that names no `max_tokens`: many times an advance.
SMALL = {"max_tokens": 100}


@pytest.fixture
def own_server() -> Any:
    """A server this test may stop and kill; it writes every command to disk at once."""
    server = Server("redis", "--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.stop()


@asynccontextmanager
async def with_advance(
    folder: Path, server: Server, *, plan: str = PLAN, **options: Any
) -> AsyncIterator[TestGateway]:
    """A gateway that has taken its advance, of an account with two calls behind it."""
    async with running_gateway(folder, server.url, plan=plan, admission_ms=200, **options) as tk:
        made_s, cache = time.monotonic(), tk.session.stores.keys._cache
        assert 200 == await status(tk)
        async with asyncio.timeout(20):
            while not tk.gateway.advances.held_ucr or cache._heard_s < made_s:
                await asyncio.sleep(0.02)
        # Word that the key was made may have come behind the first call: then it was forgotten.
        assert 200 == await status(tk)
        yield tk


async def status(tk: TestGateway, simulate: str = "tokens=1", **body: Any) -> int:
    async with tk.chat(simulate=simulate, **SMALL | body) as answer:
        await answer.read()
        return int(answer.status)


async def is_ready(tk: TestGateway) -> bool:
    async with tk.http.get(f"http://127.0.0.1:{tk.gateway.admin_port}/readyz") as answer:
        return bool(answer.status == 200)


async def set_aside_ucr(tk: TestGateway) -> int:
    """As its owner is told."""
    url, headers = f"{tk.origin}/metering/v1/balance", {"Authorization": f"Bearer {tk.key}"}
    async with tk.http.get(url, headers=headers) as answer:
        told = await answer.json()
    assert told["held"]["microcredits"] >= told["in_advance"]["microcredits"]
    return int(told["in_advance"]["microcredits"])


async def books(tk: TestGateway) -> Any:
    """As they stand once nothing waits for the store and the advance was given back."""
    async with asyncio.timeout(40):
        while tk.gateway._spool.waiting or tk.gateway.advances.held_ucr:
            await asyncio.sleep(0.02)
            await tk.gateway.advances.give_back()
    return await tk.assert_books_balance()


def produced_ucr(tk: TestGateway) -> int:
    """What the provider made, priced."""
    return sum(
        each.prompt_tokens * INPUT_UCR + each.tokens * OUTPUT_UCR
        for each in tk.provider.journal.entries
        if each.tokens
    )


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
async def test_calls_are_served_within_the_advance_and_charged_once(
    tmp_path: Path, own_server: Server, fault: signal.Signals
) -> None:
    async with with_advance(tmp_path, own_server) as tk:
        assert ADVANCE_UCR == await set_aside_ucr(tk)
        if fault is signal.SIGKILL:
            own_server.kill()
        else:
            own_server.signal(fault)
        assert await is_ready(tk)
        statuses = [await status(tk, "tokens=50") for _ in range(40)]
        assert {200, 503} == set(statuses)
        assert sorted(statuses) == statuses
        if fault is signal.SIGKILL:
            own_server.start()
        else:
            own_server.signal(signal.SIGCONT)
        balance = await books(tk)
        assert produced_ucr(tk) == balance.charged_ucr
        assert balance.debt_ucr == 0


async def test_a_stream_ends_cleanly_where_the_advance_ends(
    tmp_path: Path, own_server: Server
) -> None:
    """It asks for more than an advance, runs on slices of it, and then ends as credit does."""
    async with with_advance(tmp_path, own_server, plan=SMALL_ADVANCE) as tk:
        own_server.kill()
        async with tk.chat(stream=True, simulate="tokens=1000") as answer:
            assert 200 == answer.status
            told = await answer.read()
        assert b'"finish_reason":"length"' in told
        assert told.endswith(b"data: [DONE]\n\n")
        own_server.start()
        balance = await books(tk)
        assert 0 == balance.debt_ucr
        *_, event = await tk.events()
        assert "cut_by_quota" == event["end"]
        # To the last token that it pays for.
        assert ADVANCE_UCR // 4 - 3 * OUTPUT_UCR < event["charge_ucr"] <= ADVANCE_UCR // 4


async def test_a_call_that_outlasts_the_outage_is_held_by_the_store_again(
    tmp_path: Path, own_server: Server
) -> None:
    async with with_advance(tmp_path, own_server, plan=SMALL_ADVANCE) as tk:
        own_server.kill()
        # More than the advance is worth: it needs the store to come to its end.
        stream = await stream_of(tk, 400, delay_ms=8)
        own_server.start()
        assert b"[DONE]" in await stream
        balance = await books(tk)
        *_, settled = [e for e in await tk.ledger.events(tk.account) if e.charges]
        assert "settled" == settled.kind
        assert 400 == settled.event["usage"]["output_text"]
        assert produced_ucr(tk) == balance.charged_ucr


async def test_what_the_store_held_without_saying_so_is_charged_once(
    tmp_path: Path, own_server: Server
) -> None:
    """It stands still, takes in the reserve, and gets to it when it goes on: by then the call was
    served by the advance and is over, or runs."""
    async with with_advance(tmp_path, own_server) as tk:
        own_server.signal(signal.SIGSTOP)
        assert [200] * 4 == await asyncio.gather(*(status(tk, "tokens=20") for _ in range(4)))
        own_server.signal(signal.SIGCONT)
        balance = await books(tk)
        assert produced_ucr(tk) == balance.charged_ucr
        charged = [e.operation_id for e in await tk.ledger.events(tk.account) if e.charges]
        assert len(charged) == len(set(charged)) == 6


async def test_a_call_that_fails_at_the_provider_takes_nothing_of_the_advance(
    tmp_path: Path, own_server: Server
) -> None:
    async with with_advance(tmp_path, own_server) as tk:
        own_server.kill()
        assert [500] * 30 == [await status(tk, "status=500") for _ in range(30)]
        assert 200 == await status(tk)
        own_server.start()
        balance = await books(tk)
        assert produced_ucr(tk) == balance.charged_ucr


async def test_parallel_calls_are_promised_no_more_than_there_is(
    tmp_path: Path, own_server: Server
) -> None:
    async with with_advance(tmp_path, own_server) as tk:
        own_server.kill()
        calls = [status(tk, "tokens=100,first_ms=300") for _ in range(60)]
        served = (await asyncio.gather(*calls)).count(200)
        prompt_ucr = tk.provider.journal.entries[-1].prompt_tokens * INPUT_UCR
        assert ADVANCE_UCR // (prompt_ucr + 100 * OUTPUT_UCR) == served
        own_server.start()
        balance = await books(tk)
        assert produced_ucr(tk) == balance.charged_ucr
        assert served == await tk.metric(r'tollkeeper_store_away_calls_total\{became="admitted"\}')


async def test_a_key_is_known_though_word_of_changes_was_interrupted_just_before(
    tmp_path: Path, own_server: Server
) -> None:
    """Whatever is known of it must be read again then, and the store is away before that."""
    async with with_advance(tmp_path, own_server) as tk:
        cache = tk.session.stores.keys._cache
        generation = cache.generation
        own_server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        async with asyncio.timeout(20):
            while cache.generation == generation:
                await asyncio.sleep(0.02)
        own_server.kill()
        assert 200 == await status(tk)
        own_server.start()
        balance = await books(tk)
        assert produced_ucr(tk) == balance.charged_ucr


async def test_a_budget_that_only_the_store_knows_is_refused(
    tmp_path: Path, own_server: Server
) -> None:
    budget = PLAN.replace("}", ", limits: [{unit: requests, per: day, ceiling: 100}]}")
    async with with_advance(tmp_path, own_server, plan=budget) as tk:
        own_server.kill()
        assert 503 == await status(tk)
        own_server.start()
        await books(tk)


async def test_an_account_that_was_suspended_before_is_not_served(
    tmp_path: Path, own_server: Server
) -> None:
    async with with_advance(tmp_path, own_server) as tk:
        suspended = Account(account_id=tk.account, plan="test", status=Status.SUSPENDED)
        await tk.session.stores.keys.put_account(suspended)
        # The advance may still be there; what is known of the account is new.
        async with asyncio.timeout(20):
            while await status(tk) != 403:
                await asyncio.sleep(0.02)
        own_server.kill()
        assert 503 == await status(tk)
        own_server.start()
        balance = await books(tk)
        assert produced_ucr(tk) == balance.charged_ucr


async def test_without_a_place_for_their_charge_no_calls_are_served(
    tmp_path: Path, own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, and nobody has noticed yet."""
    async with with_advance(tmp_path, own_server) as tk:
        own_server.kill()

        def full() -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(tk.gateway._spool._file, "probe", full)
            assert 503 == await status(tk)
        own_server.start()
        balance = await books(tk)
        assert produced_ucr(tk) == balance.charged_ucr


async def test_a_worker_that_is_killed_in_the_outage_leaves_no_credit_behind(
    tmp_path: Path, own_server: Server
) -> None:
    """What it served is in its spool and booked by who comes after; its advance expires."""
    options = {"plan": PLAN, "admission_ms": 1000}
    async with gateway_pair(tmp_path, own_server.url, **options) as pair:
        assert 200 == await pair.client.status("tokens=1")
        async with asyncio.timeout(20):
            while not (await pair.other.balance()).advances_ucr:
                await asyncio.sleep(0.05)
        # As in `with_advance`.
        assert 200 == await pair.client.status("tokens=1")
        own_server.kill()
        for _ in range(3):
            async with pair.client.chat("tokens=5", **SMALL) as answer:
                assert 200 == answer.status
                await answer.read()
        # Served is not yet on disk: what is not is what a kill costs in an outage.
        async with asyncio.timeout(20):
            while await pair.client.metric("tollkeeper_spool_waiting_settles") < 3:
                await asyncio.sleep(0.05)
        pair.process.kill()
        assert pair.process.process is not None
        await pair.process.process.wait()
        own_server.start()
        produced = sum(
            each.prompt_tokens * INPUT_UCR + each.tokens * OUTPUT_UCR
            for each in pair.provider.journal.entries
        )
        async with running_gateway(tmp_path / "process", own_server.url, credit=0):
            async with asyncio.timeout(30):
                await pair.other.session.stores.client.ready()
                while (found := await pair.other.balance()).charged_ucr != produced:
                    await asyncio.sleep(0.05)
        assert (ADVANCE_UCR, 1, 0) == (found.advances_ucr, found.advances, found.running_calls)
        holds = RedisOpenHolds(pair.other.session.stores.client, pair.other.ledger, lease_ms=30_000)
        [advance] = (await holds.look(limit=10)).first
        assert advance.deadline_ms - found.now_ms <= (60 + LEASES_BEYOND * 30) * 1000
        assert None is advance.booked_ucr
