"""A running gateway takes a changed configuration, on SIGHUP or when a file changes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from support.gateways import (
    SECRETS,
    Client,
    GatewayProcess,
    Session,
    account_with_key,
    gateway_process,
)
from support.redis_forms import Servers
from support.texts import reworded

from gateway.cli.session import opened
from gateway.settings import load
from gateway.simulator.provider import SimulatedProvider

COMPLETED = r'tollkeeper_calls_total\{[^}]*end="completed"[^}]*\}'
CHARGED = r"tollkeeper_charges_ucr_total\{[^}]*\}"
SENTENCE = "{enforcement: rolling}"
STRICTER = "{enforcement: rolling, models: [gpt-pictures]}"


@pytest.fixture
def store_url(store_servers: Servers) -> str:
    """Of one kind: workers come and go whatever the store is."""
    return store_servers.emptied("redis").url


@dataclass
class Running:
    gateway: GatewayProcess
    session: Session
    client: Client

    def rewrite(self, old: str, new: str) -> None:
        text = reworded(self.gateway.config.read_text(), [(old, new)])
        # Renamed into place, as editors and deployments do.
        draft = self.gateway.config.with_suffix(".new")
        draft.write_text(text)
        draft.rename(self.gateway.config)

    def reload(self) -> None:
        assert self.gateway.process is not None
        self.gateway.process.send_signal(signal.SIGHUP)

    async def told(self, event: str, *, times: int = 1) -> list[dict[str, object]]:
        async with asyncio.timeout(50):
            while True:
                found = [line for line in self.gateway.lines().all() if line["event"] == event]
                if len(found) >= times:
                    return found
                await asyncio.sleep(0.05)

    async def settled(self):
        async with asyncio.timeout(10):
            while (balance := await self.session.stores.ledger.balance("acme")).live_holds:
                await asyncio.sleep(0.01)
        return balance


@asynccontextmanager
async def running(folder: Path, store_url: str, **options: object) -> AsyncIterator[Running]:
    provider = SimulatedProvider()
    url = f"http://127.0.0.1:{await provider.start()}"
    try:
        async with (
            gateway_process(folder, store_url, url, plan=SENTENCE, **options) as gateway,
            opened(load(gateway.config, SECRETS)) as session,
            # A kept connection may be closed in the moment in which it is used again.
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
        ):
            key = await account_with_key(session, granted_ucr=100_000_000_000)
            yield Running(gateway, session, Client(gateway, key, http))
    finally:
        await provider.stop()


@pytest.mark.parametrize("by", ["sighup", "file"])
async def test_a_changed_plan_holds_without_a_restart(
    tmp_path: Path, store_url: str, by: str
) -> None:
    async with running(tmp_path, store_url) as tk:
        assert 200 == await tk.client.status("tokens=1")
        tk.rewrite(SENTENCE, STRICTER)
        if by == "sighup":
            tk.reload()
        await tk.told("started", times=2)
        async with asyncio.timeout(50):
            # A connection to the worker that leaves is served to its end.
            while 403 != (status := await tk.client.status("tokens=1")):
                assert 200 == status
        [change] = await tk.told("config_changed")
        assert "plans.test.models[0]: * → gpt-pictures" == change["change"]
        assert 0 == await tk.gateway.stop()


async def test_a_bad_file_keeps_the_old_configuration_running_and_says_why(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url) as tk:
        tk.rewrite(SENTENCE, "{enforcment: rolling}")
        [refused] = await tk.told("reload_refused")
        assert "enforcment" in str(refused["reason"])
        assert "plans.test" in str(refused["reason"])
        assert 200 == await tk.client.status("tokens=1")
        tk.rewrite("{enforcment: rolling}", STRICTER)
        await tk.told("started", times=2)


async def test_what_is_settled_at_the_start_cannot_be_reloaded(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url) as tk:
        tk.rewrite("workers: 1", "workers: 2")
        [refused] = await tk.told("reload_refused")
        assert "listen.workers cannot change while the gateway runs" in str(refused["reason"])
        assert 200 == await tk.client.status("tokens=1")


async def test_a_configuration_no_worker_can_start_with_leaves_the_old_workers_serving(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url) as tk:
        folder = tmp_path / "taken"
        folder.write_text("a file where a folder should be")
        lake = f"sinks: {{lake: {{json_lines: {{folder: {folder}}}}}}}\nservices:"
        tk.rewrite("services:", lake)
        await tk.told("reload_failed")
        assert 200 == await tk.client.status("tokens=1")
        assert 0 == await tk.gateway.stop()


async def test_counts_go_on_across_reloads(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, workers=2) as tk:
        for number in range(3):
            for _ in range(5):
                assert 200 == await tk.client.status("tokens=3")
            tk.reload()
            await tk.told("started", times=2 * (number + 2))
        balance = await tk.settled()
        async with asyncio.timeout(10):
            while 15 != await tk.client.metric(COMPLETED):
                await asyncio.sleep(0.05)
        assert balance.charged_ucr == await tk.client.metric(CHARGED)


async def test_restarting_all_workers_under_load_loses_no_call_and_no_charge(
    tmp_path: Path, store_url: str
) -> None:
    done, stop = [], asyncio.Event()

    async def caller(client: Client, *, stream: bool) -> None:
        while not stop.is_set():
            async with client.chat("tokens=20,delay_ms=5", stream=stream) as answer:
                body = await answer.read()
                assert 200 == answer.status, body
                assert not stream or body.endswith(b"data: [DONE]\n\n")
            done.append(answer.headers["x-tollkeeper-request-id"])

    async with running(tmp_path, store_url, workers=2, drain_s=20) as tk:
        async with aiohttp.ClientSession() as kept, asyncio.TaskGroup() as callers:
            for client in (tk.client, Client(tk.gateway, tk.client.key, kept)):
                for stream in (False, True, True):
                    callers.create_task(caller(client, stream=stream))
            for number in range(3):
                tk.reload()
                await tk.told("started", times=2 * (number + 2))
            await tk.told("stopped", times=6)
            stop.set()
        assert len(done) == len(set(done)) >= 50
        balance = await tk.settled()
        assert 0 == await tk.gateway.stop()
        calls = [line for line in tk.gateway.lines().calls() if line["event"] == "call"]
        assert sorted(done) == sorted(line["request_id"] for line in calls)
        assert balance.charged_ucr == sum(line["cost_ucr"] for line in calls)


async def test_calls_are_taken_while_a_load_balancer_notices_the_shutdown(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url) as tk:
        tk.rewrite("drain_s: ", "unready_s: 2, drain_s: ")
        await tk.told("started", times=2)
        await tk.told("stopped")
        assert tk.gateway.process is not None
        tk.gateway.process.terminate()
        url = f"http://127.0.0.1:{tk.gateway.admin_port}/readyz"
        async with asyncio.timeout(5):
            while True:
                async with tk.client.http.get(url) as answer:
                    if answer.status == 503:
                        break
        assert 200 == await tk.client.status("tokens=1")
        async with tk.client.chat("tokens=1") as answer:
            assert "close" == answer.headers["Connection"]
        assert 0 == await tk.gateway.stop()


async def test_a_worker_that_dies_leaves_its_queue_to_the_next(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url) as tk:
        process = tk.gateway.process
        assert process is not None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        [worker] = children.read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        # Connects while nobody accepts, and is answered by the next worker.
        calls = (tk.client.status("tokens=1") for _ in range(5))
        assert [200] * 5 == await asyncio.gather(*calls)
