"""An open load: calls begin at random moments, whether or not earlier ones were answered.

That is how callers who do not know of each other behave, and what an overload is made of. A call
takes a connection that is free, or opens one. Loopback only; answers must have a Content-Length.
"""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_HEAD = re.compile(
    rb"HTTP/1\.1 (\d{3}) .*?\r\ncontent-length: *(\d+)\r\n.*?\r\n\r\n", re.IGNORECASE | re.DOTALL
)
BEAT_S = 0.005
# From half of it to all: storms gather too.
RISING_S = 10.0


@dataclass(slots=True, kw_only=True)
class Caller:
    """One account's calls, and what became of them."""

    name: str
    request: bytes
    per_second: float
    under_way_max: int
    under_way: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """By status; `unsent`: as many as may be were under way, `broken`: no answer came."""
    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    """By status."""

    def answered(self, end: str, latency_s: float) -> None:
        self.under_way -= 1
        self.ends[end] += 1
        self.latencies_s.setdefault(end, []).append(latency_s)


class _Line(asyncio.Protocol):
    """A connection with one call at a time."""

    def __init__(self, free: "list[_Line]", caller: Caller) -> None:
        self._free = free
        self._caller = caller
        self._began_s = 0.0
        self._read = b""
        self._transport: asyncio.Transport | None = None
        self.gone = False

    def call(self, began_s: float) -> None:
        self._began_s = began_s
        assert self._transport is not None
        self._transport.write(self._caller.request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        self._read += data
        head = _HEAD.match(self._read)
        if head is None or len(self._read) < head.end() + int(head[2]):
            return
        self._read = b""
        self._end(head[1].decode())
        self._free.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.gone = True
        self._end("broken")

    def _end(self, end: str) -> None:
        if self._began_s:
            self._caller.answered(end, time.monotonic() - self._began_s)
            self._began_s = 0.0


async def storm(
    callers: Sequence[Caller], *, port: int, seconds: float, patience_s: float
) -> "list[_Line]":
    """All of them at once, for so long; then up to `patience_s` for what is under way. Answers the
    connections, which are open."""
    lines: list[_Line] = []
    await asyncio.gather(*(_call(caller, lines, port=port, seconds=seconds) for caller in callers))
    over_s = time.monotonic() + patience_s
    while any(caller.under_way for caller in callers) and time.monotonic() < over_s:  # noqa: ASYNC110
        await asyncio.sleep(BEAT_S)
    return lines


async def _call(caller: Caller, lines: list[_Line], *, port: int, seconds: float) -> None:
    draw = random.Random(caller.name)  # noqa: S311  moments, no secrets
    free: list[_Line] = []
    opening: set[asyncio.Future[None]] = set()
    begun_s = due_s = time.monotonic()
    while due_s < begun_s + seconds:
        rising = min(1.0, (1 + (due_s - begun_s) / RISING_S) / 2)
        due_s += draw.expovariate(caller.per_second * rising)
        if (wait_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        if caller.under_way >= caller.under_way_max:
            caller.ends["unsent"] += 1
            continue
        caller.under_way += 1
        while free and free[-1].gone:
            free.pop()
        if free:
            free.pop().call(due_s)
        else:
            opened = asyncio.ensure_future(_open(caller, free, lines, port=port, began_s=due_s))
            opening.add(opened)
            opened.add_done_callback(opening.discard)


async def _open(
    caller: Caller, free: list[_Line], lines: list[_Line], *, port: int, began_s: float
) -> None:
    try:
        _, line = await asyncio.get_running_loop().create_connection(
            lambda: _Line(free, caller), "127.0.0.1", port
        )
    except OSError:
        caller.answered("unreachable", 0.0)
        return
    lines.append(line)
    line.call(began_s)
