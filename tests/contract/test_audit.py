"""An audit on real servers: rows that were changed, entries that are lost, a store set back."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support import asks
from support.histories import call, drain, fund

from gateway.metering.history import DAY_MS
from gateway.metering.journal import shard_of
from gateway.metering.ledger import Grant
from gateway.metering.usage import Usage
from gateway.stores.history.sqlite import FILE, SqliteHistory
from gateway.stores.redis.layout import hold_key, money_keys, outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.outbox import RedisOutbox
from gateway.workers.audit import Audit

USED = Usage(input_uncached=10, output_text=5)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[SqliteHistory]:
    history = SqliteHistory(tmp_path)
    await history.open()
    yield history
    await history.close()


@pytest.fixture
def audit(ledger: RedisLedger, history: SqliteHistory) -> Audit:
    return Audit(ledger, RedisOutbox(ledger._client, ledger), history)


@pytest.fixture
def tamper(tmp_path: Path) -> Callable[[str], None]:
    def execute(statement: str) -> None:
        with sqlite3.connect(tmp_path / FILE) as connection:
            assert connection.execute(statement).rowcount

    return execute


class Snapshot:
    """The account's part of the store, as a backup would bring it back."""

    def __init__(self, ledger: RedisLedger) -> None:
        self._client = ledger._client
        self._kept: dict[bytes, bytes] = {}

    async def take(self, *holds: str) -> None:
        tag = shard_tag(asks.ACCOUNT)
        keys = [*money_keys(asks.ACCOUNT), *(hold_key(tag, hold) for hold in holds)]
        for key in {*keys, outbox_key(tag)}:
            self._kept[key.encode()] = await self._client.command("DUMP", key)

    async def restore(self) -> None:
        for key in await self._client.command("KEYS", f"{shard_tag(asks.ACCOUNT)}*"):
            await self._client.command("DEL", key)
        for key, content in self._kept.items():
            if content is not None:
                await self._client.command("RESTORE", key, 0, content)


async def some_history(ledger: RedisLedger, history: SqliteHistory) -> int:
    await fund(ledger, 10_000)
    charged = sum([await call(ledger, f"h{number}", USED) for number in range(5)])
    await drain(ledger, history)
    return charged


async def test_books_that_agree_have_no_differences(ledger, history, audit):
    await some_history(ledger, history)
    await ledger.reserve(asks.reserve(ledger, "running", 50))

    report = await audit.account(asks.ACCOUNT)

    assert () == report.differences
    assert [] == await audit.chains()


async def test_what_is_not_drained_yet_counts_as_well(ledger, history, audit):
    await some_history(ledger, history)
    await call(ledger, "h9", USED)

    assert () == (await audit.account(asks.ACCOUNT)).differences


async def test_expiry_debt_overage_and_late_settlements_agree(ledger, history, audit):
    soon_ms = ledger.now_ms() + 60
    await ledger.grant(
        Grant(grant_id="lapses", account_id=asks.ACCOUNT, amount_ucr=70, expires_ms=soon_ms)
    )
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "h1", 100, lease_ms=0))
    await ledger.extend(asks.extend("h1", 1, 0, charge_ucr=10, lease_ms=0))
    while not await ledger.expire_holds():
        pass
    await ledger.settle(asks.settle("h1", 300))
    await drain(ledger, history)
    await ledger.grant(Grant(grant_id="pays", account_id=asks.ACCOUNT, amount_ucr=500))
    while (await ledger.balance(asks.ACCOUNT)).now_ms <= soon_ms:
        pass
    await ledger.settle(asks.settle("h2", 700, observe=True))

    assert () == (await audit.account(asks.ACCOUNT)).differences
    await drain(ledger, history)
    assert () == (await audit.account(asks.ACCOUNT)).differences


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET amount = amount - 1 WHERE operation = 'h2'",
        "UPDATE entries SET event = replace(event, 'small', 'large') WHERE operation = 'h2'",
        "UPDATE entries SET operation = 'x2' WHERE operation = 'h2'",
        "UPDATE entries SET hash = zeroblob(32) WHERE operation = 'h2'",
    ],
)
async def test_a_changed_row_breaks_the_chain_where_it_stands(
    ledger, history, audit, tamper, change
):
    await some_history(ledger, history)
    tamper(change)

    [fault] = await audit.chains()

    assert (shard_of(asks.ACCOUNT), 4) == (fault.shard, fault.number)
    assert asks.ACCOUNT == fault.account_id


@pytest.mark.parametrize("operation", ["h1", "h4"])
async def test_an_entry_that_is_gone_breaks_the_chain_and_is_found(
    ledger, history, audit, tamper, operation
):
    await some_history(ledger, history)
    tamper(f"DELETE FROM entries WHERE operation = '{operation}'")  # noqa: S608  a test's own word

    [fault] = await audit.chains()
    report = await audit.account(asks.ACCOUNT)

    assert shard_of(asks.ACCOUNT) == fault.shard
    assert [operation] == [entry.operation_id for entry in report.missing]
    assert "charged" in {each.what for each in report.differences}
    assert not report.repairable


async def test_entries_lost_before_they_were_drained_show_and_are_not_made_up(
    ledger, history, audit
):
    await some_history(ledger, history)
    await call(ledger, "lost", USED)
    outbox = outbox_key(shard_tag(asks.ACCOUNT))
    [(newest, _)] = await ledger._client.command("XREVRANGE", outbox, "+", "-", "COUNT", 1)
    await ledger._client.command("XDEL", outbox, newest)

    report = await audit.account(asks.ACCOUNT)

    assert [] == await audit.chains()
    assert {"charged", "burnt g1"} == {each.what for each in report.differences}
    assert not report.repairable


async def test_a_store_that_was_set_back_is_repaired_once_and_forwards_only(ledger, history, audit):
    await some_history(ledger, history)
    snapshot = Snapshot(ledger)
    await snapshot.take()
    charge = await call(ledger, "later", USED)
    await ledger.grant(Grant(grant_id="topup", account_id=asks.ACCOUNT, amount_ucr=500))
    await drain(ledger, history)
    wanted = await ledger.balance(asks.ACCOUNT)
    await snapshot.restore()

    report = await audit.account(asks.ACCOUNT)
    assert {("granted", 500), ("charged", charge)} == {
        (each.what, each.journal_ucr - each.ledger_ucr) for each in report.differences if each.total
    }
    assert {"later", "topup"} == {entry.operation_id for entry in report.forgotten}
    assert report.repairable
    written = await audit.repair(report)
    await audit.repair(report)
    repaired = await ledger.balance(asks.ACCOUNT)

    assert 2 == len(written)
    assert (wanted.available_ucr, wanted.charged_ucr) == (
        repaired.available_ucr,
        repaired.charged_ucr,
    )
    assert () == (await audit.account(asks.ACCOUNT)).differences
    await drain(ledger, history)
    assert () == (await audit.account(asks.ACCOUNT)).differences
    assert [] == await audit.chains()


async def test_a_call_settled_again_after_the_store_was_set_back_is_no_difference(
    ledger, history, audit
):
    await some_history(ledger, history)
    await ledger.reserve(asks.reserve(ledger, "again", 100))
    snapshot = Snapshot(ledger)
    await snapshot.take("again")
    await ledger.settle(asks.settle("again", 60))
    await drain(ledger, history)
    await snapshot.restore()
    await ledger.settle(asks.settle("again", 60))

    assert () == (await audit.account(asks.ACCOUNT)).differences
    await drain(ledger, history)
    assert () == (await audit.account(asks.ACCOUNT)).differences


async def test_records_that_had_their_time_are_not_missed(ledger, history, audit):
    await some_history(ledger, history)
    await history.prune(before_ms=ledger.now_ms() + DAY_MS)

    assert () == (await audit.account(asks.ACCOUNT)).differences
