"""An audit on real servers: rows that were changed, entries that are lost, a store set back."""

import struct
from collections.abc import Callable, Mapping

import pytest
from support import asks, books
from support.histories import call, drain, fund

from gateway.metering.history import DAY_MS
from gateway.metering.journal import shard_of
from gateway.metering.ledger import Grant
from gateway.metering.usage import Usage
from gateway.stores.history.history import SqlHistory
from gateway.stores.redis.layout import hold_key, ids_key, money_keys, outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.outbox import RedisOutbox
from gateway.workers.audit import Audit

# What a store's kinds could differ in is tested where they are read.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)
USED = Usage(input_uncached=10, output_text=5)


@pytest.fixture
def audit(ledger: RedisLedger, history: SqlHistory) -> Audit:
    return Audit(ledger, RedisOutbox(ledger._client, ledger), history)


class Snapshot:
    """The account's part of the store, as a backup would bring it back."""

    def __init__(self, ledger: RedisLedger) -> None:
        self._client = ledger._client
        self._kept: dict[bytes, bytes] = {}

    async def take(self, *holds: str) -> None:
        tag = shard_tag(asks.ACCOUNT)
        keys = [
            *money_keys(asks.ACCOUNT),
            ids_key(asks.ACCOUNT),
            *(hold_key(tag, hold) for hold in holds),
        ]
        for key in {*keys, outbox_key(tag)}:
            self._kept[key.encode()] = await self._client.command("DUMP", key)

    async def restore(self) -> None:
        for key in await self._client.command("KEYS", f"{shard_tag(asks.ACCOUNT)}*"):
            await self._client.command("DEL", key)
        for key, content in self._kept.items():
            if content is not None:
                await self._client.command("RESTORE", key, 0, content)


async def some_history(ledger: RedisLedger, history: SqlHistory) -> int:
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


async def test_grants_that_left_are_compared_by_their_sums(ledger, history):
    forgetful = RedisLedger(ledger._client, used_up_kept=1)
    await forgetful.open()
    audit = Audit(forgetful, RedisOutbox(ledger._client, ledger), history)
    for number in range(4):
        await forgetful.grant(Grant(grant_id=f"g{number}", account_id=asks.ACCOUNT, amount_ucr=10))
        await forgetful.settle(asks.settle(f"h{number}", 10))
    await drain(ledger, history)
    agreed = await audit.account(asks.ACCOUNT)
    assert 3 == (await forgetful.balance(asks.ACCOUNT)).forgotten.grants

    sums = struct.pack("<5d", 3, 30, 29, 1, 0)
    await ledger._client.command("HSET", ids_key(asks.ACCOUNT), "sums", sums)
    changed = await audit.account(asks.ACCOUNT)

    assert () == agreed.differences
    assert [("burnt (forgotten)", 30, 29), ("lapsed (forgotten)", 0, 1)] == [
        (each.what, each.journal_ucr, each.ledger_ucr) for each in changed.differences
    ]
    assert "h3" == changed.newest[0].operation_id


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
        "UPDATE entries SET hash = (SELECT hash FROM positions LIMIT 1) WHERE operation = 'h2'",
    ],
)
async def test_a_changed_row_breaks_the_chain_where_it_stands(
    ledger, history, audit, tables, change
):
    await some_history(ledger, history)
    assert await tables.change(change)

    [fault] = await audit.chains()

    assert (shard_of(asks.ACCOUNT), 4) == (fault.shard, fault.number)
    assert asks.ACCOUNT == fault.account_id


@pytest.mark.parametrize("operation", ["h1", "h4"])
async def test_an_entry_that_is_gone_breaks_the_chain_and_is_found(
    ledger, history, audit, tables, operation
):
    await some_history(ledger, history)
    assert await tables.change(f"DELETE FROM entries WHERE operation = '{operation}'")  # noqa: S608  a test's own word

    [fault] = await audit.chains()
    report = await audit.account(asks.ACCOUNT)

    assert shard_of(asks.ACCOUNT) == fault.shard
    assert [operation] == [entry.operation_id for entry in report.missing]
    assert "charged" in {each.what for each in report.differences}
    assert () == report.corrections


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
    assert {"charged", "burnt g1", "left g1"} == {each.what for each in report.differences}
    assert () == report.corrections


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
    written = await audit.repair(report, by="a test")
    await audit.repair(report, by="a test")
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
    assert [] == await audit.chains()


# Where amounts stand among the packed totals of an account, and of a grant.
TOTALS = {"available": 0, "debt": 3, "charged": 6}
GRANT = {"r": 0, "c": 2}


async def wrong(ledger: RedisLedger, **amounts: int) -> None:
    """Somebody changes amounts by hand: of the account, or what its grant g1 has left or paid."""

    def changed(places: Mapping[str, int]) -> Callable[[list[float]], None]:
        def change(numbers: list[float]) -> None:
            for name in amounts.keys() & places.keys():
                numbers[places[name]] += amounts[name]

        return change

    await books.change_totals(ledger._client, asks.ACCOUNT, changed(TOTALS))
    await books.change_grant(ledger._client, asks.ACCOUNT, "g1", changed(GRANT))


@pytest.mark.parametrize(
    "wrongs",
    [
        ({"available": 500}, {"available"}, ["add up anew"]),
        ({"available": -500}, {"available"}, ["add up anew"]),
        ({"r": 500, "available": 500}, {"balance", "left g1"}, ["take back"]),
        ({"r": -500, "available": -500}, {"balance", "left g1"}, ["grant"]),
        ({"r": 500}, {"available", "balance", "left g1"}, ["add up anew", "take back"]),
        ({"debt": 70}, {"balance", "debt"}, ["grant"]),
        (
            {"charged": -7, "c": -7, "r": 7, "available": 7},
            {"charged", "burnt g1", "left g1"},
            ["charge"],
        ),
    ],
)
async def test_a_balance_made_wrong_by_hand_is_told_and_put_right_by_movements(
    ledger, history, audit, wrongs
):
    amounts, told, remedies = wrongs
    await some_history(ledger, history)
    right = await ledger.balance(asks.ACCOUNT)
    before = await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=99)
    await wrong(ledger, **amounts)

    report = await audit.account(asks.ACCOUNT)
    assert told == {each.what for each in report.differences}
    assert remedies == [each.remedy.value for each in report.corrections]
    assert {"h4"} <= {entry.operation_id for entry in report.newest}
    assert asks.ACCOUNT == report.account_id
    for _ in range(2):
        await audit.repair(report, by="a test")
    repaired = await ledger.balance(asks.ACCOUNT)
    assert () == (await audit.account(asks.ACCOUNT)).differences
    await drain(ledger, history)
    after = await history.movements(asks.ACCOUNT, kinds=(), before=None, limit=99)

    worth = right.available_ucr - right.debt_ucr
    assert worth == repaired.available_ucr - repaired.debt_ucr
    assert right.charged_ucr == repaired.charged_ucr
    assert () == (await audit.account(asks.ACCOUNT)).differences
    assert [] == await audit.chains()
    # What was written stays as it was; what is new says that an audit wrote it.
    assert before == after[-len(before) :]
    new = {each.entry.operation_id for each in after[: -len(before)]}
    assert all(operation.startswith("audit-0-") for operation in new)


async def test_the_same_mistake_made_again_is_put_right_again(ledger, history, audit):
    await some_history(ledger, history)
    right = await ledger.balance(asks.ACCOUNT)
    for _ in range(3):
        await wrong(ledger, r=-500, available=-500)
        report = await audit.account(asks.ACCOUNT)
        await audit.repair(report, by="a test")
        assert () == (await audit.account(asks.ACCOUNT)).differences

    assert right.available_ucr == (await ledger.balance(asks.ACCOUNT)).available_ucr


async def test_a_correction_says_who_made_it_and_why(ledger, history, audit):
    await some_history(ledger, history)
    await wrong(ledger, r=-500, available=-500)
    await audit.repair(await audit.account(asks.ACCOUNT), by="Ada")

    notes = [each.note for each in (await ledger.balance(asks.ACCOUNT)).grants]

    assert "Audit, by Ada: the journal knows of nothing that took it." in notes


async def test_a_grant_that_is_given_again_to_a_store_that_was_set_back_counts_once(
    ledger, history, audit
):
    snapshot = Snapshot(ledger)
    await snapshot.take()
    await some_history(ledger, history)
    await snapshot.restore()
    await fund(ledger, 10_000)

    report = await audit.account(asks.ACCOUNT)

    assert "granted" not in {each.what for each in report.differences}
