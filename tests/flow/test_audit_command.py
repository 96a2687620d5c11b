"""`tollkeeper audit` beside a running gateway: its words and its exit code."""

import sqlite3

import orjson
from click.testing import CliRunner
from support import books
from support.commands import tollkeeper
from support.gateways import ACCOUNT, TestGateway, running_gateway
from support.metering_api import caught_up

from gateway.cli.audit import audit
from gateway.stores.history.sqlite import FILE


async def some_calls(gateway: TestGateway) -> None:
    for _ in range(3):
        async with gateway.chat() as answer:
            await answer.read()
    await caught_up(gateway)


async def test_an_audit_of_a_running_gateway_finds_nothing_until_something_is_changed(
    tmp_path, store_url
):
    async with running_gateway(tmp_path, store_url) as gateway:
        await some_calls(gateway)
        config = str(tmp_path / "gateway.yaml")

        fine = await tollkeeper("audit", "--config", config)
        machine = await tollkeeper("audit", ACCOUNT, "--json", "--config", config)
        with sqlite3.connect(tmp_path / "data" / FILE) as connection:
            connection.execute("UPDATE entries SET amount = amount + 1 WHERE kind = 'settled'")
        changed = await tollkeeper("audit", "--repair", "--yes", "--json", "--config", config)
        told = await tollkeeper("audit", "--config", config)

    assert (0, "1 accounts agree with the journal, and its chains are whole.\n") == (
        fine.code,
        fine.out,
    )
    assert {
        "accounts": 1,
        "chain_faults": [],
        "differences": [],
        "entries": [],
        "planned": [],
        "corrections": [],
        "closed_shards": [],
    } == machine.json()
    assert 1 == changed.code
    [fault] = orjson.loads(changed.out)["chain_faults"]
    # Behind the grant and the notice of the key.
    assert (3, ACCOUNT) == (fault["number"], fault["account"])
    # Nothing is written on the word of a journal that is not whole.
    assert [] == orjson.loads(changed.out)["corrections"]
    assert 1 == told.code
    assert "The journal is not as it was written" in told.out
    assert "This cannot be repaired" in told.out


async def set_back(client, grant_id, lost_ucr):
    """As a store that forgot a charge: it is not in the totals, and the grant did not pay it."""

    def totals(numbers):
        numbers[0] += lost_ucr
        numbers[6] -= lost_ucr

    def standing(numbers):
        numbers[0] += lost_ucr
        numbers[2] -= lost_ucr

    await books.change_totals(client, ACCOUNT, totals)
    await books.change_grant(client, ACCOUNT, grant_id, standing)


async def test_what_the_store_lost_is_told_and_corrected(tmp_path, store_url):
    async with running_gateway(tmp_path, store_url) as gateway:
        await some_calls(gateway)
        config = str(tmp_path / "gateway.yaml")
        books = await gateway.balance()
        lost = 7
        [grant] = books.grants
        await set_back(gateway.ledger._client, grant.grant_id, lost)

        shown = await tollkeeper("audit", "--repair", "--dry-run", "--config", config)
        refused = await tollkeeper("audit", "--repair", "--config", config)
        untouched = await gateway.balance()
        repaired = await tollkeeper("audit", "--repair", "--yes", "--config", config)
        after = await gateway.balance()

    assert "possible" in shown.out
    for told in (shown, refused):
        assert 1 == told.code
        assert "--repair writes:" in told.out
        assert "charged according to the journal, and lost by the store" in told.out
    # Nobody answered.
    assert "Write 1 corrections?" in refused.out
    assert books.charged_ucr - lost == untouched.charged_ucr
    assert 0 == repaired.code, repaired.out
    assert repaired.out.startswith("Corrected: audit-0-charged-")
    assert (books.charged_ucr, books.available_ucr) == (after.charged_ucr, after.available_ucr)


def test_a_machine_that_repairs_says_whether_to_write():
    told = CliRunner().invoke(audit, ["--repair", "--json"])

    assert 2 == told.exit_code
    assert "--yes or --dry-run" in told.output
