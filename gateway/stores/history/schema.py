"""The tables of a history in SQLite or PostgreSQL, and nothing else.

| table | holds | kept |
|---|---|---|
| `entries` | the journal: each movement as the ledger wrote it, chained by hash | for ever |
| `records` | a usage event each, in columns; `id` is its entry's | `history.keep_days` |
| `usage_hours`, `usage_days` | requests, tokens, charges by account, key, model, … | for ever |
| `cost_hours`, `cost_days` | the same charges by the lines of their receipts | for ever |
| `end_hours`, `end_days` | of all accounts: charges and their costs by how calls ended | for ever |
| `prices` | the lines of rate cards that priced anything, by their digest | for ever |
| `balances` | what each account is worth after its last entry | |
| `positions` | how far each shard's outbox was drained, and the last hash of its chain | |
| `about` | the history's own id, and the version of these tables | |

Times are ms of the ledger's clock, amounts µcr. What a provider bills is a whole number of µcr in
`cost` and the rest in `rest`, in 1/10⁸ µcr: so sums are exact, and fit. It is known of `costed`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.metering.usage import TokenClass

VERSION = 3

SPANS = ("hours", "days")
SUMS_OF_SPANS: Mapping[str, str] = {span: span for span in SPANS}

CLASSES = tuple(token_class.value for token_class in TokenClass)

RECORD_COLUMNS = (
    *("id", "account", "at_ms", "key", "request", "kind", "provider", "dialect"),
    *("model_requested", "model", "rate_version", "rate_id", "started_ms", "stream"),
    *("provenance", "ended", "http_status", "requests"),
    *CLASSES,
    *("pieces", "service_tier", "held", "charge", "debt", "observed", "ttfb_ms", "duration_ms"),
    *("costed", "cost", "rest"),
)
ENTRY_COLUMNS = (
    *("id", "shard", "number", "entry_id", "at_ms", "kind", "account", "operation"),
    *("amount", "debt", "observed", "slices", "event", "balance", "hash"),
)
POSITION_COLUMNS = ("shard", "entry_id", "entries", "hash")
# Places in a usage row's and a record's columns that are summed up.
SUMMED = ("requests", *CLASSES, "charge")

RECORD_INTEGERS = frozenset(
    {*SUMMED, "id", "at_ms", "started_ms", "stream", "http_status", "held", "debt", "observed"}
    | {"ttfb_ms", "duration_ms", "costed", "cost", "rest"}
)
ENTRY_INTEGERS = frozenset(
    {"id", "shard", "number", "at_ms", "amount", "debt", "observed", "balance"}
)
POSITION_INTEGERS = frozenset({"shard", "entries"})

USAGE_KEY = ("account", "at_ms", "key", "model", "dialect")
COST_KEY = (*USAGE_KEY, "kind", "name")
COST_SUMMED = ("quantity", "amount")
END_KEY = ("at_ms", "provider", "model", "provenance", "ended", "kind")
END_SUMMED = (
    *("entries", "requests", "charge", "beyond"),
    *("costed", "costed_charge", "cost", "rest"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a database calls things. `text`: compared byte by byte."""

    integer: str
    text: str
    bytes: str
    keyed: str
    """Behind a table whose rows lie in the order of its key, where that must be said."""


SQLITE = Words(integer="INTEGER", text="TEXT", bytes="BLOB", keyed=" WITHOUT ROWID")
POSTGRES = Words(integer="bigint", text='text COLLATE "C"', bytes="bytea", keyed="")


def tables(words: Words) -> Sequence[str]:
    """The statements that make them."""
    integer, text, keyed = words.integer, words.text, words.keyed

    def columns(names: Sequence[str], integers: Collection[str]) -> str:
        kinds = {True: integer, False: text}
        return ", ".join(
            f"{name} {words.bytes if name == 'hash' else kinds[name in integers]}"
            f"{' PRIMARY KEY' if name == 'id' else ' NOT NULL'}"
            for name in names
        )

    def key(*names: str) -> str:
        return f"PRIMARY KEY ({', '.join(names)})"

    def sums(table: str, names: Sequence[str], summed: Sequence[str]) -> str:
        held = columns((*names, *summed), {"at_ms", *summed})
        return f"CREATE TABLE {table} ({held}, {key(*names)}){keyed}"

    return (
        f"CREATE TABLE about (name {text} PRIMARY KEY, value {text} NOT NULL){keyed}",
        f"CREATE TABLE positions ({columns(POSITION_COLUMNS, POSITION_INTEGERS)}, {key('shard')})",
        f"CREATE TABLE entries ({columns(ENTRY_COLUMNS, ENTRY_INTEGERS)})",
        "CREATE UNIQUE INDEX entries_by_shard ON entries (shard, number)",
        "CREATE INDEX entries_by_account ON entries (account, id)",
        "CREATE INDEX entries_by_operation ON entries (account, operation)",
        f"CREATE TABLE records ({columns(RECORD_COLUMNS, RECORD_INTEGERS)})",
        "CREATE INDEX records_by_account ON records (account, at_ms, id)",
        *(sums(f"usage_{span}", USAGE_KEY, SUMMED) for span in SPANS),
        *(sums(f"cost_{span}", COST_KEY, COST_SUMMED) for span in SPANS),
        *(sums(f"end_{span}", END_KEY, END_SUMMED) for span in SPANS),
        f"CREATE TABLE prices (id {text} PRIMARY KEY, line {text} NOT NULL){keyed}",
        f"CREATE TABLE balances (account {text} PRIMARY KEY, balance {integer} NOT NULL){keyed}",
    )


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


INSERT_ENTRY = _insert("entries", ENTRY_COLUMNS)
INSERT_RECORD = _insert("records", RECORD_COLUMNS)


# Among the first there are: ids ascend with time, or nearly so, and nothing else is looked at.
PRUNE = "DELETE FROM records WHERE at_ms < ? AND id IN (SELECT id FROM records ORDER BY id LIMIT ?)"
INSERT_PRICE = f"{_insert('prices', ('id', 'line'))} ON CONFLICT (id) DO NOTHING"
PUT_BALANCE = (
    f"{_insert('balances', ('account', 'balance'))}"
    " ON CONFLICT (account) DO UPDATE SET balance = excluded.balance"
)
PUT_POSITION = (
    f"{_insert('positions', POSITION_COLUMNS)} ON CONFLICT (shard) DO"
    " UPDATE SET entry_id = excluded.entry_id, entries = excluded.entries, hash = excluded.hash"
)


def _add(table: str, key: tuple[str, ...], summed: tuple[str, ...]) -> str:
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in summed)
    return f"{_insert(table, (*key, *summed))} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"


ADD_SUMS = {
    **{f"usage_{span}": _add(f"usage_{span}", USAGE_KEY, SUMMED) for span in SPANS},
    **{f"cost_{span}": _add(f"cost_{span}", COST_KEY, COST_SUMMED) for span in SPANS},
    **{f"end_{span}": _add(f"end_{span}", END_KEY, END_SUMMED) for span in SPANS},
}
"""By table."""
