"""The history in ClickHouse over HTTP, for gateways on several machines and very many calls.

ClickHouse has no transactions; so every row is found by what it stands for (its shard and its
number there), all tables keep one row of a key, and where a shard stands is written last. A batch
that came half is written again, the same rows over the same. In place of sums by the hour there is
a narrow row for each call, which ClickHouse adds up as fast.

Statements are asked with `final`, which tells repeated rows apart before parts merge, and with
query parameters (ClickHouse documentation, "HTTP interface", read 2026-11).
"""

import asyncio
import itertools
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson

from gateway.errors import HistoryUnavailable
from gateway.metering.journal import Drained, shard_of
from gateway.metering.pricing import ModelPrice
from gateway.stores.history import answers, questions, schema
from gateway.stores.history.batches import Known, Needs, Writing, needs_of, written
from gateway.stores.history.questions import Statement
from gateway.stores.history.rows import Recorded, Row
from gateway.stores.stored_price import price_text

SCHEMES = ("clickhouse+http", "clickhouse+https")
CONNECTIONS_MAX = 4
QUESTION_S = 30.0
RETRY_AFTER_S = 5.0
# Each batch makes a part of each table, and parts are merged later: small batches come in one.
BATCH_INTERVAL_S = 0.5
BATCH_ENTRIES = 500
# Beyond it a table of accounts' balances would not stay small.
BALANCES_MAX = 100_000
SETTINGS = {
    "final": "1",
    "wait_end_of_query": "1",
    "async_insert": "0",
    "default_format": "JSONCompactEachRow",
    "output_format_json_quote_64bit_integers": "0",
}
VERSION = f"tollkeeper history {schema.VERSION}"

USAGE = (*schema.USAGE_KEY, "number", *schema.SUMMED)
COSTS = (*schema.COST_KEY, "number", *schema.COST_SUMMED)
ENDS = (*schema.END_KEY, "shard", "number", *schema.END_SUMMED)


def _columns(names: Sequence[str], integers: frozenset[str]) -> str:
    return ", ".join(f"{name} {'Int64' if name in integers else 'String'}" for name in names)


def _table(name: str, columns: str, key: str, more: str = "") -> str:
    return f"CREATE TABLE IF NOT EXISTS {name} ({columns}) ENGINE = ReplacingMergeTree{key}{more}"


_INDEXES = "".join(
    f", INDEX by_{name} {name} TYPE bloom_filter GRANULARITY 1" for name in ("account", "operation")
)
_MONTHS = " PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(at_ms, 'UTC'))"
BALANCES = "CREATE VIEW IF NOT EXISTS balances AS SELECT account,"
BALANCES += " argMax(balance, number) AS balance FROM entries GROUP BY account"
TABLES = (
    _table(
        "records",
        _columns(schema.RECORD_COLUMNS, schema.RECORD_INTEGERS),
        f"{_MONTHS} ORDER BY (account, at_ms, id)",
    ),
    _table(
        "usage_calls",
        _columns(USAGE, frozenset({"at_ms", "number", *schema.SUMMED})),
        " ORDER BY (account, at_ms, number)",
    ),
    _table(
        "cost_calls",
        _columns(COSTS, frozenset({"at_ms", "number", *schema.COST_SUMMED})),
        " ORDER BY (account, at_ms, number, kind, name)",
    ),
    _table(
        "end_calls",
        _columns(ENDS, frozenset({"at_ms", "shard", "number", *schema.END_SUMMED})),
        f" ORDER BY ({', '.join(schema.END_KEY)}, shard, number)",
    ),
    _table("prices", "id String, line String", " ORDER BY id"),
    _table(
        "positions",
        _columns(schema.POSITION_COLUMNS, schema.POSITION_INTEGERS),
        "(entries) ORDER BY shard",
    ),
    _table(
        "entries",
        _columns(schema.ENTRY_COLUMNS, schema.ENTRY_INTEGERS) + _INDEXES,
        " ORDER BY (shard, number)",
        f" COMMENT '{VERSION}'",
    ),
    BALANCES,
)
ABOUT = "SELECT toString(uuid), comment FROM system.tables"
ABOUT += " WHERE database = currentDatabase() AND name = 'entries'"


class ClickHouseEngine:
    """`url`: clickhouse+https://user:password@host:8443/database; the database must exist."""

    def __init__(self, url: str) -> None:
        self.spans: Mapping[str, str] = dict.fromkeys(schema.SPANS, "calls")
        parts = urlsplit(url)
        scheme = parts.scheme.removeprefix("clickhouse+")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self._url = f"{scheme}://{host}:{parts.port or (8443 if scheme == 'https' else 8123)}/"
        self._headers = {"X-ClickHouse-User": unquote(parts.username or "default")}
        if parts.password:
            self._headers["X-ClickHouse-Key"] = unquote(parts.password)
        self._settings = {**SETTINGS, "database": parts.path.strip("/") or "default"}
        self._session: aiohttp.ClientSession | None = None
        self._balances: dict[str, int] = {}
        self._written_s = 0.0

    async def open(self) -> str:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        for statement in TABLES:
            await self._post(statement.encode())
        [(history_id, version)] = await self.rows((ABOUT, ()))
        if version != VERSION:
            raise HistoryUnavailable(
                f"The history is a {version!r}, this program writes a {VERSION!r}: name another "
                "database, or run the program that wrote it."
            )
        return str(history_id)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def rows(self, statement: Statement) -> Sequence[Row]:
        text, values = statement
        body = await self._post(
            named(text, values).encode(),
            {f"param_p{index}": written_value(value) for index, value in enumerate(values)},
        )
        return [tuple(orjson.loads(line)) for line in body.splitlines()]

    async def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        await self._pace(batch)
        try:
            known = await self._known(needs_of(batch), prices)
            await self._write(written(batch, known, ids_by_time=True), prices)
        except BaseException:
            # What came of it, nobody knows; the tables do.
            self._balances.clear()
            raise
        if len(self._balances) > BALANCES_MAX:
            self._balances.clear()

    async def _pace(self, batch: Sequence[Drained]) -> None:
        now_s = asyncio.get_running_loop().time()
        if sum(len(drained.entries) for drained in batch) < BATCH_ENTRIES:
            await asyncio.sleep(self._written_s + BATCH_INTERVAL_S - now_s)
        self._written_s = asyncio.get_running_loop().time()

    async def _known(self, needs: Needs, prices: Mapping[str, ModelPrice]) -> Known:
        positions = answers.positions(await self.rows(questions.POSITIONS))
        for shard in needs.shards:
            missing = [
                name
                for name in needs.accounts
                if name not in self._balances and shard_of(name) == shard
            ]
            if missing:
                asked = _balances(shard, positions[shard].entries, missing)
                self._balances |= dict.fromkeys(missing, 0) | dict(await self.rows(asked))
        recorded = {
            call: await self._recorded(*call, number=positions[shard_of(call[0])].entries)
            for call in needs.told_before
        }
        known = answers.prices(await self.rows(questions.prices(needs.rate_ids)))
        return Known(
            positions=positions,
            last_id=0,
            balances=self._balances,
            prices={**known, **prices},
            recorded=recorded,
        )

    async def _recorded(self, account_id: str, request_id: str, *, number: int) -> list[Recorded]:
        asked = questions.recorded(account_id, request_id, number=number)
        return [answers.recorded(row) for row in await self.rows(asked)]

    async def _write(self, writing: Writing, prices: Mapping[str, ModelPrice]) -> None:
        usage = [(*each.hour, each.number, *each.sums) for each in writing.charged]
        costs = [
            (*each.hour, line.kind.value, line.name, each.number, line.quantity, line.amount_ucr)
            for each in writing.charged
            for line in each.lines
        ]
        ends = [
            (*each.end, shard_of(each.hour[0]), each.number, *each.end_sums)
            for each in writing.charged
        ]
        lines = [(rate_id, price_text(price)) for rate_id, price in prices.items()]
        await asyncio.gather(
            self._insert("entries", schema.ENTRY_COLUMNS, writing.entries),
            self._insert("records", schema.RECORD_COLUMNS, writing.records),
            self._insert("usage_calls", USAGE, usage),
            self._insert("cost_calls", COSTS, costs),
            self._insert("end_calls", ENDS, ends),
            self._insert("prices", ("id", "line"), lines),
        )
        await self._insert("positions", schema.POSITION_COLUMNS, writing.position_rows())

    async def _insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if rows:
            head = f"INSERT INTO {table} ({', '.join(columns)}) FORMAT JSONCompactEachRow\n"
            await self._post(head.encode() + b"\n".join(map(_line, rows)))

    async def prune(self, before_ms: int) -> None:
        [(count,)] = await self.rows(("SELECT count(*) FROM records WHERE at_ms < ?", (before_ms,)))
        if count:
            await self._post(f"DELETE FROM records WHERE at_ms < {before_ms:d}".encode())

    async def _post(self, statement: bytes, parameters: Mapping[str, str] | None = None) -> bytes:
        assert self._session is not None, "open() comes first"
        try:
            async with (
                asyncio.timeout(QUESTION_S),
                self._session.post(
                    self._url,
                    params={**self._settings, **(parameters or {})},
                    data=statement,
                    allow_redirects=False,
                ) as answer,
            ):
                body = await answer.read()
                if answer.status == 200:  # noqa: PLR2004  HTTP's success
                    return body
                # The text of an exception may quote values: its number says what it is.
                code = answer.headers.get("X-ClickHouse-Exception-Code", "unknown")
                said = f"HTTP {answer.status}, exception {code}"
        except TimeoutError:
            said = f"no answer within {QUESTION_S:g} s"
        except aiohttp.ClientError as error:
            said = type(error).__name__
        raise HistoryUnavailable(
            f"The history is not available: {said} of ClickHouse.", retry_after_s=RETRY_AFTER_S
        )


def named(text: str, values: Sequence[int | str]) -> str:
    """A statement with its parameters as ClickHouse writes them: {p0:String}, {p1:Int64}, …"""
    numbers = itertools.count()

    def name(_: re.Match[str]) -> str:
        index = next(numbers)
        kind = "Int64" if isinstance(values[index], int) else "String"
        return f"{{p{index}:{kind}}}"

    return re.sub(r"\?", name, text)


_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def written_value(value: int | str) -> str:
    """Parameters are read as a field of tab-separated text is."""
    return str(value).translate(_ESCAPED)


def _balances(shard: int, entries: int, accounts: Sequence[str]) -> Statement:
    """After the last entry that counts: behind it may stand what a failed batch left."""
    return (
        "SELECT account, argMax(balance, number) FROM entries WHERE shard = ? AND number <= ?"
        f" AND account IN ({questions.marks(len(accounts))}) GROUP BY account"
    ), (shard, entries, *accounts)


def _line(row: Row) -> bytes:
    return orjson.dumps(row, default=bytes.hex)
