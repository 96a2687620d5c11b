"""The store goes away: nothing new is admitted, what runs goes on, and is charged once after."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.gateways import running_gateway
from support.redis_server import KINDS, Server
from support.running_stream import stream_of


@pytest.fixture(params=KINDS)
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server this test may stop and kill; it writes every command to disk at once."""
    server = Server(request.param, "--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.stop()


async def _refused_quickly(tk: Any) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with tk.chat(simulate="tokens=1") as answer:
        assert 503 == answer.status
        took_s = loop.time() - began_s
        assert int(answer.headers["Retry-After"]) >= 1
        assert "metering_unavailable" == orjson.loads(await answer.read())["error"]["code"]
    assert took_s < 0.25


async def test_a_stalled_store_refuses_within_250_ms_and_streams_go_on(
    tmp_path: Path, own_server: Server
) -> None:
    async with running_gateway(tmp_path, own_server.url, admission_ms=200) as tk:
        stream = await stream_of(tk, 60, delay_ms=20)
        own_server.signal(signal.SIGSTOP)
        await _refused_quickly(tk)
        await _refused_quickly(tk)
        assert b"[DONE]" in await stream
        own_server.signal(signal.SIGCONT)
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert 60 == event["usage"]["output_text"]
        assert event["charge_ucr"] == balance.charged_ucr
        async with tk.chat(simulate="tokens=1") as answer:
            assert 200 == answer.status
        await tk.assert_books_balance()


async def test_a_killed_store_gets_the_settlement_from_the_spool_once(
    tmp_path: Path, own_server: Server
) -> None:
    async with running_gateway(tmp_path, own_server.url, admission_ms=200) as tk:
        stream = await stream_of(tk, 60, delay_ms=10)
        own_server.kill()
        await _refused_quickly(tk)
        assert b"[DONE]" in await stream
        async with asyncio.timeout(5):
            while not tk.gateway._spool.waiting:
                await asyncio.sleep(0.01)
        assert b"req_" in b"".join(
            path.read_bytes() for path in (tmp_path / "data" / "spool").iterdir()
        )
        own_server.start()
        async with asyncio.timeout(10):
            while tk.gateway._spool.waiting:
                await asyncio.sleep(0.02)
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert 60 == event["usage"]["output_text"]
        assert event["charge_ucr"] == balance.charged_ucr


async def test_a_reserve_that_a_stalled_store_runs_late_holds_nothing(
    tmp_path: Path, own_server: Server
) -> None:
    async with running_gateway(tmp_path, own_server.url, admission_ms=200) as tk:
        own_server.signal(signal.SIGSTOP)
        await asyncio.gather(*(_status(tk) for _ in range(20)))
        own_server.signal(signal.SIGCONT)
        balance = await tk.assert_books_balance()
        assert 0 == balance.charged_ucr
        assert 0 == tk.provider.journal.total


async def _status(tk: Any) -> int:
    async with tk.chat() as answer:
        assert 503 == answer.status
        return answer.status
