"""A client on a bare socket: sends exactly the bytes a test wants and tells all that came back."""

import asyncio
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence

# A silence this long after an answer is its end, where the connection stays open.
QUIET_S = 0.5
AT_ONCE = 16


async def exchange(
    port: int, *parts: bytes, patience_s: float = 20.0, quiet_s: float = QUIET_S
) -> bytes:
    """Send the parts, one write each; what came back until the server closed, or fell silent
    after it had begun to answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        with contextlib.suppress(ConnectionError, TimeoutError):
            while data := await asyncio.wait_for(
                reader.read(1 << 20), quiet_s if received else patience_s
            ):
                received += data
    finally:
        writer.transport.abort()
    return received


async def exchanges(port: int, requests: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The same for each of them, several at once."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(request: bytes) -> bytes:
        async with room:
            return await exchange(port, request)

    answers = await asyncio.gather(*map(one, requests.values()))
    return dict(zip(requests, answers, strict=True))


def statuses(received: bytes) -> Sequence[int]:
    """The status of each response in there."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


def unlike(received: Mapping[str, bytes], expected: Iterable[int]) -> Mapping[str, Sequence[int]]:
    """Those that were not answered with one response of such a status: none, in a passing test."""
    allowed = frozenset(expected)
    told = {name: statuses(each) for name, each in received.items()}
    return {name: each for name, each in told.items() if len(each) != 1 or each[0] not in allowed}
