"""`tollkeeper audit` beside a running gateway: its words and its exit code."""

import sqlite3

import orjson
from support.commands import tollkeeper
from support.gateways import ACCOUNT, TestGateway, running_gateway
from support.metering_api import caught_up

from gateway.stores.history.sqlite import FILE
from gateway.stores.redis.layout import account_key


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
        changed = await tollkeeper("audit", "--repair", "--json", "--config", config)
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
        "corrections": [],
    } == machine.json()
    assert 1 == changed.code
    [fault] = orjson.loads(changed.out)["chain_faults"]
    assert (2, ACCOUNT) == (fault["number"], fault["account"])
    # Nothing is written on the word of a journal that is not whole.
    assert [] == orjson.loads(changed.out)["corrections"]
    assert 1 == told.code
    assert "The journal is not as it was written" in told.out


async def test_what_the_store_lost_is_told_and_corrected(tmp_path, store_url):
    async with running_gateway(tmp_path, store_url) as gateway:
        await some_calls(gateway)
        config = str(tmp_path / "gateway.yaml")
        books = await gateway.balance()
        lost = 7
        await gateway.ledger._client.command("HINCRBY", account_key(ACCOUNT), "charged", -lost)
        [grant] = books.grants
        grants = f"{account_key(ACCOUNT)}:g"
        await gateway.ledger._client.command("HINCRBY", grants, f"{grant.grant_id}:c", -lost)
        await gateway.ledger._client.command("HINCRBY", grants, f"{grant.grant_id}:r", lost)
        await gateway.ledger._client.command("HINCRBY", account_key(ACCOUNT), "available", lost)

        found = await tollkeeper("audit", "--config", config)
        repaired = await tollkeeper("audit", "--repair", "--config", config)
        after = await gateway.balance()

    assert 1 == found.code
    assert "charged" in found.out
    assert "possible" in found.out
    assert 0 == repaired.code, repaired.out
    assert repaired.out.startswith("Corrected: audit-charged-")
    assert (books.charged_ucr, books.available_ucr) == (after.charged_ucr, after.available_ucr)
