"""Writing to the SQLite history: one transaction for each batch, positions and chains included.

A crash leaves all of a batch or nothing of it, and the position says which; so nothing comes in
twice and nothing is missed. Blocking: the one writer thread runs this.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from uuid import uuid4

from gateway.errors import Conflict
from gateway.metering.events import usage_in
from gateway.metering.history import DAY_MS, HOUR_MS
from gateway.metering.journal import SHARDS, Drained, Entry, Position, chained, slices_text
from gateway.metering.pricing import ModelPrice
from gateway.metering.usage import added
from gateway.stores.history import schema
from gateway.stores.history.rows import Counted, Row, Sums, pieces_of, record_row, summed_over
from gateway.stores.stored_price import price_of, price_text

SPANS = {"hours": HOUR_MS, "days": DAY_MS}
# Beyond it a table of accounts' balances would not stay small.
BALANCES_MAX = 100_000
# Rows forgotten in one transaction: the journal does not wait for long.
PRUNED_AT_ONCE = 2_000

_BEFORE = (
    f"SELECT {', '.join(schema.CLASSES)}, pieces, charge, kind FROM records "
    "WHERE id IN (SELECT id FROM entries WHERE account = ? AND operation = ?)"
)
_BEFORE_KIND = len(schema.CLASSES) + 2
_PIECES_AT = schema.RECORD_COLUMNS.index("pieces")
_CLASSES_AT = schema.RECORD_COLUMNS.index(schema.CLASSES[0])
_CHARGE_AT = schema.RECORD_COLUMNS.index("charge")
_KIND_AT = schema.RECORD_COLUMNS.index("kind")


def prepare(connection: sqlite3.Connection) -> str:
    """Make the tables of a new history; answer the history's id."""
    with transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in schema.TABLES.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO about VALUES ('id', ?)", (uuid4().hex,))
            connection.executemany(
                "INSERT INTO positions VALUES (?, ?, ?, ?)",
                [(shard, *_position_row(Position())) for shard in range(SHARDS)],
            )
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    return str(connection.execute("SELECT value FROM about WHERE name = 'id'").fetchone()[0])


class transaction:  # noqa: N801  reads as a statement
    """All or nothing, and nobody else writes meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


class Writer:
    """What a writing connection remembers: what it need not ask the file again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._prices: dict[str, ModelPrice | None] = {}
        self._balances: dict[str, int] = {}

    def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        """Raises Conflict, and writes nothing, unless each part begins where its shard stands."""
        try:
            with transaction(self._connection):
                self._put_prices(prices)
                number = self._last_number()
                for drained in batch:
                    number = self._shard(drained, number)
        except BaseException:
            self._balances.clear()
            raise
        if len(self._balances) > BALANCES_MAX:
            self._balances.clear()

    def _put_prices(self, prices: Mapping[str, ModelPrice]) -> None:
        for rate_id, price in prices.items():
            self._connection.execute(
                "INSERT OR IGNORE INTO prices VALUES (?, ?)", (rate_id, price_text(price))
            )
            self._prices[rate_id] = price

    def _last_number(self) -> int:
        (last,) = self._connection.execute("SELECT max(id) FROM entries").fetchone()
        return last or 0

    def _shard(self, drained: Drained, number: int) -> int:
        execute = self._connection.execute
        position = position_of(
            execute("SELECT * FROM positions WHERE shard = ?", (drained.shard,)).fetchone()
        )
        if position.entry_id != drained.after:
            raise Conflict("Another process drained this outbox meanwhile.")
        batch = _Batch(self._connection)
        entries, last = position.entries, position.hash
        for entry in drained.entries:
            number, entries, last = number + 1, entries + 1, chained(last, entry)
            balance = self._balance(entry)
            batch.rows.append(
                (
                    *(number, drained.shard, entries, entry.entry_id, entry.time_ms, entry.kind),
                    *(entry.account_id, entry.operation_id, entry.amount_ucr, entry.debt_ucr),
                    *(entry.observed_ucr, slices_text(entry.slices), entry.event_text),
                    *(balance, last),
                )
            )
            if entry.charges and entry.event:
                batch.charge(number, entry, self._price(entry))
        if drained.entries:
            batch.write()
            self._write_balances(drained)
            moved = Position(entry_id=drained.entries[-1].entry_id, entries=entries, hash=last)
            execute(
                "UPDATE positions SET entry_id = ?, entries = ?, hash = ? WHERE shard = ?",
                (*_position_row(moved), drained.shard),
            )
        return number

    def _balance(self, entry: Entry) -> int:
        account = entry.account_id
        if account not in self._balances:
            found = self._connection.execute(
                "SELECT balance FROM balances WHERE account = ?", (account,)
            ).fetchone()
            self._balances[account] = found[0] if found else 0
        self._balances[account] += entry.effect_ucr
        return self._balances[account]

    def _write_balances(self, drained: Drained) -> None:
        accounts = {entry.account_id for entry in drained.entries}
        self._connection.executemany(
            "INSERT OR REPLACE INTO balances VALUES (?, ?)",
            [(account, self._balances[account]) for account in accounts],
        )

    def _price(self, entry: Entry) -> ModelPrice | None:
        rate_id = entry.event.get("rate_id")
        if not isinstance(rate_id, str) or not rate_id:
            return None
        if rate_id not in self._prices:
            found = self._connection.execute(
                "SELECT line FROM prices WHERE id = ?", (rate_id,)
            ).fetchone()
            self._prices[rate_id] = price_of(found[0]) if found else None
        return self._prices[rate_id]

    def prune(self, before_ms: int) -> int:
        """Forget some of the records older than that; answer how many."""
        with transaction(self._connection):
            gone = self._connection.execute(
                "DELETE FROM records WHERE id IN "
                "(SELECT id FROM records WHERE at_ms < ? ORDER BY id LIMIT ?)",
                (before_ms, PRUNED_AT_ONCE),
            )
        return gone.rowcount


class _Batch:
    """What the entries of one shard become, before it is written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.rows: list[Row] = []
        self._records: list[Row] = []
        self._sums = Sums()

    def charge(self, number: int, entry: Entry, price: ModelPrice | None) -> None:
        usage = usage_in(entry.event)
        before = self._before(entry) if entry.kind == "late" else None
        self._records.append(record_row(number, entry, usage, before=before))
        self._sums.add(entry, usage, price=price, before=before)

    def _before(self, entry: Entry) -> Counted | None:
        """What was recorded of this call already, here or in the file."""
        told = list(self._recorded(entry))
        if not told:
            return None
        pieces = pieces_of(told[0][-3])
        for row in told[1:]:
            pieces = added(pieces, pieces_of(row[-3]))
        return Counted(
            tokens=tuple(map(sum, zip(*(row[: len(schema.CLASSES)] for row in told), strict=True))),
            pieces=pieces,
            # Ended twice: the store was set back between, and knows of the later end only.
            lost_ucr=sum(row[-2] for row in told if row[_BEFORE_KIND] != "expired"),
        )

    def _recorded(self, entry: Entry) -> Iterator[Row]:
        account, request = entry.account_id, entry.operation_id
        yield from self._connection.execute(_BEFORE, (account, request))
        for row in self._records:
            if (row[1], row[4]) == (account, request):
                tokens = row[_CLASSES_AT : _CLASSES_AT + len(schema.CLASSES)]
                yield *tokens, row[_PIECES_AT], row[_CHARGE_AT], row[_KIND_AT]

    def write(self) -> None:
        many = self._connection.executemany
        many(schema.INSERT_ENTRY, self.rows)
        many(schema.INSERT_RECORD, self._records)
        for span, length_ms in SPANS.items():
            many(schema.ADD_USAGE[span], summed_over(length_ms, self._sums.usage))
            many(schema.ADD_COST[span], summed_over(length_ms, self._sums.costs))


def position_of(row: Row) -> Position:
    _, entry_id, entries, last = row
    return Position(entry_id=entry_id, entries=entries, hash=last)


def _position_row(position: Position) -> Row:
    return position.entry_id, position.entries, position.hash
