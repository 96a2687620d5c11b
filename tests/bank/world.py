"""The processes of the bank test and the lines between them: three gateways, a store with a
replica, and a provider that runs in this process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bank.provider import Provider
from bank.relay import Line
from support.gateways import (
    PEPPER,
    SECRETS,
    GatewayProcess,
    account_with_key,
    free_port,
    write_config,
)
from support.redis_server import Server

from gateway.app.stores import StoreAddress, Stores, open_stores
from gateway.cli.session import Session
from gateway.settings import load

GATEWAYS = 3
LEASE_S, CHECKPOINT_S = 5.0, 0.5
ADMISSION_MS = 1000
REPLICA_LAG_S = 0.05
ROLLING, STRICT, AWAY = "test", "strict", "away"
LIMITS = (
    "limits: [{unit: calls, ceiling: 100}, {unit: requests, per: minute, ceiling: 100000}, "
    "{unit: tokens, per: day, ceiling: 100000000}, {unit: credits, per: day, ceiling: 1000}]"
)
# A budget that only the store knows would have it refuse every call of an outage.
LIMITS_AWAY = (
    "limits: [{unit: calls, ceiling: 100}, {unit: requests, per: minute, ceiling: 100000}, "
    "{unit: credits, per: day, ceiling: 1000}]"
)
# Calls go on while the store is away, within what was held for that before: some five calls.
ADVANCE = 'store_away: advance, advance_credits: "0.02", advance_s: 5'
ADVANCE_UCR = 20_000
# All plans of the test: none may go below zero.
PLANS = (
    f"{{enforcement: rolling, slice_tokens: 16, {LIMITS}}}, "
    f"{STRICT}: {{enforcement: strict, {LIMITS}}}, "
    f"{AWAY}: {{slice_tokens: 16, {ADVANCE}, {LIMITS_AWAY}}}"
)
# Every command is on disk before it is answered: nothing may be lost with the process.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@dataclass(frozen=True)
class Build:
    """What is tested: the package as it is, or a copy of it that somebody spoilt."""

    package_root: Path | None = None
    store_options: tuple[str, ...] = DURABLE


class Store:
    """A server and its replica, which may change their parts."""

    def __init__(self, options: tuple[str, ...]) -> None:
        self.ports = {}
        servers = []
        for _ in range(2):
            port = free_port()
            server = Server(
                "redis", *options, "--port", str(port), "--repl-diskless-sync-delay", "0"
            )
            self.ports[server] = port
            servers.append(server)
        self.primary, self.replica = servers
        self.replication = Line(free_port(), self.ports[self.primary])
        self.replication.delay_s = REPLICA_LAG_S

    async def start(self) -> None:
        await asyncio.to_thread(self.primary.start)
        await asyncio.to_thread(self.replica.start)
        await self.replication.start()
        self.follow()

    def follow(self) -> None:
        """The replica follows the primary, through the slow line between them."""
        self.replication.redirect(self.ports[self.primary])
        self.replica.ask("REPLICAOF", "127.0.0.1", str(self.replication.here))

    async def caught_up(self) -> None:
        """Wait until the replica has all that the primary has; nobody may be writing."""
        async with asyncio.timeout(20):
            while True:
                told = await asyncio.to_thread(self.primary.ask, "INFO", "replication")
                known = await asyncio.to_thread(self.replica.ask, "INFO", "replication")
                offset = _field(told, b"master_repl_offset")
                if b"master_link_status:up" in known and offset == _field(
                    known, b"slave_repl_offset"
                ):
                    return
                await asyncio.sleep(0.02)

    def change_parts(self) -> None:
        """The primary dies, the replica takes its place; what is on its way is lost."""
        self.primary.kill()
        self.replica.ask("REPLICAOF", "NO", "ONE")
        self.primary, self.replica = self.replica, self.primary

    async def restart_replica(self) -> None:
        """What was the primary comes back, and follows: what it had and nobody else is dropped."""
        await asyncio.to_thread(self.replica.start)
        self.follow()
        async with asyncio.timeout(20):
            while not await self.follows():
                await asyncio.sleep(0.05)

    async def follows(self) -> bool:
        """Whether the replica has what the primary had some moments ago."""
        told = await asyncio.to_thread(self.replica.ask, "INFO", "replication")
        return b"master_link_status:up" in told

    async def stop(self) -> None:
        await self.replication.stop()
        for server in self.ports:
            await asyncio.to_thread(server.stop)


def _field(info: bytes, name: bytes) -> bytes:
    [line] = [line for line in info.splitlines() if line.startswith(name + b":")]
    return line.partition(b":")[2]


@dataclass
class World:
    store: Store
    provider: Provider
    gateways: list[GatewayProcess]
    store_lines: list[Line]
    """From each gateway to the store; the last is this process's own, which nobody cuts."""
    provider_lines: list[Line]
    clock: Path
    """What the last gateway takes for the difference between the true time and its own."""
    stores: Stores
    session: Session

    async def account(self, account_id: str, plan: str) -> str:
        """A new account without credit; its key."""
        return await account_with_key(self.session, granted_ucr=0, account=account_id, plan=plan)


@asynccontextmanager
async def running_world(folder: Path, build: Build) -> AsyncIterator[World]:
    provider = Provider()
    store = Store(build.store_options)
    clock = folder / "clock"
    clock.write_text("+0\n")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.stop)
        await store.start()
        provider_port = await provider.start()
        stack.push_async_callback(provider.stop)
        store_lines = [
            Line(folder / f"store-{number}.sock", store.primary.socket_path)
            for number in range(GATEWAYS + 1)
        ]
        provider_lines = [Line(free_port(), provider_port) for _ in range(GATEWAYS)]
        for line in (*store_lines, *provider_lines):
            await line.start()
            stack.push_async_callback(line.stop)
        gateways = [
            _gateway(folder / f"gateway-{number}", store_line, provider_line, build)
            for number, (store_line, provider_line) in enumerate(
                zip(store_lines, provider_lines, strict=False)
            )
        ]
        gateways[-1].environ |= shifted(clock)
        for gateway in gateways:
            stack.push_async_callback(_end, gateway)
        await asyncio.gather(*(gateway.start() for gateway in gateways))
        settings = load(gateways[0].config, SECRETS)
        address = StoreAddress(f"unix://{store_lines[-1].here}", PEPPER.encode())
        stores = await stack.enter_async_context(open_stores(settings, address))
        session = Session(settings, stores, address.pepper)
        yield World(store, provider, gateways, store_lines, provider_lines, clock, stores, session)


def _gateway(folder: Path, store: Line, provider: Line, build: Build) -> GatewayProcess:
    port, admin_port = free_port(), free_port()
    config = write_config(
        folder,
        store_url=f"unix://{store.here}",
        provider_url=f"http://127.0.0.1:{provider.here}",
        port=port,
        admin_port=admin_port,
        plan=PLANS,
        lease_s=LEASE_S,
        checkpoint_s=CHECKPOINT_S,
        drain_s=2,
        first_byte_s=3,
        idle_s=2,
        admission_ms=ADMISSION_MS,
    )
    return GatewayProcess(
        config, port, admin_port, folder / "process.log", package_root=build.package_root
    )


def shifted(clock: Path) -> Mapping[str, str]:
    """The variables under which a process takes its wall clock from that file."""
    found = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
    assert found, "the bank test needs libfaketime (Debian: faketime)"
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        # No system turns this one back or forward.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


async def _end(gateway: GatewayProcess) -> None:
    if gateway.process is not None and gateway.process.returncode is None:
        gateway.kill()
        await gateway.process.wait()
        sweep_after(gateway)


def sweep_after(gateway: GatewayProcess) -> None:
    """Remove what libfaketime leaves of a process that was killed."""
    if gateway.process is not None:
        for left in Path("/dev/shm").glob(f"*faketime_*_{gateway.process.pid}"):  # noqa: S108
            left.unlink(missing_ok=True)
