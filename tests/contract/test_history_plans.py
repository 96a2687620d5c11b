"""How a history finds what is asked: by a key or an index, whatever the size of its tables.

Times are measured in bench/history.py; what they rest on is held here.
"""

import sqlite3

import asyncpg
import pytest
from support.histories import PostgresTables, SqliteTables, Tables

from gateway.metering.history import DAY_MS, HOUR_MS, Dimension, Question
from gateway.stores.history import questions, schema
from gateway.stores.history.postgres import numbered
from gateway.stores.history.sqlite import FILE

KEPT = {"account_id": "acme", "start_ms": 0, "end_ms": 365 * DAY_MS}
BY = {"model": (Dimension.MODEL,), "key": (Dimension.KEY,), "all": tuple(Dimension), "none": ()}


def asked(width_ms: int, by: str, **more: object) -> Question:
    return Question(width_ms=width_ms, by=BY[by], **KEPT, **more)  # type: ignore[arg-type]


QUESTIONS = {
    f"{kind} by {by} and {span}": (
        getattr(questions, kind)(asked(ms, by), f"{table}_{span}"),
        table,
    )
    for kind, table in (("usage", "usage"), ("pieces", "cost"), ("costs", "cost"))
    for span, ms in (("hours", HOUR_MS), ("days", DAY_MS))
    for by in BY
} | {
    "usage of one key": (
        questions.usage(asked(DAY_MS, "none", keys=("k",)), "usage_days"),
        "usage",
    ),
    "usage by minute": (questions.usage(asked(60_000, "model"), "records"), "records"),
    "pieces by minute": (questions.pieces(asked(60_000, "model"), "records"), "records"),
    "records": (
        questions.records("acme", start_ms=0, end_ms=9, before=None, limit=100, models=(), keys=()),
        "records",
    ),
    "a record's time": (questions.record_time("acme", 7), "records"),
    "a receipt": (questions.request("acme", "r"), "entries"),
    "what was recorded of a call": (questions.recorded("acme", "r"), "records"),
    "movements": (questions.movements("acme", kinds=("funded",), before=5, limit=9), "entries"),
    "the journal": (questions.journal("acme", after=0, limit=9), "entries"),
    "a chain": (questions.chain(3, after=0, limit=9), "entries"),
    "calls that ended twice": (questions.ended_twice("acme"), "entries"),
    "ends": (questions.ends("end_hours", "end_days", start_ms=HOUR_MS), "end_hours"),
    "ends, whole days": (questions.ends("end_hours", "end_days", start_ms=0), "end_days"),
    "balances": (questions.balances(["acme"]), "balances"),
    "prices": (questions.prices(["p"]), "prices"),
    "the last entry": (questions.LAST_ID, "entries"),
}

_SPAN = "account=? AND at_ms>? AND at_ms<?"
WHOLE_KEYS = {
    "usage by model and days": _SPAN,
    "usage by all and hours": _SPAN,
    "costs by none and days": _SPAN,
    "records": _SPAN,
    "movements": "account=? AND id<?",
    "a receipt": "account=? AND operation=?",
    "a chain": "shard=? AND number>?",
}


@pytest.fixture
async def plan(tables: Tables, history):
    """The steps of a statement's plan."""
    if isinstance(tables, SqliteTables):
        connection = sqlite3.connect(tables._folder / FILE)

        async def explained(text: str, values) -> list[str]:
            found = connection.execute(f"EXPLAIN QUERY PLAN {text}", (*values,))
            return [row[-1] for row in found]

        yield explained
        connection.close()
        return
    assert isinstance(tables, PostgresTables)
    server = await asyncpg.connect(tables.url)
    # Of an empty table all is quickly read; this says what it does when it is not.
    await server.execute("SET enable_seqscan = off")
    # A sorted walk through an index, stopped early, is what is meant by one.
    await server.execute("SET enable_bitmapscan = off")

    async def explained(text: str, values) -> list[str]:
        return [row[0] for row in await server.fetch(f"EXPLAIN {numbered(text)}", *values)]

    yield explained
    await server.close()


def reads_a_table(step: str) -> bool:
    """Whole. `spans` are rows that were searched for already."""
    return "Seq Scan" in step or (step.startswith("SCAN ") and step != "SCAN spans")


@pytest.mark.parametrize("tables", ["sqlite", "postgres"], indirect=True)
async def test_no_question_reads_a_whole_table(plan):
    breaches = []
    for name, ((text, values), table) in QUESTIONS.items():
        steps = await plan(text, values)
        assert any(table in step for step in steps), (name, steps)
        breaches += [(name, step) for step in steps if reads_a_table(step)]

    assert [] == breaches


@pytest.mark.parametrize("tables", ["sqlite"], indirect=True)
async def test_the_search_is_by_the_whole_of_what_is_asked(plan):
    found = {}
    for name in WHOLE_KEYS:
        [step] = [each for each in await plan(*QUESTIONS[name][0]) if each.startswith("SEARCH")]
        found[name] = step[step.index("(") + 1 : -1]

    assert found == WHOLE_KEYS


@pytest.mark.parametrize("tables", ["sqlite"], indirect=True)
async def test_forgetting_records_looks_at_the_first_ones_only(plan):
    steps = await plan(schema.PRUNE, (10**15, 100))

    assert "SEARCH records USING INTEGER PRIMARY KEY (rowid=?)" in steps
