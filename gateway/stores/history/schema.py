"""The tables of the SQLite history, and nothing else.

| table | holds | kept |
|---|---|---|
| `entries` | the journal: each movement as the ledger wrote it, chained by hash | for ever |
| `records` | a usage event each, in columns; `id` is its entry's | `history.keep_days` |
| `usage_hours`, `usage_days` | requests, tokens, charges by account, key, model, … | for ever |
| `cost_hours`, `cost_days` | the same charges by the lines of their receipts | for ever |
| `prices` | the lines of rate cards that priced anything, by their digest | for ever |
| `balances` | what each account is worth after its last entry | |
| `positions` | how far each shard's outbox was drained, and the last hash of its chain | |
| `about` | the history's own id, and the version of these tables | |

Times are ms of the ledger's clock, amounts µcr.
"""

from gateway.metering.usage import TokenClass

VERSION = 1

CLASSES = tuple(token_class.value for token_class in TokenClass)

RECORD_COLUMNS = (
    *("id", "account", "at_ms", "key", "request", "kind", "provider", "dialect"),
    *("model_requested", "model", "rate_version", "rate_id", "started_ms", "stream"),
    *("provenance", "end", "http_status", "requests"),
    *CLASSES,
    *("pieces", "service_tier", "held", "charge", "debt", "observed", "ttfb_ms", "duration_ms"),
)
ENTRY_COLUMNS = (
    *("id", "shard", "number", "entry_id", "at_ms", "kind", "account", "operation"),
    *("amount", "debt", "observed", "slices", "event", "balance", "hash"),
)
# Places in a usage row's and a record's columns that are summed up.
SUMMED = ("requests", *CLASSES, "charge")

_INTEGERS = ", ".join(f"{name} INTEGER NOT NULL" for name in SUMMED)
_RECORD_INTEGERS = frozenset(
    {*SUMMED, "id", "at_ms", "started_ms", "stream", "http_status", "held", "debt", "observed"}
    | {"ttfb_ms", "duration_ms"}
)
_RECORDS = ", ".join(
    f"{name} {'INTEGER' if name in _RECORD_INTEGERS else 'TEXT'} NOT NULL"
    for name in RECORD_COLUMNS[1:]
)

_USAGE_KEY = ("account", "at_ms", "key", "model", "dialect")
_COST_KEY = (*_USAGE_KEY, "kind", "name")


def _sums(span: str) -> str:
    names = "account TEXT NOT NULL, at_ms INTEGER NOT NULL, key TEXT NOT NULL, "
    names += "model TEXT NOT NULL, dialect TEXT NOT NULL"
    return f"""
CREATE TABLE usage_{span} ({names}, {_INTEGERS},
    PRIMARY KEY ({", ".join(_USAGE_KEY)})) WITHOUT ROWID;
CREATE TABLE cost_{span} ({names}, kind TEXT NOT NULL, name TEXT NOT NULL,
    quantity INTEGER NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY ({", ".join(_COST_KEY)})) WITHOUT ROWID;"""


_SUMS = _sums("hours") + _sums("days")

TABLES = f"""
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (shard INTEGER PRIMARY KEY, entry_id TEXT NOT NULL,
    entries INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE entries (id INTEGER PRIMARY KEY, shard INTEGER NOT NULL, number INTEGER NOT NULL,
    entry_id TEXT NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL,
    operation TEXT NOT NULL, amount INTEGER NOT NULL, debt INTEGER NOT NULL,
    observed INTEGER NOT NULL, slices TEXT NOT NULL, event TEXT NOT NULL,
    balance INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE UNIQUE INDEX entries_by_shard ON entries (shard, number);
CREATE INDEX entries_by_account ON entries (account, id);
CREATE INDEX entries_by_operation ON entries (account, operation);
CREATE TABLE records (id INTEGER PRIMARY KEY, {_RECORDS});
CREATE INDEX records_by_account ON records (account, at_ms, id);
{_SUMS}
CREATE TABLE prices (id TEXT PRIMARY KEY, line TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE balances (account TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID;
"""


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


INSERT_ENTRY = _insert("entries", ENTRY_COLUMNS)
INSERT_RECORD = _insert("records", RECORD_COLUMNS)


def _add(table: str, key: tuple[str, ...], summed: tuple[str, ...]) -> str:
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in summed)
    return f"{_insert(table, (*key, *summed))} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"


ADD_USAGE = {span: _add(f"usage_{span}", _USAGE_KEY, SUMMED) for span in ("hours", "days")}
ADD_COST = {
    span: _add(f"cost_{span}", _COST_KEY, ("quantity", "amount")) for span in ("hours", "days")
}
