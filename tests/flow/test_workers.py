"""`tollkeeper serve` as processes: workers share a port and their totals; SIGTERM drains."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest
from support.gateways import (
    ACCOUNT,
    SECRETS,
    Client,
    GatewayProcess,
    account_with_key,
    gateway_process,
)

from gateway.cli.session import opened
from gateway.settings import load
from gateway.simulator.provider import SimulatedProvider


@pytest.fixture
async def provider():
    provider = SimulatedProvider()
    provider.url = f"http://127.0.0.1:{await provider.start()}"
    yield provider
    await provider.stop()


async def test_workers_share_a_port_and_any_of_them_tells_the_totals(
    tmp_path: Path, store_url: str, provider
) -> None:
    async with (
        gateway_process(tmp_path, store_url, provider.url, workers=3) as gateway,
        opened(load(gateway.config, SECRETS)) as session,
        # A connection for each call: the kernel spreads them over the workers.
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        key = await account_with_key(session, granted_ucr=10_000_000_000)
        client = Client(gateway, key, http)
        statuses = await asyncio.gather(*(client.status("tokens=7") for _ in range(60)))
        assert [200] * 60 == statuses
        workers = {line["worker"] for line in gateway.lines().all() if line["event"] == "started"}
        assert {0, 1, 2} == workers
        async with asyncio.timeout(5):
            while (balance := await session.stores.ledger.balance("acme")).live_holds:
                await asyncio.sleep(0.01)
        for _ in range(6):
            assert 60 == await client.metric(r'tollkeeper_calls_total\{[^}]*end="completed"[^}]*\}')
            charged = await client.metric(r"tollkeeper_charges_ucr_total\{[^}]*\}")
            assert balance.charged_ucr == charged
        assert 0 == await gateway.stop()


async def test_sigterm_lets_running_streams_finish_and_takes_no_new_calls(
    tmp_path: Path, store_url: str, provider
) -> None:
    async with (
        gateway_process(tmp_path, store_url, provider.url, drain_s=20) as gateway,
        opened(load(gateway.config, SECRETS)) as session,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        key = await account_with_key(session, granted_ucr=100_000_000)
        client = Client(gateway, key, http)
        async with client.chat("tokens=100,delay_ms=10", stream=True) as answer:
            await answer.content.readany()
            assert gateway.process is not None
            gateway.process.terminate()
            await asyncio.sleep(0.2)
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.status("tokens=1")
            assert b"[DONE]" in await answer.read()
        assert 0 == await gateway.stop()
        balance = await session.stores.ledger.balance("acme")
        assert 0 == balance.live_holds
        [line] = gateway.lines().calls()
        assert ("completed", balance.charged_ucr) == (line["end"], line["cost_ucr"])


async def test_what_outlasts_the_drain_is_cut_and_settled(
    tmp_path: Path, store_url: str, provider
) -> None:
    async with (
        gateway_process(tmp_path, store_url, provider.url, drain_s=0.5) as gateway,
        opened(load(gateway.config, SECRETS)) as session,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        key = await account_with_key(session, granted_ucr=100_000_000)
        client = Client(gateway, key, http)
        async with client.chat("tokens=5000,delay_ms=10", stream=True) as answer:
            await answer.content.readany()
            stopping = asyncio.ensure_future(gateway.stop())
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        assert 0 == await stopping
        balance = await session.stores.ledger.balance("acme")
        assert 0 == balance.live_holds
        assert balance.charged_ucr > 0
        [line] = gateway.lines().calls()
        assert "cut_by_shutdown" == line["end"]


async def test_a_dead_worker_is_replaced_its_holds_resolved_and_its_counts_stay(
    tmp_path: Path, store_url: str, provider
) -> None:
    async with (
        gateway_process(
            tmp_path, store_url, provider.url, workers=1, lease_s=5, checkpoint_s=0.2
        ) as gateway,
        opened(load(gateway.config, SECRETS)) as session,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        key = await account_with_key(session, granted_ucr=100_000_000)
        client = Client(gateway, key, http)
        assert 200 == await client.status("tokens=1")
        completed = r'tollkeeper_calls_total\{[^}]*end="completed"[^}]*\}'
        async with asyncio.timeout(5):
            # The client has its answer before the call is counted.
            while 1 != await client.metric(completed):
                await asyncio.sleep(0.01)
        stream = await client.chat("tokens=2000,delay_ms=50", stream=True)
        # Its beginning is booked with the first checkpoints.
        for _ in range(20):
            await stream.content.readline()
        assert gateway.process is not None
        children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children")
        [worker] = children.read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        async with asyncio.timeout(15):
            while True:
                try:
                    if 200 == await client.status("tokens=1"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            while 2 != await client.metric(completed):
                await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            while (await session.stores.ledger.balance(ACCOUNT)).live_holds:
                await asyncio.sleep(0.05)
        moved = await session.stores.ledger.events(ACCOUNT)
        [expired] = [entry for entry in moved if entry.kind == "expired"]
        assert 0 < expired.amount_ucr
        stream.close()


async def test_a_gateway_that_cannot_listen_says_so_and_ends(
    tmp_path: Path, store_url: str, provider
) -> None:
    async with gateway_process(tmp_path / "first", store_url, provider.url) as first:
        second = GatewayProcess(first.config, 0, 1, tmp_path / "second.log")
        config = tmp_path / "second.yaml"
        # Without SO_REUSEPORT on the other side a port is really taken: bind it plainly.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            config.write_text(
                first.config.read_text().replace(f"port: {first.port},", f"port: {port},")
            )
            (tmp_path / "prices.yaml").write_text((first.config.parent / "prices.yaml").read_text())
            second.config = config
            with pytest.raises(AssertionError):
                await second.start()
        assert "Address already in use" in second.log_path.read_text()
