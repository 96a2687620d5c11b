"""HTTP/1.0: no chunks; the end of an answer of unknown length is the end of the connection."""

import asyncio
from pathlib import Path

from support.gateways import running_gateway

BODY = b'{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"x"}]%b}'


async def _asked(port: int, key: str, body: bytes, *, extra: str = "") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer {key}\r\n{extra}"
    writer.write(f"{head}Content-Length: {len(body)}\r\nx-simulate: tokens=5\r\n\r\n".encode())
    writer.write(body)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_stream_is_not_chunked_and_ends_with_the_connection(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        answer = await _asked(tk.gateway.port, tk.key, BODY % b',"stream":true')
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head.lower()
        assert body.startswith(b"data: {")
        assert body.endswith(b"data: [DONE]\n\n")
        await tk.assert_books_balance()


async def test_an_answer_of_known_length_keeps_the_connection_if_asked(
    tmp_path: Path, store_url: str
) -> None:
    async with running_gateway(tmp_path, store_url) as tk:
        closed = await _asked(tk.gateway.port, tk.key, BODY % b"")
        assert b"content-length" in closed.lower()
        reader, writer = await asyncio.open_connection("127.0.0.1", tk.gateway.port)
        body = BODY % b""
        head = (
            "POST /v1/chat/completions HTTP/1.0\r\nConnection: keep-alive\r\n"
            f"Authorization: Bearer {tk.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        for _ in range(2):
            writer.write(head.encode() + body)
            async with asyncio.timeout(5):
                answer_head = (await reader.readuntil(b"\r\n\r\n")).lower()
                assert b"connection: keep-alive" in answer_head
                length = int(answer_head.split(b"content-length: ")[1].split(b"\r\n")[0])
                assert b'"usage"' in await reader.readexactly(length)
        writer.close()
        await tk.assert_books_balance()
