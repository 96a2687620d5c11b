"""The client goes away: upstream is cancelled, and what was produced is charged, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.full_listener import full_listener
from support.gateways import INPUT_UCR, running_gateway

from gateway.proxy import downstream


async def _departed(tk: Any) -> float:
    """When the provider noticed that nobody listens any more."""
    async with asyncio.timeout(3):
        while tk.provider.journal.entries[0].departure == "running":
            await asyncio.sleep(0.01)
    assert "client_left" == tk.provider.journal.entries[0].departure
    return tk.provider.journal.entries[0].ended_s


async def test_leaving_mid_stream_cancels_upstream_and_charges_what_was_relayed(
    tmp_path: Path, store_url: str
) -> None:
    loop = asyncio.get_running_loop()
    async with running_gateway(tmp_path, store_url) as tk:
        answer = await tk.chat(stream=True, simulate="tokens=500,delay_ms=20")
        seen = b""
        while seen.count(b"data: ") < 10:
            seen += await answer.content.readany()
        answer.close()
        left_s = loop.time()
        assert await _departed(tk) - left_s < 1.0
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert "client_left" == event["end"]
        assert "counted" == event["provenance"]
        produced = tk.provider.journal.entries[0].tokens
        assert 5 <= event["usage"]["output_text"] <= produced
        assert 0 < balance.charged_ucr


async def test_leaving_before_the_answer_charges_the_prompt_only(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        call = asyncio.ensure_future(_get(tk, simulate="tokens=5,first_ms=5000"))
        async with asyncio.timeout(5):
            while not tk.provider.journal.entries:
                await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await _departed(tk)
        balance = await tk.assert_books_balance()
        [event] = await tk.events()
        assert "client_left" == event["end"]
        assert event["usage"]["input_uncached"] * INPUT_UCR == balance.charged_ucr


async def _get(tk: Any, **body: Any) -> bytes:
    async with tk.chat(**body) as answer:
        return await answer.read()


async def test_leaving_while_the_body_is_sent_holds_and_charges_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        _, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tk.key}\r\n"
            "Content-Length: 1000\r\n\r\n{"
        )
        writer.write(head.encode())
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(10):
            while not tk.lines.calls():
                await asyncio.sleep(0.01)
        assert 0 == (await tk.assert_books_balance()).charged_ucr
        assert not tk.provider.journal.entries


async def test_leaving_before_the_provider_has_the_call_charges_nothing(
    tmp_path: Path, store_url: str
) -> None:
    """Nobody accepts the connection to the provider: what the client leaves is held, not sent."""
    with full_listener() as port:
        address = f"http://127.0.0.1:{port}"
        async with running_gateway(tmp_path, store_url, provider_url=address) as tk:
            call = asyncio.ensure_future(_get(tk))
            async with asyncio.timeout(10):
                while not (await tk.balance()).live_holds:
                    await asyncio.sleep(0.01)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert 0 == (await tk.assert_books_balance()).charged_ucr
            assert [] == await tk.events()


async def test_under_drain_the_answer_is_read_to_its_reported_end(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{on_disconnect: drain, drain_s: 20}"
    async with running_gateway(tmp_path, store_url, plan=plan) as tk:
        answer = await tk.chat(stream=True, simulate="tokens=60,delay_ms=10")
        await answer.content.readany()
        answer.close()
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert ("client_left", "reported") == (event["end"], event["provenance"])
        assert 60 == event["usage"]["output_text"]
        assert "completed" == tk.provider.journal.entries[0].departure


async def test_a_drain_that_takes_too_long_is_cut_and_counted(
    tmp_path: Path, store_url: str
) -> None:
    plan = "{on_disconnect: drain, drain_s: 0.5}"
    async with running_gateway(tmp_path, store_url, plan=plan) as tk:
        answer = await tk.chat(stream=True, simulate="tokens=5000,delay_ms=20")
        await answer.content.readany()
        answer.close()
        await _departed(tk)
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert "counted" == event["provenance"]


async def test_a_client_that_stops_reading_pauses_upstream(tmp_path: Path, store_url: str) -> None:
    """Ten megabytes are on offer; what the gateway takes from upstream stays small."""
    async with _reading_nothing(tmp_path, store_url) as (tk, writer):
        writer.transport.abort()
        await tk.assert_books_balance()


async def test_a_client_that_stops_reading_for_too_long_is_cut_and_charged(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downstream, "WRITE_TIMEOUT_S", 0.5)
    async with _reading_nothing(tmp_path, store_url) as (tk, _):
        await tk.assert_books_balance()
        [event] = await tk.events()
        assert 0 < event["usage"]["output_text"] <= tk.provider.journal.entries[0].tokens


@asynccontextmanager
async def _reading_nothing(
    tmp_path: Path, store_url: str
) -> AsyncIterator[tuple[Any, asyncio.StreamWriter]]:
    """A client of a long stream that reads one line of it; the provider has been stopped by it."""
    async with running_gateway(tmp_path, store_url) as tk:
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port, limit=1024)
        body = b'{"model":"gpt-4.1-mini","stream":true,"messages":[{"role":"user","content":"x"}]}'
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tk.key}\r\n"
            f"x-simulate: tokens=32000\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await reader.readline()
        entry = tk.provider.journal.entries[0]
        before = -1
        async with asyncio.timeout(20):
            # Back-pressure has reached the provider when it produces nothing more.
            while before != entry.tokens or not entry.tokens:
                before = entry.tokens
                await asyncio.sleep(0.3)
        assert entry.tokens < 32_000
        yield tk, writer
        writer.close()


@pytest.mark.parametrize("times", [1, 3])
async def test_a_call_that_is_cancelled_again_while_it_ends_is_settled_once(
    tmp_path: Path, store_url: str, times: int
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        answers = [
            await tk.chat(stream=True, simulate="tokens=500,delay_ms=10") for _ in range(times)
        ]
        for answer in answers:
            await answer.content.readany()
        for task in asyncio.all_tasks():
            if "_handle_request" in repr(task) or "RequestHandler" in repr(task):
                task.cancel()
        for answer in answers:
            answer.close()
        await tk.assert_books_balance()
        assert times == len(await tk.events())
