"""kill -9 between sending and acknowledging, for every sink: a successor sends again, and the sum
there is the sum that was settled, to the microcredit, as that sink's receivers count.

The process that dies does nothing but deliver; `test_export_process_death.py` kills a gateway.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from support.commands import ROOT
from support.contract_servers.base import HANG_AFTER, ContractServer
from support.contract_servers.clickhouse import ClickHouseServer
from support.contract_servers.lago import LagoServer
from support.contract_servers.openmeter import OpenMeterServer
from support.contract_servers.stripe import StripeServer
from support.contract_servers.webhook import WebhookServer
from support.dying_exporter import BY_HTTP, MADE
from support.exports import LEASE_MS, exporting, known_accounts, settled
from support.kafka import mock_kafka
from support.postgres_server import PostgresServer, postgres_server, programs
from support.sinks import SECRET

from gateway.sinks import MAKERS
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger

SERVERS: Mapping[str, tuple[Callable[[], Any], str]] = {
    "stripe": (lambda: StripeServer(("tokens", "charges")), "charge"),
    "lago": (LagoServer, "llm_charge"),
    "openmeter": (OpenMeterServer, "charge_microcredits"),
    "clickhouse": (ClickHouseServer, "charge_microcredits"),
    "webhook": (lambda: WebhookServer(SECRET), "charge_microcredits"),
}
COUNT = 30
PROGRAMS = programs()
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)


@dataclass
class Receivers:
    """Where each sink sends, and how much of the charges has come there."""

    places: dict[str, str] = field(default_factory=dict)
    totals: dict[str, Callable[[], Awaitable[int]]] = field(default_factory=dict)
    servers: list[ContractServer] = field(default_factory=list)
    """At first they do as they are asked, and answer nothing."""

    def add(self, name: str, place: str, total: Callable[[], Awaitable[int]]) -> None:
        self.places[name], self.totals[name] = place, total

    def serve(self, name: str, server: Any, total_of: str) -> None:
        async def total() -> int:
            return int(server.total(total_of))

        server.always = HANG_AFTER
        self.servers.append(server)
        self.add(name, server.url, total)


@pytest.fixture
async def keys(store_url: str) -> AsyncIterator[RedisKeyStore]:
    store = RedisKeyStore(store_url)
    await known_accounts(store, external={"stripe": "cus_", "lago": "sub_"})
    yield store
    await store.close()


@pytest.fixture
async def receivers(tmp_path: Path) -> AsyncIterator[Receivers]:
    """All but the database."""
    found, files, counters = Receivers(), tmp_path / "files", tmp_path / "counters"
    found.add("json_lines", str(files), lambda: in_files(files))
    found.add("totals", str(counters), lambda: in_counters(counters))
    async with AsyncExitStack() as running:
        brokers = running.enter_context(mock_kafka())
        found.add("kafka", brokers.brokers, lambda: brokers.total("t"))
        for name, (make, total_of) in SERVERS.items():
            server = make()
            await running.enter_async_context(server.running())
            found.serve(name, server, total_of)
        yield found


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    assert PROGRAMS is not None
    with postgres_server(PROGRAMS) as server:
        yield server


async def in_files(folder: Path) -> int:
    """A line that came again is told by its id."""
    lines = [line for path in folder.iterdir() for line in path.read_bytes().splitlines()]
    events = [orjson.loads(line) for line in lines]
    assert len(events) > COUNT
    return sum({each["id"]: each["data"]["charge_microcredits"] for each in events}.values())


async def in_counters(folder: Path) -> int:
    pages = "".join(path.read_text() for path in folder.glob("*.prom"))
    return sum(map(int, re.findall(r"charge_microcredits_total{.*} ([0-9]+)", pages)))


async def in_rows(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT sum(charge_microcredits) FROM usage"))
    finally:
        await connection.close()


async def killed_while_sending(store_url: str, receivers: Receivers) -> None:
    """A process delivers, and is killed once each sink has been sent something."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.dying_exporter", store_url),
        orjson.dumps(receivers.places).decode(),
        env=os.environ | {"PYTHONPATH": path},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        sent = set()
        async with asyncio.timeout(40):
            while not set(receivers.places) <= sent | set(BY_HTTP):
                line = await process.stdout.readline()
                assert line, "it died by itself"
                sent.add(line.decode().split()[1])
            while not all(server.requests for server in receivers.servers):
                await asyncio.sleep(0.02)
    finally:
        process.kill()
        await process.communicate()


@dataclass
class Stage:
    store_url: str
    client: RedisClient
    ledger: RedisLedger
    keys: RedisKeyStore

    async def succeeded(self, receivers: Receivers) -> None:
        """Another process has the lanes now, and all of it is delivered."""
        for server in receivers.servers:
            server.always = None
        async with AsyncExitStack() as running:
            heirs = [
                await running.enter_async_context(
                    exporting(
                        *(self.client, self.ledger, self.keys),
                        MADE[name](place, self.ledger, "worker"),
                    )
                )
                for name, place in receivers.places.items()
            ]
            for heir in heirs:
                await heir.caught_up(timeout_s=60 + LEASE_MS / 1000)
                assert [] == heir.watcher.reasons
                # Nothing was acknowledged before. Stripe gets sums, stored before they are sent.
                taken = [heir.watcher.outcomes.get(each, 0) for each in ("delivered", "duplicate")]
                assert heir.sink == "stripe" or COUNT == sum(taken), heir.sink
                # These tell what they had from the one that died.
                assert taken[1] or heir.sink not in ("postgres", "totals"), heir.sink


@pytest.fixture
def stage(
    store_url: str, store_client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore
) -> Stage:
    return Stage(store_url, store_client, ledger, keys)


async def summed_up(stage: Stage, receivers: Receivers) -> None:
    total = await settled(stage.ledger, COUNT)
    await killed_while_sending(stage.store_url, receivers)
    await stage.succeeded(receivers)

    told = {name: await total_of() for name, total_of in receivers.totals.items()}
    assert dict.fromkeys(receivers.places, total) == told


@pytest.mark.timeout(180)
async def test_each_sink_has_every_record_once(stage: Stage, receivers: Receivers) -> None:
    await summed_up(stage, receivers)


@pytest.mark.timeout(180)
@pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL is installed here")
async def test_a_database_has_every_record_once(stage: Stage, database: PostgresServer) -> None:
    receivers = Receivers()
    receivers.add("postgres", database.url, lambda: in_rows(database.url))
    await summed_up(stage, receivers)


def test_every_sink_is_among_them(store_url: str) -> None:
    assert len(MAKERS) == len(MADE)
    assert set(MADE) == {*SERVERS, "json_lines", "totals", "kafka", "postgres"}
