"""Hours of mixed calls: does a gateway's memory stay where it is?

    python -m bench.soak [--minutes 60] [--rate 40]

One worker serves whole answers and streams, short and long, of four APIs, realtime sessions, free
endpoints, refusals, provider errors and broken streams, and clients that leave at any moment. Every
ten seconds its memory, tasks, descriptors and threads are looked at. What it says at the end: how
memory moved in the second half of the time, by linear regression, and whether all that was
opened was closed, every hold ended, and the audit finds the books right.
"""

import argparse
import asyncio
import logging
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import orjson
import uvloop

from bench.machine import PROC, description, free_port, process_rss_kb
from bench.site import Served, serving
from gateway.simulator.provider import SimulatedProvider
from gateway.simulator.script import Script
from gateway.tasks import TaskSet

ACCOUNTS = tuple(f"account{number}" for number in range(8))
LOOK_S = 10
# Caches fill and pools find their size before it is fair to ask for a straight line.
WARMING = 1 / 2
# An hour's growth below this is what an allocator's noise looks like.
FLAT_PERCENT = 3
QUIET_S = 90
PROSE = "Please tell me what a meter does between a caller and a model, and what it costs. "
PATIENCE = aiohttp.ClientTimeout(total=60)
UNDER_WAY_MAX = 500


@dataclass(frozen=True, slots=True)
class Look:
    """At the worker."""

    at_s: float
    rss_kb: int
    tasks: int
    open_files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Clients:
    """Those of one run: each call is made by one of the accounts, drawn at random."""

    http: aiohttp.ClientSession
    served: Served
    draw: random.Random

    async def whole(self) -> int:
        return await self._chat(self._simulate(first_ms=self.draw.randrange(200)))

    async def long_prompt(self) -> int:
        return await self._chat(self._simulate(), prompt=PROSE * self.draw.randrange(100, 3000))

    async def stream(self) -> int:
        return await self._chat(self._simulate(delay_ms=20), stream=True)

    async def left_while_waiting(self) -> int:
        simulate, patience_s = self._simulate(first_ms=2000), self.draw.uniform(0, 1)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._chat(simulate, stream=self.draw.random() < 0.5)
        return 0

    async def left_mid_stream(self) -> int:
        headers = self._headers(self._simulate(delay_ms=20))
        async with self._post("/v1/chat/completions", _chat(stream=True), headers) as answer:
            leave_after = self.draw.randrange(8000)
            async for piece in answer.content.iter_any():
                leave_after -= len(piece)
                if leave_after < 0:
                    answer.close()
                    break
        return 0

    async def broken_stream(self) -> int:
        fault = self.draw.choice(("reset", "close"))
        simulate = f"delay_ms=5,fail={fault}_after:{self.draw.randrange(20)}"
        with suppress(aiohttp.ClientError):
            await self._chat(simulate, stream=True)
        return 0

    async def provider_error(self) -> int:
        return await self._chat(f"status={self.draw.choice((400, 429, 500, 503))}")

    async def refused(self) -> int:
        headers = {"Authorization": f"Bearer tk_{self.draw.getrandbits(60):012x}_wrong"}
        async with self._post("/v1/chat/completions", _chat(), headers) as answer:
            await answer.read()
        return answer.status

    async def unknown_model(self) -> int:
        return await self._chat("", model=f"model-{self.draw.getrandbits(40)}")

    async def responses(self) -> int:
        body = {"model": "fast", "input": PROSE, "stream": True, "store": False}
        return await self._read("/v1/responses", body, self._simulate(delay_ms=5))

    async def completions(self) -> int:
        return await self._read("/v1/completions", {"model": "fast", "prompt": PROSE}, "tokens=20")

    async def listing(self) -> int:
        url, headers = f"http://127.0.0.1:{self.served.port}/v1/models", self._headers("")
        async with self.http.get(url, headers=headers) as answer:
            await answer.read()
        return answer.status

    async def session(self) -> int:
        """A realtime session of a few answers, left in the middle of one or not."""
        url = f"http://127.0.0.1:{self.served.port}/v1/realtime?model=gpt-realtime"
        answers, leaves = self.draw.randrange(1, 4), self.draw.random() < 0.5
        async with self.http.ws_connect(
            url, headers=self._headers("tokens=20,delay_ms=20")
        ) as talk:
            for left in reversed(range(answers)):
                await talk.send_json({"type": "response.create"})
                until = "response.output_text.delta" if leaves and not left else "response.done"
                async for message in talk:
                    if orjson.loads(message.data)["type"] == until:
                        break
        return 101

    def _simulate(self, **milliseconds: int) -> str:
        told = {"tokens": self.draw.randrange(5, 120), **milliseconds}
        return ",".join(f"{name}={value}" for name, value in told.items())

    def _headers(self, simulate: str) -> dict[str, str]:
        key = self.served.keys[self.draw.choice(ACCOUNTS)]
        return {"Authorization": f"Bearer {key}", "x-simulate": simulate}

    def _post(
        self, path: str, body: dict[str, object], headers: dict[str, str]
    ) -> "aiohttp.client._RequestContextManager":
        url = f"http://127.0.0.1:{self.served.port}{path}"
        return self.http.post(url, json=body, headers=headers)

    async def _read(self, path: str, body: dict[str, object], simulate: str) -> int:
        async with self._post(path, body, self._headers(simulate)) as answer:
            await answer.read()
        return answer.status

    async def _chat(
        self, simulate: str, *, stream: bool = False, prompt: str = PROSE, model: str = "fast"
    ) -> int:
        body = _chat(stream=stream, prompt=prompt, model=model)
        return await self._read("/v1/chat/completions", body, simulate)


def _chat(*, stream: bool = False, prompt: str = PROSE, model: str = "fast") -> dict[str, object]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}]}


Kind = Callable[[Clients], Awaitable[int]]
# Of a hundred calls.
MIX: dict[Kind, int] = {
    Clients.whole: 22,
    Clients.stream: 20,
    Clients.left_mid_stream: 18,
    Clients.left_while_waiting: 8,
    Clients.broken_stream: 6,
    Clients.provider_error: 6,
    Clients.long_prompt: 3,
    Clients.responses: 4,
    Clients.completions: 3,
    Clients.listing: 3,
    Clients.session: 3,
    Clients.refused: 2,
    Clients.unknown_model: 2,
}


def main() -> int:
    """0: flat, all closed, books right; 1: not."""
    options = _options()
    # The simulated provider tells of each stream that its client left.
    logging.getLogger("aiohttp.server").disabled = True
    upstream_port = free_port()
    with TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        with serving(folder, upstream_port=upstream_port, accounts=ACCOUNTS) as served:
            run = Run(served, upstream_port, draw=random.Random(options.seed))  # noqa: S311 - a mix of calls
            uvloop.run(run.soak(seconds=options.minutes * 60, rate=options.rate))
            faults = [*run.faults(), *served.audit()]
        faults += _told(folder / "gateway.log")
    print(f"\n{description()}\nseed {options.seed}, {options.rate:g} calls/s\n")
    print(*run.lines(), *(f"FAULT   {fault}" for fault in faults), sep="\n")
    return 1 if faults else 0


class Run:
    """The calls of one run, and what was seen of the worker that served them."""

    def __init__(self, served: Served, upstream_port: int, *, draw: random.Random) -> None:
        self._served = served
        self._upstream_port = upstream_port
        self._draw = draw
        self._calls = TaskSet()
        self._ends: Counter[str] = Counter()
        self._looks: list[Look] = []
        self._idle: list[Look] = []

    async def soak(self, *, seconds: float, rate: float) -> None:
        provider = SimulatedProvider(script=Script(tokens=20))
        await provider.start(port=self._upstream_port)
        connector = aiohttp.TCPConnector(limit=0)
        looking = TaskSet()
        try:
            async with aiohttp.ClientSession(connector=connector, timeout=PATIENCE) as http:
                clients = Clients(http, self._served, self._draw)
                await self._call(clients, seconds=30, rate=rate)
                await self._at_rest(self._idle)
                looking.start(self._watch(), name="watch")
                await self._call(clients, seconds=seconds, rate=rate)
                await looking.cancel()
                await self._at_rest(self._idle)
        finally:
            await looking.cancel()
            await self._calls.cancel()
            await provider.stop()

    async def _call(self, clients: Clients, *, seconds: float, rate: float) -> None:
        """Begin calls at random moments, `rate` a second in the mean, and wait for the last."""
        over_s = time.monotonic() + seconds
        while time.monotonic() < over_s:
            await asyncio.sleep(self._draw.expovariate(rate))
            [kind] = self._draw.choices(list(MIX), weights=list(MIX.values()))
            if len(self._calls) < UNDER_WAY_MAX:
                self._calls.start(self._made(kind, clients), name=kind.__name__)
            else:
                self._ends["not made, too many under way"] += 1
        await self._calls.drain(timeout_s=QUIET_S)

    async def _made(self, kind: Kind, clients: Clients) -> None:
        try:
            end = str(await kind(clients) or "left")
        except (aiohttp.ClientError, TimeoutError) as error:
            end = type(error).__name__
        self._ends[f"{kind.__name__} {end}"] += 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            look = await self._look()
            self._looks.append(look)
            print(
                f"{look.at_s:6.0f} s  {look.rss_kb:7} KB  {look.tasks:4} tasks  "
                f"{look.open_files:4} files  {sum(self._ends.values()):8} calls",
                flush=True,
            )

    async def _look(self) -> Look:
        return await asyncio.to_thread(_look, self._served)

    async def _at_rest(self, looks: list[Look]) -> None:
        """Look once nothing runs: kept connections have timed out, and tasks were counted anew."""
        await asyncio.sleep(QUIET_S)
        looks.append(await self._look())

    def faults(self) -> list[str]:
        before, after = self._idle
        percent = 100 * self._slope_kb_h() / before.rss_kb
        found = [f"memory grows by {percent:.1f} % an hour"] if percent > FLAT_PERCENT else []
        for name in ("tasks", "open_files"):
            was, is_now = getattr(before, name), getattr(after, name)
            if is_now > was:
                found.append(f"{name}: {was} at rest before, {is_now} after")
        calls = self._served.page().total("tollkeeper_open_calls")
        return [*found, f"{calls} calls are open"] if calls else found

    def lines(self) -> list[str]:
        before, after = self._idle
        steady = [look.rss_kb for look in self._steady()]
        return [f"{count:8}  {end}" for end, count in sorted(self._ends.items())] + [
            f"{sum(self._ends.values()):8}  calls in all",
            "",
            *(f"{name:9} {look}" for name, look in (("at first", before), ("at last", after))),
            f"memory of {len(steady)} looks, by regression: {self._slope_kb_h():+.0f} KB an hour",
            f"memory, least and most of them: {min(steady)} and {max(steady)} KB",
        ]

    def _steady(self) -> list[Look]:
        return self._looks[int(len(self._looks) * WARMING) :]

    def _slope_kb_h(self) -> float:
        steady = self._steady()
        line = statistics.linear_regression(
            [look.at_s for look in steady], [look.rss_kb for look in steady]
        )
        return line.slope * 3600


def _look(served: Served) -> Look:
    process = PROC / str(served.worker_pid)
    page = served.page()
    return Look(
        at_s=round(time.monotonic() - served.began_s),
        rss_kb=process_rss_kb(served.worker_pid),
        tasks=page.total("tollkeeper_tasks"),
        open_files=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
    )


def _told(log: Path) -> list[str]:
    """Defects that the gateway told of in its log."""
    lines = log.read_bytes().splitlines()
    return [line.decode() for line in lines if b'"event":"fault"' in line][:5]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=40, help="calls a second")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
