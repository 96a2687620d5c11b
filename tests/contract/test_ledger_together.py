"""Calls that are asked for in the same moment share a script, and nothing else."""

import asyncio
import re

import pytest
from support import asks
from support.audit import audit_account

from gateway.errors import GatewayError
from gateway.metering.ledger import Grant, Refused, Reserved, Settled
from gateway.stores.redis.layout import account_key
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.operations import TOGETHER_MAX

ACCOUNTS = [f"account-{number}" for number in range(20)]


async def scripts_run(ledger: RedisLedger) -> int:
    stats = (await ledger._client.command("INFO", "commandstats")).decode()
    return sum(map(int, re.findall(r"cmdstat_eval(?:sha)?:calls=(\d+)", stats)))


async def fund(ledger: RedisLedger, accounts: list[str], amount_ucr: int = 100) -> None:
    for account_id in accounts:
        await ledger.grant(Grant(grant_id="g1", account_id=account_id, amount_ucr=amount_ucr))


async def test_calls_of_many_accounts_share_scripts_and_have_their_own_answers(
    ledger: RedisLedger,
) -> None:
    await fund(ledger, ACCOUNTS)
    before = await scripts_run(ledger)
    reserves = [
        ledger.reserve(asks.reserve(ledger, f"h{n}", 30 * (n % 5), account_id=account_id))
        for n, account_id in enumerate(ACCOUNTS)
    ]
    reserved = await asyncio.gather(*reserves)
    ran = await scripts_run(ledger) - before
    settles = [
        ledger.settle(asks.settle(f"h{n}", n, account_id=account_id))
        for n, account_id in enumerate(ACCOUNTS)
    ]
    settled = await asyncio.gather(*settles)

    assert -(-len(ACCOUNTS) // TOGETHER_MAX) == ran
    for n, (answer, account_id) in enumerate(zip(reserved, ACCOUNTS, strict=True)):
        # Four times 30 is more than there is.
        if n % 5 == 4:
            assert isinstance(answer, Refused)
        else:
            assert isinstance(answer, Reserved)
            assert 30 * (n % 5) == answer.held_ucr
        assert isinstance(settled[n], Settled)
        assert n == (await audit_account(ledger, account_id)).charged_ucr


async def test_what_is_asked_in_one_moment_happens_in_its_order(ledger: RedisLedger) -> None:
    await fund(ledger, ["acme"])
    _, settled, _, balance = await asyncio.gather(
        ledger.reserve(asks.reserve(ledger, "h1", 100)),
        ledger.settle(asks.settle("h1", 40)),
        ledger.reserve(asks.reserve(ledger, "h2", 60)),
        ledger.balance("acme"),
    )

    assert Settled(charged_ucr=40, debt_ucr=0, late=False) == settled
    assert (0, 60, 40) == (balance.available_ucr, balance.held_ucr, balance.charged_ucr)
    await audit_account(ledger, "acme")


@pytest.mark.parametrize("broken", [0, 1, 2])
async def test_one_that_fails_fails_alone(ledger: RedisLedger, broken: int) -> None:
    accounts = ACCOUNTS[:3]
    await fund(ledger, accounts)
    await ledger._client.command("DEL", account_key(accounts[broken]))
    await ledger._client.command("SET", account_key(accounts[broken]), "no hash")
    reserves = [
        ledger.reserve(asks.reserve(ledger, "h1", 30, account_id=account_id))
        for account_id in accounts
    ]
    answers = await asyncio.gather(*reserves, return_exceptions=True)

    for n, account_id in enumerate(accounts):
        if n == broken:
            assert isinstance(answers[n], GatewayError)
        else:
            assert isinstance(answers[n], Reserved)
            assert 30 == (await audit_account(ledger, account_id)).held_ucr
