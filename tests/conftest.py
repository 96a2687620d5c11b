"""Fixtures every test may ask for: a real store of each kind, empty, and a ledger on it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.node_sdk import NodeSdk, install
from support.redis_forms import Servers, Store
from support.redis_server import KINDS

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.ledger import RedisLedger
from gateway.tasks import TaskSet

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def store_servers() -> Iterator[Servers]:
    """What was asked for, once each for the whole session."""
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest) -> Path:
    """.pytest_cache/d/dashboard, to be looked at."""
    return Path(request.config.cache.mkdir("dashboard"))  # type: ignore[union-attr]


# What these ask of a store is asked of both servers; the others stand on what these have shown.
BOTH_SERVERS = {"contract", "property"}

# Several processes, a browser or an outage on a machine that runs other tests beside them: such a
# test may try twice, and the report names those that did. What only computes has no such excuse.
SECOND_TRY = {"abuse", "contract", "deployment", "faults", "flow"}


# What waits for processes and outages begins first, or the last minutes are one worker's alone.
LONGEST = ("bank", "test_style.py", "deployment", "faults", "flow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SECOND_TRY.intersection(item.path.parts):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    found = [turn for turn, folder in enumerate(LONGEST) if folder in item.path.parts]
    return found[0] if found else len(LONGEST)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module may name the forms of store its tests are to hold on; a test that does not hold on
    all of them, although its module does, is marked with `single_server`."""
    chosen = any(
        "store_server" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")
    )
    if "store_server" in metafunc.fixturenames and not chosen:
        servers = KINDS if BOTH_SERVERS.intersection(metafunc.definition.path.parts) else KINDS[:1]
        forms = getattr(metafunc.module, "STORE_FORMS", servers)
        if metafunc.definition.get_closest_marker("single_server"):
            forms = KINDS
        metafunc.parametrize("store_server", forms, indirect=True)


@pytest.fixture
def store_server(request: pytest.FixtureRequest, store_servers: Servers) -> Store:
    """Empty. Stop, kill or signal servers of your own instead: this one is everybody's."""
    return store_servers.emptied(request.param)


@pytest.fixture
def store_url(store_server: Store) -> str:
    return store_server.url


@pytest.fixture
async def store_client(store_url: str) -> AsyncIterator[RedisClient]:
    # Time enough for a machine busy with other tests; those of time-outs make their own client.
    tasks = TaskSet()
    client = RedisClient(store_url, tasks=tasks, timeout_s=5.0)
    await client.open()
    yield client
    await client.close()
    await tasks.cancel()


@pytest.fixture
async def ledger(store_client: RedisClient) -> RedisLedger:
    ledger = RedisLedger(store_client)
    await ledger.open()
    return ledger


@pytest.fixture(scope="session")
def node_sdk(request: pytest.FixtureRequest) -> NodeSdk:
    """Installed by the first test that asks for it, and kept for later runs."""
    return install(request.config.cache.mkdir("node_sdk"))
