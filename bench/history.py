"""How long questions to a history of ten million calls take, and how fast one is written.

    python -m bench.history [--records 10000000] [--folder build/history]

Every tenth call is one of the large account's, half are those of ten middling ones, and eight
hundred small ones have the rest. Journal entries are written through the whole path, for
`--entries` of them, to be timed. A folder that is filled already is asked again.
"""

import argparse
import asyncio
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway.metering.history import DAY_MS, HOUR_MS, Dimension, Question
from gateway.metering.journal import Drained, Entry, Position, shard_of
from gateway.metering.pricing import ModelPrice, Rates, Tier
from gateway.metering.usage import TokenClass
from gateway.stores.history import schema
from gateway.stores.history.history import SqlHistory
from gateway.stores.history.sqlite import FILE, SqliteEngine

DAYS = 365
# 2026-11-27, a Friday.
END_MS = 1_764_201_600_000 + DAYS * DAY_MS
LARGE, MIDDLING = "account-large", "account-1"
SMALL_ACCOUNTS = 2_000
REPEATS = 15
RECORDS_PER_COMMIT = 250_000
# Their ids are behind whatever the journal will number. Multiplying by a large odd number spreads
# models, keys and lengths over the calls, the same in each run.
RECORDS = f"""
WITH RECURSIVE
  numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :last),
  spread AS (SELECT n, n * 2654435761 % 4294967296 AS s,
                    :start + n * {DAYS * DAY_MS} / :all AS t FROM numbers),
  calls AS (SELECT n, s, t, 200 + s % 3000 AS given, 20 + s / 16 % 800 AS made FROM spread)
INSERT INTO records
SELECT 1000000000000 + n,
  CASE WHEN n % 10 = 0 THEN '{LARGE}' WHEN n % 2 THEN 'account-' || (n % 20 / 2 + 1)
       ELSE 'small-' || (n % {SMALL_ACCOUNTS}) END,
  t, 'key-' || (s / 8 % 5), printf('req_%024x', n), 'settled', 'openai',
  CASE s / 64 % 4 WHEN 0 THEN 'anthropic_messages' WHEN 1 THEN 'openai_responses'
       ELSE 'openai_chat' END,
  'fast', 'model-' || (s % 8), '2026@abcdef01', 'bench', t - 3000, 1, 'reported', 'completed',
  200, 1, given, 0, 0, 0, 0, 0, made, 0, 0, 0, '', '', 3 * (given / 4 + made), given / 4 + made,
  0, 0, 400, 3000, 1, given / 5, given * 20000000 % 100000000
FROM calls
"""
_SUMS = ", ".join(f"sum({name})" for name in schema.SUMMED)
USAGE_HOURS = f"""
INSERT INTO usage_hours SELECT account, at_ms - at_ms % {HOUR_MS}, key, model, dialect, {_SUMS}
FROM records GROUP BY 1, 2, 3, 4, 5
"""
USAGE_DAYS = f"""
INSERT INTO usage_days SELECT account, at_ms - at_ms % {DAY_MS}, key, model, dialect, {_SUMS}
FROM usage_hours GROUP BY 1, 2, 3, 4, 5
"""
COST_DAYS = f"""
INSERT INTO cost_days SELECT account, at_ms - at_ms % {DAY_MS}, key, model, dialect, kind, name,
       sum(quantity), sum(amount) FROM cost_hours GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
COST_HOURS = """
INSERT INTO cost_hours
SELECT account, at_ms, key, model, dialect, 'tokens', 'input_uncached', input_uncached,
       charge - output_text FROM usage_hours
UNION ALL
SELECT account, at_ms, key, model, dialect, 'tokens', 'output_text', output_text, output_text
FROM usage_hours ORDER BY 1, 2, 3, 4, 5, 6, 7
"""
END_HOURS = f"""
INSERT INTO end_hours SELECT at_ms - at_ms % {HOUR_MS}, provider, model, provenance, ended, kind,
       count(*), sum(requests), sum(charge), 0, sum(costed), sum(charge), sum(cost), sum(rest)
FROM records GROUP BY 1, 2, 3, 4, 5, 6
"""
END_DAYS = f"""
INSERT INTO end_days SELECT at_ms - at_ms % {DAY_MS}, provider, model, provenance, ended, kind,
       {", ".join(f"sum({name})" for name in schema.END_SUMMED)}
FROM end_hours GROUP BY 1, 2, 3, 4, 5, 6
"""
BOUGHT = ModelPrice(
    model="model-0",
    tiers=(Tier(0, Rates.of({TokenClass.INPUT_UNCACHED: 200, TokenClass.OUTPUT_TEXT: 800})),),
)
PRICE = replace(BOUGHT, rate_id="bench", purchase=BOUGHT)
EVENT_TEXT = (
    '{"event_id":"%s","account_id":"%s","key_id":"key-1","provider":"openai","dialect":'
    '"openai_chat","model_requested":"fast","model":"model-0","rate_version":"2026@abcdef01",'
    '"started_ms":%d,"rate_id":"bench","stream":true,"usage":{"input_uncached":900,"output_text":'
    '250,"pieces":[],"service_tier":""},"provenance":"reported","end":"completed","http_status":'
    '200,"held_ucr":4000,"charge_ucr":1,"ttfb_ms":400,"duration_ms":3000,"unmapped":{}}'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("build/history"))
    given = parser.parse_args()
    asyncio.run(run(given.records, given.entries, given.folder))


async def run(records: int, entries: int, folder: Path) -> None:
    history = SqlHistory(SqliteEngine(folder))
    await history.open()
    path = folder / FILE
    if filled(path) < records:
        began = time.perf_counter()
        fill(path, records)
        print(f"filled {records} records in {time.perf_counter() - began:.0f} s")
    print(f"file: {path.stat().st_size / 1e9:.2f} GB")
    print(f"journal: {await journal_speed(history, entries):.0f} entries/s in one thread")
    print("\n| question | answer | median ms | worst ms |\n|---|---|---|---|")
    for name, ask in questions(history).items():
        print(await timed(name, ask))
    await history.close()


def filled(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("SELECT count(*) FROM records").fetchone()[0])


def fill(path: Path, records: int, *, end_ms: int = END_MS) -> None:
    """With a year that ends then. SQLite makes the rows up itself: ten million are too many for a
    loop."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -500000"):
        connection.execute(statement)
    first = filled(path)
    while first < records:
        last = min(records, first + RECORDS_PER_COMMIT)
        span = {"first": first, "last": last, "all": records}
        connection.execute(RECORDS, {**span, "start": end_ms - DAYS * DAY_MS})
        first = last
    for table in schema.ADD_SUMS:
        connection.execute(f"DELETE FROM {table}")
    for statement in (USAGE_HOURS, COST_HOURS, USAGE_DAYS, COST_DAYS, END_HOURS, END_DAYS):
        connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def journal_speed(history: SqlHistory, entries: int) -> float:
    """The whole way of a batch of settlements, from decoded entries to a commit."""
    account = "account-journal"
    shard = shard_of(account)
    position: Position = (await history.positions())[shard]
    after, made = position.entry_id, position.entries
    began = time.perf_counter()
    for start in range(0, entries, 500):
        batch = [settled(account, made + start + index) for index in range(500)]
        await history.append([Drained(shard, after, batch)], {PRICE.rate_id: PRICE})
        after = batch[-1].entry_id
    return entries / (time.perf_counter() - began)


def settled(account: str, number: int) -> Entry:
    text = EVENT_TEXT % (f"req_{number:024x}", account, END_MS)
    event = {
        "key_id": "key-1",
        "provider": "openai",
        "model": "model-0",
        "dialect": "openai_chat",
        "rate_id": "bench",
        "usage": {"input_uncached": 900, "output_text": 250, "pieces": [], "service_tier": ""},
        "provenance": "reported",
        "end": "completed",
        "held_ucr": 4000,
    }
    return Entry(
        entry_id=f"{END_MS + number}-0",
        kind="settled",
        account_id=account,
        operation_id=f"req_{number:024x}",
        amount_ucr=1,
        debt_ucr=0,
        observed_ucr=0,
        slices=(("grant-1", 1),),
        event=event,
        event_text=text,
    )


Ask = Callable[[], Awaitable[Sequence[object]]]


def questions(history: SqlHistory) -> dict[str, Ask]:
    def over(account: str, days: int, width_ms: int, *by: Dimension, **more: object) -> Question:
        return Question(
            account_id=account,
            start_ms=END_MS - days * DAY_MS,
            end_ms=END_MS,
            width_ms=width_ms,
            by=by,
            **more,  # type: ignore[arg-type]
        )

    model, key = Dimension.MODEL, Dimension.KEY
    sums: dict[str, tuple[str, Question]] = {
        "usage by day and model, a year": ("usage", over("", 365, DAY_MS, model)),
        "usage by day and key, a year": ("usage", over("", 365, DAY_MS, key)),
        "one key's usage by day, a year": ("usage", over("", 365, DAY_MS, keys=("key-3",))),
        "costs by day and class, a year": ("costs", over("", 365, DAY_MS)),
        "usage by day and model, 30 days": ("usage", over("", 30, DAY_MS, model)),
        "usage by hour and model, 30 days": ("usage", over("", 30, HOUR_MS, model)),
        "usage by hour and key, 30 days": ("usage", over("", 30, HOUR_MS, key)),
        "costs by hour and class, 30 days": ("costs", over("", 30, HOUR_MS)),
        "usage by minute, 24 hours (from records)": ("usage", over("", 1, 60_000)),
    }
    found: dict[str, Ask] = {}
    for account in (LARGE, MIDDLING, "small-2"):
        for name, (kind, asked) in sums.items():
            of = replace(asked, account_id=account)
            found[f"{account}: {name}"] = partial(getattr(history, kind), of)
        newest = partial(history.records, account, start_ms=0, before=None)
        found[f"{account}: newest 100 records"] = partial(newest, end_ms=END_MS, limit=100)
        found[f"{account}: 1000 records of half a year ago"] = partial(
            newest, end_ms=END_MS - 182 * DAY_MS, limit=1000
        )
    for name, hours in (("24 hours", 24), ("30 days", 720), ("400 days", 9600)):
        start_ms = END_MS - hours * HOUR_MS
        found[f"margin and count accuracy, {name}"] = partial(history.ends, start_ms=start_ms)
    found["account-journal: newest 100 movements"] = lambda: history.movements(
        "account-journal", kinds=(), before=None, limit=100
    )
    found["account-journal: one call's receipt"] = lambda: history.request(
        "account-journal", f"req_{77:024x}"
    )
    return found


async def timed(name: str, ask: Ask) -> str:
    took_ms, answer = [], ()
    for _ in range(REPEATS):
        began = time.perf_counter()
        answer = await ask()
        took_ms.append((time.perf_counter() - began) * 1000)
    worst, median = max(took_ms), statistics.median(took_ms)
    return f"| {name} | {len(answer)} rows | {median:.1f} | {worst:.1f} |"


if __name__ == "__main__":
    main()
