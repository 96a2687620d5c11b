"""Questions to the SQLite history. Blocking: the reader threads run these.

Sums come from the tables of hours and days, but for minutes, which are counted from the records.
Whatever is put into a statement's text stands in a table here; values go in as parameters.
"""

import sqlite3
from collections.abc import Mapping, Sequence

import orjson

from gateway.metering.history import (
    DAY_MS,
    HOUR_MS,
    CostSum,
    Dimension,
    Movement,
    Question,
    Record,
    UsageSum,
)
from gateway.metering.journal import Entry, Position, slices_of
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import schema
from gateway.stores.history.rows import Row, pieces_of
from gateway.stores.history.writing import position_of
from gateway.stores.stored_price import price_of

COLUMN = {Dimension.MODEL: "model", Dimension.KEY: "key", Dimension.DIALECT: "dialect"}
_CLASSES = len(schema.CLASSES)
_ENTRY = "SELECT id, number, entry_id, kind, account, operation, amount, debt, observed, slices,"
_ENTRY += " event, balance, hash FROM entries"
_RECORD = f"SELECT {', '.join(schema.RECORD_COLUMNS)} FROM records"
_CLASSES_AT = schema.RECORD_COLUMNS.index(schema.CLASSES[0])


def usage(connection: sqlite3.Connection, asked: Question) -> Sequence[UsageSum]:
    table = "records" if asked.width_ms < HOUR_MS else f"usage_{_span(asked)}"
    sums = ", ".join(f"sum({name})" for name in schema.SUMMED)
    found = connection.execute(*_grouped(asked, sums, table))
    pieces = _pieces(connection, asked)
    width = len(asked.by)
    return [
        UsageSum(
            bucket_ms=row[0],
            group=row[1 : 1 + width],
            requests=row[1 + width],
            tokens=row[2 + width : 2 + width + _CLASSES],
            charge_ucr=row[-1],
            pieces=tuple(sorted(pieces.get(row[: 1 + width], ()))),
        )
        for row in found
    ]


def _pieces(connection: sqlite3.Connection, asked: Question) -> dict[Row, list[tuple[str, int]]]:
    if asked.width_ms >= HOUR_MS:
        name, sums, table = "name", "sum(quantity)", f"cost_{_span(asked)}"
        where = " AND kind = 'pieces'"
    else:
        name = "json_extract(each.value, '$[0]')"
        sums = "sum(json_extract(each.value, '$[1]'))"
        table, where = "records, json_each(records.pieces) AS each", " AND pieces != ''"
    found: dict[Row, list[tuple[str, int]]] = {}
    for row in connection.execute(*_grouped(asked, sums, table, also=(name,), where=where)):
        found.setdefault(row[:-2], []).append(row[-2:])
    return found


def costs(connection: sqlite3.Connection, asked: Question) -> Sequence[CostSum]:
    found = connection.execute(
        *_grouped(
            asked, "sum(quantity), sum(amount)", f"cost_{_span(asked)}", also=("kind", "name")
        )
    )
    width = len(asked.by)
    return [
        CostSum(
            bucket_ms=row[0],
            group=row[1 : 1 + width],
            kind=row[-4],
            name=row[-3],
            quantity=row[-2],
            amount_ucr=row[-1],
        )
        for row in found
    ]


def _span(asked: Question) -> str:
    """Whose sums add up to the buckets asked for."""
    return "hours" if asked.width_ms % DAY_MS else "days"


def _grouped(
    asked: Question, sums: str, table: str, *, also: Sequence[str] = (), where: str = ""
) -> tuple[str, list[object]]:
    values: list[object] = [asked.width_ms, asked.account_id, asked.start_ms, asked.end_ms]
    for column, wanted in (("model", asked.models), ("key", asked.keys)):
        if wanted:
            where += f" AND {column} IN ({', '.join('?' * len(wanted))})"
            values += wanted
    columns = ", ".join(["at_ms - at_ms % ?1", *(COLUMN[each] for each in asked.by), *also])
    groups = ", ".join(str(1 + index) for index in range(1 + len(asked.by) + len(also)))
    text = (
        f"SELECT {columns}, {sums} FROM {table} WHERE account = ? AND at_ms >= ? AND at_ms < ?"
        f"{where} GROUP BY {groups} ORDER BY {groups}"
    )
    return text, values


def records(
    connection: sqlite3.Connection,
    account_id: str,
    *,
    start_ms: int,
    end_ms: int,
    before: int | None,
    limit: int,
) -> Sequence[Record]:
    """An account's records ascend by time and by id alike: all come from one outbox."""
    if before is not None:
        known = connection.execute("SELECT at_ms FROM records WHERE id = ?", (before,)).fetchone()
        end_ms = min(end_ms, known[0] + 1) if known else end_ms
    found = connection.execute(
        f"{_RECORD} WHERE account = ? AND at_ms >= ? AND at_ms < ? AND id < ?"
        " ORDER BY at_ms DESC, id DESC LIMIT ?",
        (account_id, start_ms, end_ms, 2**62 if before is None else before, limit),
    )
    return [_record(row) for row in found]


def _record(row: Row) -> Record:
    named = dict(zip(schema.RECORD_COLUMNS, row, strict=True))
    return Record(
        record_id=named["id"],
        account_id=named["account"],
        time_ms=named["at_ms"],
        key_id=named["key"],
        request_id=named["request"],
        kind=named["kind"],
        provider=named["provider"],
        dialect=named["dialect"],
        model_requested=named["model_requested"],
        model=named["model"],
        rate_version=named["rate_version"],
        rate_id=named["rate_id"],
        started_ms=named["started_ms"],
        stream=bool(named["stream"]),
        provenance=named["provenance"],
        end=named["end"],
        http_status=named["http_status"],
        requests=named["requests"],
        tokens=row[_CLASSES_AT : _CLASSES_AT + _CLASSES],
        pieces=pieces_of(named["pieces"]),
        service_tier=named["service_tier"],
        held_ucr=named["held"],
        charge_ucr=named["charge"],
        debt_ucr=named["debt"],
        observed_ucr=named["observed"],
        ttfb_ms=named["ttfb_ms"],
        duration_ms=named["duration_ms"],
    )


def request(connection: sqlite3.Connection, account_id: str, request_id: str) -> Sequence[Movement]:
    found = connection.execute(
        f"{_ENTRY} WHERE account = ? AND operation = ? ORDER BY id",
        (account_id, request_id),
    )
    return [_movement(row, number=row[0]) for row in found]


def movements(
    connection: sqlite3.Connection,
    account_id: str,
    *,
    kinds: Sequence[str],
    before: int | None,
    limit: int,
) -> Sequence[Movement]:
    values: list[object] = [account_id, 2**62 if before is None else before]
    where = ""
    if kinds:
        where = f" AND kind IN ({', '.join('?' * len(kinds))})"
        values += kinds
    found = connection.execute(
        f"{_ENTRY} WHERE account = ? AND id < ?{where} ORDER BY id DESC LIMIT ?", (*values, limit)
    )
    return [_movement(row, number=row[0]) for row in found]


def chain(
    connection: sqlite3.Connection, shard: int, *, after: int, limit: int
) -> Sequence[Movement]:
    found = connection.execute(
        f"{_ENTRY} WHERE shard = ? AND number > ? ORDER BY number LIMIT ?", (shard, after, limit)
    )
    return [_movement(row, number=row[1]) for row in found]


def _movement(row: Row, *, number: int) -> Movement:
    _, _, entry_id, kind, account, operation, amount, debt, observed, slices, event, *rest = row
    entry = Entry(
        entry_id=entry_id,
        kind=kind,
        account_id=account,
        operation_id=operation,
        amount_ucr=amount,
        debt_ucr=debt,
        observed_ucr=observed,
        slices=slices_of(slices),
        event=orjson.loads(event or "{}"),
        event_text=event,
    )
    balance, hash_ = rest
    return Movement(number=number, entry=entry, balance_ucr=balance, hash=hash_)


def price(connection: sqlite3.Connection, rate_id: str) -> ModelPrice | None:
    found = connection.execute("SELECT line FROM prices WHERE id = ?", (rate_id,)).fetchone()
    return price_of(found[0]) if found else None


def ended_twice(connection: sqlite3.Connection, account_id: str) -> Sequence[str]:
    found = connection.execute(
        "SELECT operation FROM entries WHERE account = ? AND kind IN ('settled', 'expired', 'late')"
        " GROUP BY operation HAVING count(*) > 1",
        (account_id,),
    )
    return [row[0] for row in found]


def account_ids(connection: sqlite3.Connection) -> Sequence[str]:
    return [row[0] for row in connection.execute("SELECT account FROM balances ORDER BY account")]


def positions(connection: sqlite3.Connection) -> Mapping[int, Position]:
    found = connection.execute("SELECT * FROM positions ORDER BY shard")
    return {row[0]: position_of(row) for row in found}


def journal(
    connection: sqlite3.Connection, account_id: str, *, after: int, limit: int
) -> Sequence[Movement]:
    found = connection.execute(
        f"{_ENTRY} WHERE account = ? AND id > ? ORDER BY id LIMIT ?", (account_id, after, limit)
    )
    return [_movement(row, number=row[0]) for row in found]
