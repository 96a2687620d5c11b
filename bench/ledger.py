"""What a metered call costs the store: reserve and settle, by grants, limits and calls at once.

    python -m bench.ledger [--quick] [--kinds redis,valkey] [--grants 1,10,60] [--limits 0,4,8]

A server of each kind is started on a core of its own, appending to its file as in production. It
is asked for the same calls in three ways:

- *scripts*: all reserves, then all settles, alone or several in a script, without a pause; the
  server's own clock for each script, and its CPU time.
- *store*: calls encoded beforehand, so that nothing but the server takes time.
- *gateway*: through `RedisLedger`, as one gateway process asks.

After each of them the account's books must show every call charged, once.
"""

import argparse
import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection
from statistics import median_high
from tempfile import TemporaryDirectory

import uvloop
from hiredis import Reader

from bench.ledger_calls import (
    ACCOUNTS,
    CHARGE_UCR,
    CHUNK,
    KEY,
    Calls,
    Scenario,
    account_id,
    scripts,
)
from bench.machine import (
    GATEWAY_CORE,
    cpu_ns,
    description,
    free_port,
    on_gateway_core,
    pin_harness,
    running,
)
from gateway.metering.ledger import Reserve, Settle
from gateway.stores.embedded import server_binary
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import account_key, key_record_key
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.operations import TOGETHER_MAX
from gateway.tasks import TaskSet

AT_ONCE = (1, 32, 256)
# Operations that share a script; the last is what a gateway sends at the most.
TOGETHER = (1, 4, TOGETHER_MAX)
SERVERS = {"redis": lambda: "redis-server", "valkey": lambda: str(server_binary())}
PIPELINED = 64


@dataclass(frozen=True)
class Server:
    kind: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Store:
    server: Server
    client: RedisClient
    ledger: RedisLedger


@dataclass(frozen=True, order=True)
class ScriptTimes:
    """Microseconds as the server measured them."""

    mean: float
    p50: float
    p99: float


@dataclass(frozen=True, order=True)
class Pace:
    """`store_us` and `gateway_us`: CPU time for each call; `calls_per_s` by the wall clock."""

    store_us: float
    calls_per_s: float
    gateway_us: float = 0.0


class Connection:
    """Raw: sends what was encoded before, counts replies, and stops at the first error."""

    def __init__(self, server: Server) -> None:
        self._socket = create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._reader = Reader()

    def send(self, requests: Sequence[bytes]) -> None:
        self._socket.sendall(b"".join(requests))

    def receive(self, count: int, expected: bytes) -> None:
        for _ in range(count):
            while (reply := self._reader.gets()) is False:
                self._reader.feed(self._socket.recv(1 << 20))
            if not isinstance(reply, list) or any(each[:1] != expected for each in reply):
                raise SystemExit(f"expected {expected!r}, got {reply!r}")

    def close(self) -> None:
        self._socket.close()


@contextmanager
def serving(kind: str) -> Iterator[Server]:
    port = free_port()
    with TemporaryDirectory() as folder:
        command = [SERVERS[kind](), "--port", str(port), "--dir", folder, "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "everysec"]
        log = Path(folder) / "server.log"
        with running(on_gateway_core(command), log=log, port=port) as pid:
            _prefer(pid)
            yield Server(kind, port, pid)


def _prefer(pid: int) -> None:
    """Where it is allowed, the store is not interrupted: on a shared machine its script times
    would be those of its neighbours."""
    with suppress(PermissionError):
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


@contextmanager
def store_at(loop: asyncio.AbstractEventLoop, server: Server) -> Iterator[Store]:
    client = RedisClient(server.url, tasks=TaskSet(), timeout_s=30.0)
    loop.run_until_complete(client.open())
    try:
        yield Store(server, client, RedisLedger(client))
    finally:
        loop.run_until_complete(client.close())


async def prepared(store: Store, scenario: Scenario) -> None:
    """An empty store but for rich accounts, their grants and keys."""
    await store.client.command("FLUSHALL")
    await store.ledger.open()
    for number in range(ACCOUNTS):
        account = account_id(number)
        await store.client.command("HSET", account_key(account), "st", "active")
        await store.client.command("HSET", key_record_key(account, KEY), "st", "active")
        for grant in scenario.grants(account):
            await store.ledger.grant(grant)


async def audited(ledger: RedisLedger, calls: int) -> None:
    balances = [await ledger.balance(account_id(number)) for number in range(ACCOUNTS)]
    charged = sum(balance.charged_ucr for balance in balances)
    if charged != calls * CHARGE_UCR or any(each.held_ucr for each in balances):
        raise SystemExit(f"the books are wrong: {charged} µcr charged for {calls} calls")


@dataclass(frozen=True)
class Scripts:
    """Of so many operations each, the middle round of reserves and that of settles."""

    together: int
    reserve: ScriptTimes
    settle: ScriptTimes
    store_us: float
    """CPU time of the store's process for a call: a reserve and a settle."""
    kept_bytes: float
    """Of a call, in the store's memory."""


async def script_times(store: Store, scenario: Scenario, rounds: int, together: int) -> Scripts:
    await prepared(store, scenario)
    empty = await _used_memory(store.client)
    connection = Connection(store.server)
    reserved, settled = [], []
    for number in range(rounds):
        calls = Calls(scenario, _chunk(number, CHUNK), store.ledger.now_ms)
        # The statistics are of one script at a time: all are reserved before one is settled.
        for asked, found, expected in (
            (calls.reserves, reserved, b"r"),
            (calls.settles, settled, b"s"),
        ):
            busy = cpu_ns(store.server.pid)
            times = await _script(store, connection, scripts(asked, together), expected)
            found.append(((cpu_ns(store.server.pid) - busy) / CHUNK / 1000, times))
    connection.close()
    await audited(store.ledger, rounds * CHUNK)
    kept = (await _used_memory(store.client) - empty) / (rounds * CHUNK)
    reserve, settle = median_high(reserved), median_high(settled)
    return Scripts(together, reserve[1], settle[1], reserve[0] + settle[0], kept)


async def _used_memory(client: RedisClient) -> int:
    said = (await client.command("INFO", "memory")).decode()
    return int(re.findall(r"used_memory:(\d+)", said)[0])


def _chunk(number: int, size: int) -> range:
    return range(number * size, (number + 1) * size)


async def _script(
    store: Store, connection: Connection, requests: Sequence[bytes], expected: bytes
) -> ScriptTimes:
    await store.client.command("CONFIG", "RESETSTAT")
    for first in range(0, len(requests), PIPELINED):
        part = requests[first : first + PIPELINED]
        connection.send(part)
        connection.receive(len(part), expected)
    return await _times(store.client)


async def _times(client: RedisClient) -> ScriptTimes:
    stats = (await client.command("INFO", "commandstats", "latencystats")).decode()
    mean = re.search(r"cmdstat_evalsha:.*usec_per_call=([\d.]+)", stats)
    parts = re.search(r"percentiles_usec_evalsha:p50=([\d.]+),p99=([\d.]+)", stats)
    if mean is None or parts is None:
        raise SystemExit("the server tells no statistics of its scripts")
    return ScriptTimes(float(mean[1]), float(parts[1]), float(parts[2]))


async def store_pace(store: Store, scenario: Scenario, rounds: int, at_once: int) -> Pace:
    await prepared(store, scenario)
    size = _size(at_once)
    paces = []
    for number in range(rounds):
        calls = Calls(scenario, _chunk(number, size), store.ledger.now_ms)
        busy, began = cpu_ns(store.server.pid), time.perf_counter()
        _ask(store, calls, at_once)
        wall, busy = time.perf_counter() - began, cpu_ns(store.server.pid) - busy
        paces.append(Pace(busy / size / 1000, size / wall))
    await audited(store.ledger, rounds * size)
    # Not the quietest: when a server rewrites its file, another process comes and goes.
    return median_high(paces)


def _size(at_once: int) -> int:
    """Of a round: fewer where each call waits for the one before."""
    return CHUNK if at_once > 1 else CHUNK // 20


def _ask(store: Store, calls: Calls, at_once: int) -> None:
    """Two connections take turns, so that the server finds work while the other's is read."""
    connections = [Connection(store.server) for _ in range(min(2, at_once))]
    waiting: deque[tuple[Connection, int, bytes]] = deque()
    steps = calls.waves(at_once // len(connections), len(connections))
    for number, (requests, expected) in enumerate(steps):
        if len(waiting) == len(connections):
            _receive(waiting)
        connection = connections[number % len(connections)]
        connection.send(requests)
        waiting.append((connection, len(requests), expected))
    while waiting:
        _receive(waiting)
    for connection in connections:
        connection.close()


def _receive(waiting: deque[tuple[Connection, int, bytes]]) -> None:
    connection, count, expected = waiting.popleft()
    connection.receive(count, expected)


async def gateway_pace(store: Store, scenario: Scenario, rounds: int, at_once: int) -> Pace:
    await prepared(store, scenario)
    size, now_ms = _size(at_once), store.ledger.now_ms
    paces = []
    for number in range(rounds):
        asks = (
            (scenario.reserve(call, now_ms()), scenario.settle(call, now_ms()))
            for call in _chunk(number, size)
        )
        busy, own, began = cpu_ns(store.server.pid), time.process_time(), time.perf_counter()
        await asyncio.gather(*(_caller(store.ledger, asks) for _ in range(at_once)))
        wall, own = time.perf_counter() - began, time.process_time() - own
        busy = cpu_ns(store.server.pid) - busy
        paces.append(Pace(busy / size / 1000, size / wall, own / size * 1e6))
    await audited(store.ledger, rounds * size)
    return median_high(paces)


async def _caller(ledger: RedisLedger, asks: Iterator[tuple[Reserve, Settle]]) -> None:
    for reserve, settle in asks:
        await ledger.reserve(reserve)
        await ledger.settle(settle)


def report_scripts(found: Sequence[tuple[Scenario, Scripts]]) -> None:
    print("\n### Script time on the server, µs: mean · p50 · p99\n")
    print(
        "| grants | limits | operations a script | reserve | settle | store CPU, µs a call "
        "| calls/s a store core | bytes kept of a call |\n|---|---|---|---|---|---|---|---|"
    )
    for scenario, each in found:
        cells = [
            f"{times.mean:.1f} · {times.p50:.0f} · {times.p99:.0f}"
            for times in (each.reserve, each.settle)
        ]
        print(
            f"| {scenario.name} | {each.together} | {' | '.join(cells)} | {each.store_us:.1f} "
            f"| {1e6 / each.store_us:,.0f} | {each.kept_bytes:,.0f} |"
        )


def report_paces(title: str, found: Sequence[tuple[Scenario, int, Pace]]) -> None:
    print(f"\n### {title}\n")
    print(
        "| grants | limits | at once | calls/s | store CPU, µs a call | calls/s a store core "
        "| gateway CPU, µs a call |\n|---|---|---|---|---|---|---|"
    )
    for scenario, at_once, pace in found:
        own = f"{pace.gateway_us:.1f}" if pace.gateway_us else "-"
        print(
            f"| {scenario.name} | {at_once} | {pace.calls_per_s:,.0f} | {pace.store_us:.1f} "
            f"| {1e6 / pace.store_us:,.0f} | {own} |"
        )


def measure(kind: str, scenarios: Sequence[Scenario], ways: Sequence[str], rounds: int) -> None:
    loop = uvloop.new_event_loop()
    run = loop.run_until_complete
    with serving(kind) as server, store_at(loop, server) as store:
        print(f"\n## {kind}", flush=True)
        if "scripts" in ways:
            report_scripts(
                [
                    (each, run(script_times(store, each, rounds, together)))
                    for each in scenarios
                    for together in TOGETHER
                ]
            )
        for way, (title, pace) in PACES.items():
            if way in ways:
                found = [
                    (each, at_once, run(pace(store, each, rounds, at_once)))
                    for each in scenarios
                    for at_once in AT_ONCE
                ]
                report_paces(title, found)
    loop.close()


PACES = {
    "store": ("Store alone", store_pace),
    "gateway": ("One gateway process", gateway_pace),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", default="redis,valkey")
    parser.add_argument("--grants", default="1,10,60", help="live grants of an account")
    parser.add_argument("--limits", default="0,4,8", help="limits that each call is charged to")
    parser.add_argument("--ways", default="scripts,store,gateway", help="how it is asked")
    parser.add_argument("--rounds", type=int, default=5, help=f"of {CHUNK} calls each")
    parser.add_argument("--quick", action="store_true", help="the corners only")
    asked = parser.parse_args()
    pin_harness()
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    grants = [int(number) for number in asked.grants.split(",")]
    limits = [int(number) for number in asked.limits.split(",")]
    scenarios = [Scenario(some, few) for some in grants for few in limits]
    if asked.quick:
        scenarios = [scenarios[0], scenarios[len(limits) - 1], scenarios[-1]]
    print(description().partition(", gateway")[0] + f"; the store has core {GATEWAY_CORE}")
    for kind in asked.kinds.split(","):
        measure(kind, scenarios, asked.ways.split(","), asked.rounds)


if __name__ == "__main__":
    main()
