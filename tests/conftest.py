"""Fixtures every test may ask for: a real store of each kind, empty, and a ledger on it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.node_sdk import NodeSdk, install
from support.redis_server import KINDS, Server

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.ledger import RedisLedger
from gateway.tasks import TaskSet

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def store_servers() -> Iterator[dict[str, Server]]:
    """One running process of each kind for the whole session."""
    servers = {kind: Server(kind).start() for kind in KINDS}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(params=KINDS)
def store_server(request: pytest.FixtureRequest, store_servers: dict[str, Server]) -> Server:
    """Empty. Stop, kill or signal servers of your own instead: this one is everybody's."""
    server = store_servers[request.param]
    assert server.ask("FLUSHALL") == b"+OK\r\n"
    return server


@pytest.fixture
def store_url(store_server: Server) -> str:
    return store_server.url


@pytest.fixture
async def store_client(store_url: str) -> AsyncIterator[RedisClient]:
    # Time enough for a machine busy with other tests; those of time-outs make their own client.
    client = RedisClient(store_url, tasks=TaskSet(), timeout_s=5.0)
    await client.open()
    yield client
    await client.close()


@pytest.fixture
async def ledger(store_client: RedisClient) -> RedisLedger:
    ledger = RedisLedger(store_client)
    await ledger.open()
    return ledger


@pytest.fixture(scope="session")
def node_sdk(request: pytest.FixtureRequest) -> NodeSdk:
    """Installed by the first test that asks for it, and kept for later runs."""
    return install(request.config.cache.mkdir("node_sdk"))
