"""A stream that goes on while something happens to the gateway or its store."""

import asyncio

from support.gateways import TestGateway


async def stream_of(tk: TestGateway, tokens: int, *, delay_ms: int) -> "asyncio.Task[bytes]":
    """A stream on its way, its first bytes seen; the task ends with all of them."""
    began = asyncio.Event()

    async def read() -> bytes:
        seen = b""
        async with tk.chat(stream=True, simulate=f"tokens={tokens},delay_ms={delay_ms}") as answer:
            async for data in answer.content.iter_any():
                seen += data
                began.set()
        return seen

    task = asyncio.ensure_future(read())
    await began.wait()
    return task
