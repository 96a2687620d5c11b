"""Histories of each kind that there is a server for, empty for each test."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.contract_servers.clickhouse_engine import Engine, clickhouse_engine
from support.histories import ClickHouseTables, PostgresTables, SqliteTables, Tables
from support.postgres_server import PostgresServer, postgres_server, programs

from gateway.stores.history import clickhouse as clickhouse_history
from gateway.stores.history.history import SqlHistory

_SCHEMAS = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Everybody's: make a schema of your own."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL is installed here")
    with postgres_server(found) as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Everybody's: make a database of your own."""
    with clickhouse_engine(tmp_path_factory.mktemp("clickhouse")) as engine:
        yield engine


@pytest.fixture(params=["sqlite", "postgres", "clickhouse"])
async def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Tables:
    if request.param == "sqlite":
        return SqliteTables(tmp_path)
    name = f"history_{next(_SCHEMAS)}"
    server = request.getfixturevalue(request.param)
    if request.param == "postgres":
        tables: Tables = PostgresTables(server.url, name)
    else:
        tables = ClickHouseTables(server, name)
    await tables.create()
    return tables


@pytest.fixture
async def history(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqlHistory]:
    # What a server is spared in operation, a test need not wait for.
    monkeypatch.setattr(clickhouse_history, "BATCH_INTERVAL_S", 0)
    history = tables.history()
    await history.open()
    yield history
    await history.close()
