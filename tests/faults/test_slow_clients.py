"""Clients that are slow on purpose: their connections are closed, others are not disturbed."""

import asyncio
from pathlib import Path

from support.gateways import running_gateway


async def test_a_head_that_never_ends_closes_the_connection(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, head_s=1.5) as tk:
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        async with asyncio.timeout(6):
            assert b"" == await reader.read()
        writer.close()


async def test_a_connection_that_has_spoken_may_idle(tmp_path: Path, store_url: str) -> None:
    async with running_gateway(tmp_path, store_url, head_s=1) as tk:
        async with tk.chat(simulate="tokens=1") as answer:
            await answer.read()
        await asyncio.sleep(2.5)
        connections = tk.gateway._server.connections
        assert 1 == len(connections)
        async with tk.chat(simulate="tokens=1") as answer:
            assert 200 == answer.status
        assert connections == tk.gateway._server.connections


async def test_a_body_that_does_not_come_is_refused_and_charges_nothing(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, body_s=0.5) as tk:
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
        head += f"Authorization: Bearer {tk.key}\r\nContent-Length: 1000\r\n\r\n"
        writer.write(head.encode() + b"{")
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        assert 0 == (await tk.assert_books_balance()).charged_ucr
        assert not tk.provider.journal.entries
