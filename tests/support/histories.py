"""Calls of one account, priced, and the way into its history."""

import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
from support import asks
from support.contract_servers.clickhouse_engine import PASSWORD, Engine

from gateway.metering.history import DAY_MS
from gateway.metering.ledger import Grant
from gateway.metering.pricing import ModelPrice, Rates, Tier, charge_ucr
from gateway.metering.usage import TokenClass, Usage
from gateway.stores.base import History
from gateway.stores.history.clickhouse import ClickHouseEngine
from gateway.stores.history.history import SqlHistory
from gateway.stores.history.postgres import PostgresEngine
from gateway.stores.history.sqlite import FILE, SqliteEngine
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.outbox import RedisOutbox
from gateway.workers.journal import Journal

PRICE = ModelPrice(
    model="small-1",
    tiers=(Tier(0, Rates.of({TokenClass.INPUT_UNCACHED: 2_500_000, TokenClass.OUTPUT_TEXT: 900})),),
    pieces={"web_search": 10**10},
    rate_id="rate-1",
)
KEEP_MS = 400 * DAY_MS


class SqliteTables:
    """A history in SQLite, and whoever changes its tables behind its back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def history(self) -> SqlHistory:
        return SqlHistory(SqliteEngine(self._folder))

    async def change(self, statement: str) -> int:
        with sqlite3.connect(self._folder / FILE) as connection:
            return connection.execute(statement).rowcount


class PostgresTables:
    """The same in PostgreSQL, in a schema of its own."""

    def __init__(self, server_url: str, schema: str) -> None:
        self._server_url = server_url
        self._schema = schema
        self.url = f"{server_url}&search_path={schema}"

    async def create(self) -> None:
        connection = await asyncpg.connect(self._server_url)
        await connection.execute(f"CREATE SCHEMA {self._schema}")
        await connection.close()

    def history(self) -> SqlHistory:
        return SqlHistory(PostgresEngine(self.url))

    async def change(self, statement: str) -> int:
        connection = await asyncpg.connect(self.url)
        try:
            done = await connection.execute(statement)
        finally:
            await connection.close()
        return int(done.split()[-1]) if done[-1].isdigit() else -1


class ClickHouseTables:
    """The same in ClickHouse, in a database of its own."""

    def __init__(self, engine: Engine, database: str) -> None:
        self._engine = engine
        self._database = database

    def history(self) -> SqlHistory:
        return SqlHistory(ClickHouseEngine(self._engine.history_url(self._database)))

    async def create(self) -> None:
        await self._ask("default", f"CREATE DATABASE {self._database}")

    async def change(self, statement: str) -> int:
        """What others call an update is a mutation there."""
        found = re.fullmatch(r"UPDATE (\w+) SET (.*)", statement)
        if found:
            statement = f"ALTER TABLE {found[1]} UPDATE {found[2]} SETTINGS mutations_sync = 2"
        await self._ask(self._database, statement)
        return 1

    async def _ask(self, database: str, statement: str) -> None:
        key = {"X-ClickHouse-Key": PASSWORD}
        async with (
            aiohttp.ClientSession(headers=key) as session,
            session.post(
                self._engine.url, params={"database": database}, data=statement.encode()
            ) as answer,
        ):
            assert 200 == answer.status, await answer.text()


Tables = SqliteTables | PostgresTables | ClickHouseTables


class Observer:
    def __init__(self) -> None:
        self.count = 0
        self.failures: list[str] = []
        self.lags_ms: list[int] = []

    def drained(self, count: int, *, lag_ms: int) -> None:
        self.count += count
        self.lags_ms.append(lag_ms)

    def drain_failed(self, error: Exception, *, lag_ms: int) -> None:
        self.failures.append(str(error))
        self.lags_ms.append(lag_ms)

    def drained_elsewhere(self) -> None:
        self.failures.append("elsewhere")


def journal_of(ledger: RedisLedger, history: History, **options: object) -> Journal:
    given = {"holder": "one", "observer": Observer(), "keep_ms": KEEP_MS} | options
    outbox = RedisOutbox(ledger._client, ledger)
    return Journal(outbox, history, now_ms=ledger.now_ms, **given)  # type: ignore[arg-type]


async def drain(ledger: RedisLedger, history: History) -> None:
    journal = journal_of(ledger, history)
    while await journal.drain():
        pass


async def fund(ledger: RedisLedger, amount_ucr: int, account_id: str = asks.ACCOUNT) -> None:
    await ledger.grant(Grant(grant_id="g1", account_id=account_id, amount_ucr=amount_ucr))


async def call(
    ledger: RedisLedger, hold_id: str, usage: Usage, account_id: str = asks.ACCOUNT, **event: object
) -> int:
    """A priced call; answers its charge."""
    charge = charge_ucr(PRICE, usage)
    await ledger.reserve(asks.reserve(ledger, hold_id, charge, account_id=account_id))
    settle = asks.settle(hold_id, charge, account_id=account_id)
    told = {"usage": usage, "rate_id": PRICE.rate_id} | event
    await ledger.settle(replace(settle, event=replace(settle.event, **told)))
    return charge
