"""Questions to a history in SQL, for whatever database: a statement's text and its values. Pure.

Sums come from the tables of hours and days, but for minutes, which are counted from the records.
Whatever is put into a statement's text stands in a table here; values go in as parameters, each
written `?` and counted in their order. What the statements are made of, SQLite, PostgreSQL and
ClickHouse understand alike.
"""

from collections.abc import Sequence

from gateway.metering.history import DAY_MS, HOUR_MS, Dimension, Question, Wanted
from gateway.stores.history import schema

Statement = tuple[str, Sequence[int | str]]

COLUMN = {Dimension.MODEL: "model", Dimension.KEY: "key", Dimension.DIALECT: "dialect"}
ID_MAX = 2**62
_ENTRIES = "SELECT id, number, entry_id, kind, account, operation, amount, debt, observed, slices,"
_ENTRIES += " event, balance, hash FROM entries"
_RECORDS = f"SELECT {', '.join(schema.RECORD_COLUMNS)} FROM records"


def span(asked: Question) -> str:
    """Whose sums add up to the buckets asked for; of minutes there are none."""
    if asked.width_ms < HOUR_MS:
        return ""
    return "hours" if asked.width_ms % DAY_MS else "days"


def usage(asked: Question, table: str) -> Statement:
    return _grouped(asked, ", ".join(f"sum({name})" for name in schema.SUMMED), table)


def pieces(asked: Question, table: str) -> Statement:
    """From sums: a name and how many. From records: a text of them and how many there are of it."""
    if span(asked):
        return _grouped(asked, "sum(quantity)", table, also=("name",), where=" AND kind = 'pieces'")
    return _grouped(asked, "count(*)", table, also=("pieces",), where=" AND pieces <> ''")


def costs(asked: Question, table: str) -> Statement:
    return _grouped(asked, "sum(quantity), sum(amount)", table, also=("kind", "name"))


def _grouped(
    asked: Question, sums: str, table: str, *, also: Sequence[str] = (), where: str = ""
) -> Statement:
    values: list[int | str] = [asked.account_id, asked.start_ms, asked.end_ms]
    where += _only(values, models=asked.models, keys=asked.keys)
    bucket = f"at_ms - at_ms % {asked.width_ms:d}"
    columns = ", ".join([bucket, *(COLUMN[each] for each in asked.by), *also])
    groups = ", ".join(str(1 + index) for index in range(1 + len(asked.by) + len(also)))
    text = (
        f"SELECT {columns}, {sums} FROM {table} WHERE account = ? AND at_ms >= ? AND at_ms < ?"
        f"{where} GROUP BY {groups} ORDER BY {groups}"
    )
    return text, values


def records(
    account_id: str,
    *,
    start_ms: int,
    end_ms: int,
    before: int | None,
    limit: int,
    models: Sequence[str],
    keys: Sequence[str],
) -> Statement:
    text = f"{_RECORDS} WHERE account = ? AND at_ms >= ? AND at_ms < ? AND id < ?"
    values: list[int | str] = [account_id, start_ms, end_ms, ID_MAX if before is None else before]
    text += _only(values, models=models, keys=keys)
    return f"{text} ORDER BY at_ms DESC, id DESC LIMIT ?", [*values, limit]


def _only(values: list[int | str], *, models: Sequence[str], keys: Sequence[str]) -> str:
    """The condition, if there is one; what is asked for is added to `values`."""
    text = ""
    for column, wanted in (("model", models), ("key", keys)):
        if wanted:
            text += f" AND {column} IN ({marks(len(wanted))})"
            values += wanted
    return text


def ends(hours: str, days: str, *, start_ms: int) -> Statement:
    """From the hour `start_ms` on: hours up to the next day, whole days from there."""
    names = ", ".join(schema.END_KEY[1:])
    columns = ", ".join((*schema.END_KEY[1:], *schema.END_SUMMED))
    sums = ", ".join(f"sum({name})" for name in schema.END_SUMMED)
    midnight_ms = -(-start_ms // DAY_MS) * DAY_MS
    text = (
        f"SELECT {names}, {sums} FROM"
        f" (SELECT {columns} FROM {hours} WHERE at_ms >= ? AND at_ms < ?"
        f" UNION ALL SELECT {columns} FROM {days} WHERE at_ms >= ?) AS spans"
        f" GROUP BY {names} ORDER BY {names}"
    )
    return text, (start_ms, midnight_ms, midnight_ms)


def newest(wanted: Wanted) -> Statement:
    columns = ", ".join(schema.RECORD_COLUMNS)
    before = ID_MAX if wanted.before is None else wanted.before
    values: list[int | str] = [before, wanted.looked_at, wanted.start_ms]
    where = ""
    for column, of in (
        ("account", wanted.accounts),
        ("provider", wanted.providers),
        ("model", wanted.models),
        ("provenance", wanted.provenances),
    ):
        if of:
            where += f" AND {column} IN ({marks(len(of))})"
            values += of
    text = (
        f"SELECT {columns} FROM (SELECT {columns} FROM records WHERE id < ?"
        f" ORDER BY id DESC LIMIT ?) AS newest WHERE at_ms >= ?{where} ORDER BY id DESC LIMIT ?"
    )
    return text, [*values, wanted.limit]


def looked_to(wanted: Wanted) -> Statement:
    """The last that was looked through, if any of the time asked for can stand behind it."""
    before = ID_MAX if wanted.before is None else wanted.before
    text = (
        "SELECT id FROM (SELECT id, at_ms FROM records WHERE id < ? ORDER BY id DESC"
        " LIMIT 1 OFFSET ?) AS newest WHERE at_ms >= ?"
    )
    return text, (before, wanted.looked_at - 1, wanted.start_ms)


def record_time(account_id: str, record_id: int) -> Statement:
    return "SELECT at_ms FROM records WHERE account = ? AND id = ?", (account_id, record_id)


def request(account_id: str, request_id: str) -> Statement:
    return f"{_ENTRIES} WHERE account = ? AND operation = ? ORDER BY id", (account_id, request_id)


def recorded(account_id: str, request_id: str, *, number: int = ID_MAX) -> Statement:
    """What the records say of a call, oldest first, up to that number of its shard: where a
    database has no transactions, what a failed batch left may stand behind it."""
    told = ", ".join((*schema.CLASSES, "pieces", "charge", "kind"))
    ids = "SELECT id FROM entries WHERE account = ? AND operation = ? AND number <= ?"
    text = f"SELECT {told} FROM records WHERE account = ? AND id IN ({ids}) ORDER BY id"
    return text, (account_id, account_id, request_id, number)


def movements(
    account_id: str, *, kinds: Sequence[str], before: int | None, limit: int
) -> Statement:
    where = f" AND kind IN ({marks(len(kinds))})" if kinds else ""
    return (
        f"{_ENTRIES} WHERE account = ? AND id < ?{where} ORDER BY id DESC LIMIT ?",
        (account_id, ID_MAX if before is None else before, *kinds, limit),
    )


def journal(account_id: str, *, after: int, limit: int) -> Statement:
    return (
        f"{_ENTRIES} WHERE account = ? AND id > ? ORDER BY id LIMIT ?",
        (account_id, after, limit),
    )


def chain(shard: int, *, after: int, limit: int) -> Statement:
    return (
        f"{_ENTRIES} WHERE shard = ? AND number > ? ORDER BY number LIMIT ?",
        (shard, after, limit),
    )


def prices(rate_ids: Sequence[str]) -> Statement:
    return f"SELECT id, line FROM prices WHERE id IN ({marks(len(rate_ids))})", rate_ids


def ended_twice(account_id: str) -> Statement:
    ends = "SELECT operation FROM entries WHERE account = ?"
    ends += " AND kind IN ('settled', 'expired', 'late')"
    return f"{ends} GROUP BY operation HAVING count(*) > 1", (account_id,)


ACCOUNT_IDS: Statement = "SELECT DISTINCT account FROM balances ORDER BY account", ()


def balances(account_ids: Sequence[str]) -> Statement:
    return (
        f"SELECT account, balance FROM balances WHERE account IN ({marks(len(account_ids))})",
        account_ids,
    )


LAST_ID: Statement = "SELECT coalesce(max(id), 0) FROM entries", ()
POSITIONS: Statement = "SELECT shard, entry_id, entries, hash FROM positions", ()


def marks(count: int) -> str:
    """For a list of so many values; of an empty one nothing is a member."""
    return ", ".join("?" * count) or "NULL"
