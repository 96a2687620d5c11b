"""The history in one SQLite file: a writer thread, a few readers, nobody on the event loop waits.

Write-ahead logging lets readers go on while the writer commits. Commits are not synced one by
one: what a power cut takes stands in the outbox still, and the position falls back with the rows.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from gateway.errors import HistoryUnavailable
from gateway.metering.history import CostSum, Movement, Question, Record, UsageSum
from gateway.metering.journal import Drained, Position
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import reading, schema
from gateway.stores.history.writing import Writer, prepare

FILE = "history.db"
READERS = 2
BUSY_S = 5.0
RETRY_AFTER_S = 5.0

P = ParamSpec("P")
Result = TypeVar("Result")


class SqliteHistory:
    """Answers `stores.base.History`. Opened in the process that uses it, not before a fork."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="history-writer")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="history-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._writer: Writer | None = None
        self._history_id = ""

    @property
    def history_id(self) -> str:
        return self._history_id

    async def open(self) -> None:
        """Raises HistoryUnavailable when the file is not to be had."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._history_id = await self._run(self._writing, self._prepare)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        for pool in (self._writing, self._reading):
            await loop.run_in_executor(None, partial(pool.shutdown, wait=True))
        for connection in self._opened:
            connection.close()

    def _prepare(self) -> str:
        connection = self._connect()
        history_id = prepare(connection)
        self._writer = Writer(connection)
        return history_id

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

    async def positions(self) -> Mapping[int, Position]:
        return await self._read(reading.positions)

    async def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        assert self._writer is not None, "open() comes first"
        await self._run(self._writing, partial(self._writer.append, batch, prices))

    async def prune(self, *, before_ms: int) -> None:
        assert self._writer is not None, "open() comes first"
        gone = 1
        while gone:
            # In small transactions: between two of them the journal has its turn.
            gone = await self._run(self._writing, partial(self._writer.prune, before_ms))

    async def usage(self, asked: Question) -> Sequence[UsageSum]:
        return await self._read(reading.usage, asked)

    async def costs(self, asked: Question) -> Sequence[CostSum]:
        return await self._read(reading.costs, asked)

    async def records(
        self, account_id: str, *, start_ms: int, end_ms: int, before: int | None, limit: int
    ) -> Sequence[Record]:
        return await self._read(
            reading.records,
            account_id,
            start_ms=start_ms,
            end_ms=end_ms,
            before=before,
            limit=limit,
        )

    async def request(self, account_id: str, request_id: str) -> Sequence[Movement]:
        return await self._read(reading.request, account_id, request_id)

    async def movements(
        self, account_id: str, *, kinds: Sequence[str], before: int | None, limit: int
    ) -> Sequence[Movement]:
        return await self._read(
            reading.movements, account_id, kinds=kinds, before=before, limit=limit
        )

    async def price(self, rate_id: str) -> ModelPrice | None:
        return await self._read(reading.price, rate_id)

    async def chain(self, shard: int, *, after: int, limit: int) -> Sequence[Movement]:
        return await self._read(reading.chain, shard, after=after, limit=limit)

    async def journal(self, account_id: str, *, after: int, limit: int) -> Sequence[Movement]:
        return await self._read(reading.journal, account_id, after=after, limit=limit)

    async def ended_twice(self, account_id: str) -> Sequence[str]:
        return await self._read(reading.ended_twice, account_id)

    async def account_ids(self) -> Sequence[str]:
        return await self._read(reading.account_ids)

    async def _read(
        self,
        ask: Callable[Concatenate[sqlite3.Connection, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        return await self._run(self._reading, lambda: ask(self._reader(), *args, **kwargs))

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
