"""The history in PostgreSQL, for gateways on several machines: any of them drains into it, all
read it. Needs the extra `postgres`.

One transaction holds each batch, and whoever appends locks the table of positions first: of two
that both think it is their turn, the second finds that the shard stands elsewhere and writes
nothing. Readers wait for nobody.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from gateway.errors import HistoryUnavailable
from gateway.metering.journal import Drained
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import answers, questions, schema
from gateway.stores.history.batches import Known, Needs, Writing, needs_of, written
from gateway.stores.history.questions import Statement
from gateway.stores.history.rows import Row
from gateway.stores.stored_price import price_text

try:
    import asyncpg
except ImportError:
    asyncpg = None

SCHEMES = ("postgresql", "postgres")
CONNECTIONS_MAX = 4
CONNECT_S = 5.0
# One question over a year of a large account takes less than a second; beyond this it hangs.
QUESTION_S = 30.0
RETRY_AFTER_S = 5.0
PRUNED_AT_ONCE = 2_000
# Held while the tables of a new history are made: gateways start at the same time.
MAKING = 0x746F6C6C


def installed() -> bool:
    """Whether the library of the extra is there."""
    return asyncpg is not None


class PostgresEngine:
    """`url`: postgresql://…; the tables stand in the first schema of its search path."""

    def __init__(self, url: str) -> None:
        self.spans = schema.SUMS_OF_SPANS
        self._url = url
        self._pool: Any = None

    async def open(self) -> str:
        async with _told():
            if self._pool is None:
                # Of no connection yet: the database may be away for now.
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=CONNECTIONS_MAX,
                    timeout=CONNECT_S,
                    command_timeout=QUESTION_S,
                )
            async with self._pool.acquire(timeout=CONNECT_S) as connection:
                return await _prepare(connection)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def rows(self, statement: Statement) -> Sequence[Row]:
        async with self._connection() as connection:
            return await _rows(connection, statement)

    async def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        async with self._connection() as connection, connection.transaction():
            await connection.execute("LOCK TABLE positions IN EXCLUSIVE MODE")
            known = await _known(connection, needs_of(batch), prices)
            await _write(connection, written(batch, known), prices)

    async def prune(self, before_ms: int) -> None:
        gone = "DELETE 1"
        while not gone.endswith(" 0"):
            async with self._connection() as connection:
                gone = await connection.execute(numbered(schema.PRUNE), before_ms, PRUNED_AT_ONCE)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        assert self._pool is not None, "open() comes first"
        async with _told(), self._pool.acquire(timeout=CONNECT_S) as connection:
            yield connection


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(QUESTION_S + 2 * CONNECT_S):
            yield
    except TimeoutError as error:
        raise HistoryUnavailable(
            "The history is not available: PostgreSQL does not answer.",
            retry_after_s=RETRY_AFTER_S,
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        # The kind and the server's state; texts may quote values, and the URL holds a password.
        said = " ".join([type(error).__name__, getattr(error, "sqlstate", None) or ""]).strip()
        raise HistoryUnavailable(
            f"The history is not available: {said} of PostgreSQL.", retry_after_s=RETRY_AFTER_S
        ) from error


def numbered(text: str) -> str:
    """A statement with its parameters as PostgreSQL writes them: $1, $2, …"""
    numbers = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", text)


async def _rows(connection: Any, statement: Statement) -> Sequence[Row]:  # noqa: ANN401  untyped library
    text, values = statement
    return [tuple(row) for row in await connection.fetch(numbered(text), *values)]


async def _prepare(connection: Any) -> str:  # noqa: ANN401  untyped library
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MAKING)
        if await connection.fetchval("SELECT to_regclass('about')") is None:
            for statement in schema.tables(schema.POSTGRES):
                await connection.execute(statement)
            told = [("id", uuid4().hex), ("version", str(schema.VERSION))]
            await connection.executemany("INSERT INTO about VALUES ($1, $2)", told)
        about: dict[str, str] = dict(await _rows(connection, ("SELECT name, value FROM about", ())))
    if about["version"] != str(schema.VERSION):
        raise HistoryUnavailable(
            f"The history has version {about['version']}, this program writes "
            f"{schema.VERSION}: name another database, or run the program that wrote it."
        )
    return about["id"]


async def _known(
    connection: Any,  # noqa: ANN401  untyped library
    needs: Needs,
    prices: Mapping[str, ModelPrice],
) -> Known:
    async def rows(statement: Statement) -> Sequence[Row]:
        return await _rows(connection, statement)

    return Known(
        positions=answers.positions(await rows(questions.POSITIONS)),
        last_id=(await rows(questions.LAST_ID))[0][0],
        balances=dict(await rows(questions.balances(needs.accounts))),
        prices={**answers.prices(await rows(questions.prices(needs.rate_ids))), **prices},
        recorded={
            call: [answers.recorded(row) for row in await rows(questions.recorded(*call))]
            for call in needs.told_before
        },
    )


async def _write(connection: Any, writing: Writing, prices: Mapping[str, ModelPrice]) -> None:  # noqa: ANN401  untyped library
    async def many(text: str, rows: Sequence[Row]) -> None:
        if rows:
            await connection.executemany(numbered(text), list(map(storable, rows)))

    async def copy(table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if rows:
            await connection.copy_records_to_table(
                table, columns=columns, records=list(map(storable, rows)), timeout=QUESTION_S
            )

    lines = [(rate_id, price_text(price)) for rate_id, price in sorted(prices.items())]
    await many(schema.INSERT_PRICE, lines)
    await copy("entries", schema.ENTRY_COLUMNS, writing.entries)
    await copy("records", schema.RECORD_COLUMNS, writing.records)
    for table, rows in writing.sums().items():
        await many(schema.ADD_SUMS[table], rows)
    await many(schema.PUT_BALANCE, list(writing.balances.items()))
    await many(schema.PUT_POSITION, writing.position_rows())


def storable(row: Row) -> Row:
    """PostgreSQL's text has no NUL, and what a caller named a model may have one: the journal must
    not stop for it. (An event's text has none in any case: JSON writes it otherwise.)"""
    return tuple(
        value.replace("\0", "�") if isinstance(value, str) and "\0" in value else value
        for value in row
    )
