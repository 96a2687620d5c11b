"""Connections that are opened and left, or fed drop by drop: bounded in time, disturbing nobody."""

import asyncio
from pathlib import Path

from support.gateways import running_gateway
from support.raw_client import statuses

IDLE = 200
BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hi"}]}'


async def test_many_idle_connections_are_closed_and_calls_go_on_meanwhile(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url, head_s=5) as tk:
        # One by one: what the kernel's queue has no room for would never hear of its end.
        idle = [await asyncio.open_connection("127.0.0.1", tk.gateway.port) for _ in range(IDLE)]
        try:
            # Half of them say a little.
            for _, writer in idle[::2]:
                writer.write(b"POST /v1/chat")
            for _ in range(5):
                async with tk.chat(simulate="tokens=1") as answer:
                    assert 200 == answer.status
            async with asyncio.timeout(40):
                ends = await asyncio.gather(*(reader.read() for reader, _ in idle))
            assert {b""} == set(ends)
            async with tk.chat(simulate="tokens=1") as answer:
                assert 200 == answer.status
        finally:
            for _, writer in idle:
                writer.transport.abort()


async def test_a_head_and_a_body_that_drip_are_ended_in_time(
    tmp_path: Path, store_url: str
) -> None:
    """Each drop starts no deadline anew."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "

    async def dripping(first: bytes, drops: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        writer.write(first)
        ended = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(30):
            for drop in drops:
                if ended.done():
                    break
                writer.write(bytes((drop,)))
                await asyncio.sleep(0.2)
            told = await ended
        writer.transport.abort()
        return told

    async with running_gateway(tmp_path, store_url, head_s=2, body_s=2) as tk:
        whole = head + tk.key.encode() + b"\r\nContent-Length: 1000\r\n\r\n"
        chunked = head + tk.key.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        no_head, no_body, no_chunk = await asyncio.gather(
            dripping(b"", head + b"a" * 200),
            dripping(whole, BODY * 3),
            dripping(chunked, b"1;" + b"a" * 200),
        )
        assert b"" == no_head
        assert [400] == statuses(no_body)
        assert [400] == statuses(no_chunk)
        assert 0 == (await tk.assert_books_balance()).charged_ucr
        assert not tk.provider.journal.entries


async def test_a_client_that_sends_no_more_is_served_or_settled_but_never_kept(
    tmp_path: Path, store_url: str
) -> None:
    """Half-closed: its side is shut, ours could still answer."""
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    async with running_gateway(tmp_path, store_url) as tk:
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        writer.write(request + tk.key.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        writer.write(BODY)
        writer.write_eof()
        async with asyncio.timeout(20):
            told = await reader.read()
        assert statuses(told) in ([], [200])
        writer.transport.abort()
        async with asyncio.timeout(20):
            while tk.gateway._server.connections:
                await asyncio.sleep(0.02)
        await tk.assert_books_balance()
