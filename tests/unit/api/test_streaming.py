"""Streams whose readers do not read: cut, and nothing is kept for them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from aiohttp import web

from gateway.api import streaming
from gateway.api.feed import UNREAD_MAX, End, Heard, Listener
from gateway.api.operation import EventStream
from gateway.metering.journal import Entry, shard_of


def heard(number: int) -> Heard:
    entry = Entry(
        entry_id=f"{number}-0",
        kind="funded",
        account_id="acme",
        operation_id="x",
        amount_ucr=1,
        debt_ucr=0,
        observed_ucr=0,
        slices=(),
    )
    return Heard(shard_of("acme"), entry)


async def test_who_does_not_read_is_cut_and_its_connection_with_it(monkeypatch):
    monkeypatch.setattr(streaming, "WRITE_TIMEOUT_S", 0.3)
    closed = asyncio.Event()

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"data: " + b"x" * 1_000_000 + b"\n\n"
        finally:
            closed.set()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await streaming.streamed(EventStream(parts()), request, request_id="req_1")

    server = web.Server(handle)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(20):
        await closed.wait()
        last = b""
        with suppress(ConnectionError):
            while part := await reader.read(65_536):
                last = (last + part)[-5:]
    # A stream that ends in order says so in its last chunk.
    assert b"0\r\n\r\n" != last
    writer.close()
    listener.close()
    await server.shutdown()


async def test_a_listener_that_leaves_too_much_unread_has_lost_its_place():
    listener = Listener("acme")
    listener.hear([heard(number) for number in range(1, UNREAD_MAX + 1)])
    assert listener.ended is None

    listener.hear([heard(UNREAD_MAX + 1)])

    assert End.SLOW is listener.ended
    assert () == tuple(await listener.next(timeout_s=1))
