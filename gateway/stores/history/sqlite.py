"""The history in one SQLite file: a writer thread, a few readers, nobody on the event loop waits.

One transaction holds each batch, positions and chains included: a crash leaves all of it or
nothing, and the position says which. Write-ahead logging lets readers go on while the writer
commits. Commits are not synced one by one: what a power cut takes stands in the outbox still, and
the position falls back with the rows.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from gateway.errors import HistoryUnavailable
from gateway.metering.journal import Drained
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import answers, questions, schema
from gateway.stores.history.batches import Known, Needs, Writing, needs_of, written
from gateway.stores.history.questions import Statement
from gateway.stores.history.rows import Row
from gateway.stores.stored_price import price_text

FILE = "history.db"
READERS = 2
BUSY_S = 5.0
RETRY_AFTER_S = 5.0
# Rows forgotten in one transaction: the journal does not wait for long.
PRUNED_AT_ONCE = 2_000

Result = TypeVar("Result")


class SqliteEngine:
    def __init__(self, data_dir: Path) -> None:
        self.spans = schema.SUMS_OF_SPANS
        self._path = data_dir / FILE
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="history-writer")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="history-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None

    async def open(self) -> str:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return await self._run(self._writing, self._prepare)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        for pool in (self._writing, self._reading):
            await loop.run_in_executor(None, partial(pool.shutdown, wait=True))
        for connection in self._opened:
            connection.close()

    def _prepare(self) -> str:
        self._writer = self._connect()
        return prepare(self._writer)

    def _connect(self) -> sqlite3.Connection:
        # Closed by another thread, when all are done.
        connection = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._opened.append(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16384")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, schema.VERSION):
            raise HistoryUnavailable(
                f"The history has version {version}, this program writes {schema.VERSION}: move "
                f"{FILE} away to begin a new one, or run the program that wrote it."
            )
        return connection

    async def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        assert self._writer is not None, "open() comes first"
        await self._run(self._writing, partial(append, self._writer, batch, prices))

    async def prune(self, before_ms: int) -> None:
        assert self._writer is not None, "open() comes first"
        gone = 1
        while gone:
            # In small transactions: between two of them the journal has its turn.
            gone = await self._run(self._writing, partial(_prune, self._writer, before_ms))

    async def rows(self, statement: Statement) -> Sequence[Row]:
        text, values = statement
        return await self._run(
            self._reading, lambda: self._reader().execute(text, (*values,)).fetchall()
        )

    def _reader(self) -> sqlite3.Connection:
        """This thread's own connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
        return connection

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except sqlite3.Error as error:
            # The text names tables and paths at most; what was asked is not in it.
            raise HistoryUnavailable(
                f"The history is not available: {error}.", retry_after_s=RETRY_AFTER_S
            ) from error


class transaction:  # noqa: N801  reads as a statement
    """All or nothing, and nobody else writes meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def prepare(connection: sqlite3.Connection) -> str:
    """Make the tables of a new history; answer the history's id."""
    with transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in schema.tables(schema.SQLITE):
                connection.execute(statement)
            connection.execute("INSERT INTO about VALUES ('id', ?)", (uuid4().hex,))
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    return str(connection.execute("SELECT value FROM about WHERE name = 'id'").fetchone()[0])


def append(
    connection: sqlite3.Connection, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]
) -> None:
    with transaction(connection):
        known = _known(connection, needs_of(batch), prices)
        _write(connection, written(batch, known), prices)


def _known(connection: sqlite3.Connection, needs: Needs, prices: Mapping[str, ModelPrice]) -> Known:
    def rows(statement: Statement) -> Sequence[Row]:
        text, values = statement
        return connection.execute(text, (*values,)).fetchall()

    return Known(
        positions=answers.positions(rows(questions.POSITIONS)),
        last_id=rows(questions.LAST_ID)[0][0],
        balances=dict(rows(questions.balances(needs.accounts))),
        prices={**answers.prices(rows(questions.prices(needs.rate_ids))), **prices},
        recorded={
            call: [answers.recorded(row) for row in rows(questions.recorded(*call))]
            for call in needs.told_before
        },
    )


def _write(
    connection: sqlite3.Connection, writing: Writing, prices: Mapping[str, ModelPrice]
) -> None:
    many = connection.executemany
    many(schema.INSERT_PRICE, [(name, price_text(price)) for name, price in prices.items()])
    many(schema.INSERT_ENTRY, writing.entries)
    many(schema.INSERT_RECORD, writing.records)
    for table, rows in writing.sums().items():
        many(schema.ADD_SUMS[table], rows)
    many(schema.PUT_BALANCE, writing.balances.items())
    many(schema.PUT_POSITION, writing.position_rows())


def _prune(connection: sqlite3.Connection, before_ms: int) -> int:
    """Forget some of the records older than that; answer how many."""
    with transaction(connection):
        return connection.execute(schema.PRUNE, (before_ms, PRUNED_AT_ONCE)).rowcount
