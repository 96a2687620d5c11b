"""GET /metering/v1/reconcile: ledger, journal and sinks agree, and it is told when they do not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from support.gateways import ACCOUNT, SECRETS, TestGateway, account_with_key, running_gateway
from support.metering_api import caught_up
from support.postgres_server import PostgresServer, postgres_server, programs
from support.service import ask

from gateway.stores.redis.layout import outbox_key, shard_tag

PROGRAMS = programs()
BOTH = """
sinks:
  warehouse: {{postgres: {{url: env:TEST_DATABASE, table: usage}}, linger_s: 0.05}}
  lake: {{json_lines: {{folder: "{}"}}}}
"""


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    assert PROGRAMS is not None
    with postgres_server(PROGRAMS) as server:
        yield server


async def told_by(
    gateway: TestGateway, name: str, *, until: int | None = None, since_s: int = 0
) -> tuple[int | None, int, bool | None]:
    """What a sink has, what the journal has, whether that agrees; once it has as much as that."""
    async with asyncio.timeout(30):
        while True:
            path = f"/reconcile?account_id={ACCOUNT}&start_time={since_s}"
            status, told = await ask(gateway, "GET", path)
            assert 200 == status, told
            [sink] = [each for each in told["data"][0]["sinks"] if each["name"] == name]
            has = sink["charged"] and sink["charged"]["microcredits"]
            if until in (None, has):
                return has, sink["journal_charged"]["microcredits"], sink["agrees"]
            await asyncio.sleep(0.1)


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[TestGateway]:
    lake = f"sinks: {{lake: {{json_lines: {{folder: '{tmp_path / 'lake'}'}}}}}}"
    async with running_gateway(tmp_path, store_url, more=lake) as gateway:
        await account_with_key(gateway.session, granted_ucr=500, account="other")
        yield gateway


async def test_what_was_charged_is_the_same_everywhere(gateway):
    for _ in range(2):
        async with gateway.chat(simulate="tokens=30") as answer:
            await answer.read()
    charged = (await gateway.settled(charged=lambda ucr: ucr > 0)).charged_ucr
    _, at_once = await ask(gateway, "GET", f"/reconcile?account_id={ACCOUNT}")
    await caught_up(gateway)
    _, later = await ask(gateway, "GET", "/reconcile")
    own = next(row for row in later["data"] if row["account_id"] == ACCOUNT)

    assert (True, True) == (at_once["agrees"], later["agrees"])
    assert at_once["data"] == [own]
    assert charged == own["journal_charged"]["microcredits"] > 0
    assert 100_000_000 - charged == own["journal_worth"]["microcredits"]
    assert [("lake", 0)] == [(sink["name"], sink["dead_letters"]) for sink in later["sinks"]]


async def test_accounts_come_in_pages_and_an_unknown_one_is_not_found(gateway):
    _, first = await ask(gateway, "GET", "/reconcile?limit=1")
    _, second = await ask(gateway, "GET", f"/reconcile?limit=1&cursor={first['next_cursor']}")
    status, told = await ask(gateway, "GET", "/reconcile?account_id=nobody")

    listed = [row["account_id"] for page in (first, second) for row in page["data"]]
    assert sorted([ACCOUNT, "other"]) == listed
    assert second["next_cursor"] is None
    assert (404, "not_found") == (status, told["code"])


async def test_credit_that_no_entry_explains_is_told(gateway):
    await caught_up(gateway)
    client, outbox = gateway.gateway.stores.client, outbox_key(shard_tag("other"))
    await client.command(
        *("XADD", outbox, "*", "head", "funded\nother\nforged\n7\n0\n0\n", "event", "")
    )
    _, told = await ask(gateway, "GET", "/reconcile")
    rows = {row["account_id"]: row for row in told["data"]}

    assert (False, False, True) == (
        told["agrees"],
        rows["other"]["agrees"],
        rows[ACCOUNT]["agrees"],
    )
    assert (507, 500) == (
        rows["other"]["journal_worth"]["microcredits"],
        rows["other"]["ledger_worth"]["microcredits"],
    )


@pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL is installed here")
async def test_what_a_sink_has_is_compared_where_it_can_be_asked(
    tmp_path, store_url, monkeypatch, database
):
    monkeypatch.setitem(SECRETS, "TEST_DATABASE", database.url)
    async with running_gateway(tmp_path, store_url, more=BOTH.format(tmp_path / "lake")) as tk:
        for _ in range(3):
            async with tk.chat(simulate="tokens=30") as answer:
                await answer.read()
        charged = (await tk.settled(charged=lambda ucr: ucr > 0)).charged_ucr
        known = await told_by(tk, "warehouse", until=charged)
        unknown = await told_by(tk, "lake")
        later = await told_by(tk, "warehouse", since_s=tk.ledger.now_ms() // 1000 + 3600)
        connection = await asyncpg.connect(database.url)
        await connection.execute("UPDATE usage SET charge_microcredits = 1")
        await connection.close()
        changed = await told_by(tk, "warehouse")

    assert (charged, charged, True) == known
    assert (None, charged, None) == unknown
    assert (0, 0, True) == later
    assert (3, charged, False) == changed
