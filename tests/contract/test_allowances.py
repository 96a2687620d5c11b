"""Allowances on the server: made once by whoever looks, in force by its clock, rolled over.

Periods are days and months: so that a test may see one turn, grants are given with an end that
comes within milliseconds, as an allowance's are.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support import asks
from support.audit import audit_account

from gateway.access.accounts import Accounts
from gateway.errors import Conflict
from gateway.metering.accounts import Account
from gateway.metering.balance import GrantState
from gateway.metering.journal import Entry
from gateway.metering.ledger import Grant, GrantKind, Reserved, Settle, VoidGrant
from gateway.metering.periods import DAY_MS, Every
from gateway.metering.plans import Allowance, Plan, PlanChange
from gateway.stores.redis.agenda import RedisAgenda
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger
from gateway.workers import agenda as worker

ACCOUNT = asks.ACCOUNT
DAILY = Allowance(amount_ucr=1_000, every=Every.DAY)
PLANS = {
    "small": Plan(name="small", allowance=DAILY),
    "large": Plan(
        name="large", allowance=replace(DAILY, amount_ucr=9_000, plan_change=PlanChange.PRORATED)
    ),
    "later": Plan(name="later", allowance=replace(DAILY, amount_ucr=5_000)),
    "bare": Plan(name="bare"),
}


@pytest.fixture
async def keys(store_url: str) -> AsyncIterator[RedisKeyStore]:
    keys = RedisKeyStore(store_url, find_timeout_s=5.0)
    yield keys
    await keys.close()


@pytest.fixture
def accounts(keys: RedisKeyStore, ledger: RedisLedger) -> Accounts:
    return Accounts(keys, ledger, PLANS)


@pytest.fixture
def agenda(store_client: RedisClient) -> RedisAgenda:
    return RedisAgenda(store_client)


def account(ledger: RedisLedger, plan: str = "small") -> Account:
    return Account(account_id=ACCOUNT, plan=plan, created_ms=ledger.now_ms())


async def in_force(ledger: RedisLedger) -> list[GrantState]:
    balance = await audit_account(ledger, ACCOUNT)
    return [grant for grant in balance.grants if grant.effective_ms <= balance.now_ms]


async def entries(ledger: RedisLedger, *kinds: str) -> list[Entry]:
    return [entry for entry in await ledger.events(ACCOUNT) if entry.kind in kinds]


async def until(ledger: RedisLedger, moment_ms: int) -> None:
    while (await ledger.balance(ACCOUNT)).now_ms < moment_ms:
        await asyncio.sleep(0.005)


async def test_a_new_account_has_its_allowance_at_once_and_tomorrows_ahead(
    accounts: Accounts, ledger: RedisLedger
) -> None:
    await accounts.put(account(ledger))

    (now,) = await in_force(ledger)
    balance = await ledger.balance(ACCOUNT)
    ahead = [grant for grant in balance.grants if grant.effective_ms > balance.now_ms]
    assert (1_000, 1_000) == (now.amount_ucr, balance.available_ucr)
    assert [now.expires_ms] == [grant.effective_ms for grant in ahead]
    assert [now.grant_id] == [
        each.operation_id for each in await entries(ledger, "allowance.reset")
    ]


async def test_fifty_at_once_make_each_grant_once(accounts: Accounts, ledger: RedisLedger) -> None:
    begun = account(ledger)
    await accounts.keys.put_account(begun)

    await asyncio.gather(*(accounts.look(begun) for _ in range(50)))

    funded = await entries(ledger, "funded")
    assert 2 == len(funded) == len({entry.operation_id for entry in funded})
    assert 1_000 == (await audit_account(ledger, ACCOUNT)).available_ucr


async def test_the_worker_sees_to_accounts_that_nobody_else_looks_at(
    accounts: Accounts, agenda: RedisAgenda, ledger: RedisLedger
) -> None:
    """Put without a look, as by a process that died in between."""
    await accounts.keys.put_account(account(ledger))

    while not await worker.run_once(agenda, accounts):
        await asyncio.sleep(0.01)

    assert 1_000 == (await audit_account(ledger, ACCOUNT)).available_ucr


async def test_an_account_is_looked_at_again_when_its_next_allowance_is_due(
    accounts: Accounts, agenda: RedisAgenda, ledger: RedisLedger
) -> None:
    await accounts.put(account(ledger))
    while await worker.run_once(agenda, accounts):
        pass

    (place,) = [
        await ledger._client.command("ZSCORE", f"{{s{number:02d}}}agenda", ACCOUNT)
        for number in range(64)
        if await ledger._client.command("ZSCORE", f"{{s{number:02d}}}agenda", ACCOUNT)
    ]
    balance = await ledger.balance(ACCOUNT)
    assert 0 < float(place) - balance.now_ms <= DAY_MS


async def test_what_lapses_is_booked_although_nobody_calls(
    accounts: Accounts, agenda: RedisAgenda, ledger: RedisLedger
) -> None:
    await accounts.put(account(ledger, "bare"))
    await ledger.grant(
        Grant(grant_id="g", account_id=ACCOUNT, amount_ucr=7, expires_ms=ledger.now_ms() + 50)
    )

    while not (lapsed := await entries(ledger, "grant_expired")):
        await worker.run_once(agenda, accounts)
        await asyncio.sleep(0.01)

    assert [("g", 7)] == [(entry.operation_id, entry.amount_ucr) for entry in lapsed]


async def test_new_terms_have_every_account_looked_at_once(
    accounts: Accounts, agenda: RedisAgenda, ledger: RedisLedger
) -> None:
    await accounts.put(account(ledger, "bare"))
    while await worker.run_once(agenda, accounts):
        pass

    assert [True, False] == [await agenda.review("one"), await agenda.review("one")]
    assert [ACCOUNT] == [*await agenda.claim(limit=10, claim_ms=60_000)]
    assert [] == [*await agenda.claim(limit=10, claim_ms=60_000)]
    assert await agenda.review("two")


async def test_twenty_that_move_an_account_move_it_once(
    accounts: Accounts, ledger: RedisLedger
) -> None:
    began = account(ledger)
    await accounts.put(began)

    await asyncio.gather(*(accounts.move(began, "later") for _ in range(20)))

    moved = await accounts.keys.account(ACCOUNT)
    assert moved is not None
    assert ("later", "small") == (moved.plan, moved.former_plan)
    balance = await audit_account(ledger, ACCOUNT)
    ahead = [each for each in balance.grants if each.effective_ms > balance.now_ms]
    # The old plan's for today stays; tomorrow's is taken back, and the new plan's is there.
    assert 1_000 == balance.available_ucr
    assert {0, 5_000} == {each.remaining_ucr for each in ahead}


async def test_prorated_the_old_plans_rest_goes_and_the_new_ones_comes(
    accounts: Accounts, ledger: RedisLedger
) -> None:
    began = account(ledger)
    await accounts.put(began)
    await ledger.settle(asks.settle("r1", 400))

    await accounts.move(began, "large")

    old, new = await in_force(ledger)
    if old.amount_ucr != 1_000:
        old, new = new, old
    share = (new.expires_ms - new.effective_ms) / DAY_MS
    assert new.amount_ucr == pytest.approx(9_000 * share, abs=1)
    # As far as it was still there: 400 were used.
    span = (new.expires_ms - new.effective_ms) / (old.expires_ms - old.effective_ms)
    assert old.voided_ucr == pytest.approx(min(600, 1_000 * span), abs=1)


async def test_a_grant_for_the_plan_before_comes_too_late(
    accounts: Accounts, ledger: RedisLedger
) -> None:
    """Who read the account before it moved asks for what is due no more."""
    began = account(ledger)
    await accounts.put(began)
    await accounts.move(began, "later")

    with pytest.raises(Conflict):
        await ledger.grant(
            Grant(
                grant_id="allowance:small:late",
                account_id=ACCOUNT,
                amount_ucr=1,
                plan_since_ms=began.created_ms,
            )
        )


# The turn of a period


def allowance(ledger: RedisLedger, number: int, start_ms: int, end_ms: int, **more: int) -> Grant:
    del ledger
    return Grant(
        grant_id=f"allowance:small:{number}",
        account_id=ACCOUNT,
        amount_ucr=100,
        kind=GrantKind.ALLOWANCE,
        priority=10,
        effective_ms=start_ms,
        expires_ms=end_ms,
        **more,
    )


async def test_at_the_turn_nothing_has_to_run(ledger: RedisLedger) -> None:
    """One lapses and the next is in force, told of by the very call that comes first."""
    now_ms = ledger.now_ms()
    turn_ms = now_ms + 80
    await ledger.grant(allowance(ledger, 1, now_ms - 1000, turn_ms))
    await ledger.grant(allowance(ledger, 2, turn_ms, turn_ms + 3_600_000))
    await ledger.settle(asks.settle("r1", 30))
    assert 70 == (await audit_account(ledger, ACCOUNT)).available_ucr
    while ledger.now_ms() < turn_ms + 5:
        await asyncio.sleep(0.005)

    reserved = await ledger.reserve(asks.reserve(ledger, "r2", 100))

    assert isinstance(reserved, Reserved)
    assert [70] == [entry.amount_ucr for entry in await entries(ledger, "grant_expired")]
    resets = [entry.operation_id for entry in await entries(ledger, "allowance.reset")]
    assert ["allowance:small:1", "allowance:small:2"] == resets
    await audit_account(ledger, ACCOUNT)


async def test_a_period_that_begins_pays_debt_first(ledger: RedisLedger) -> None:
    turn_ms = ledger.now_ms() + 60
    await ledger.grant(allowance(ledger, 1, turn_ms, turn_ms + 3_600_000))
    await ledger.settle(asks.settle("r1", 30))
    assert 30 == (await audit_account(ledger, ACCOUNT)).debt_ucr

    await until(ledger, turn_ms)

    balance = await audit_account(ledger, ACCOUNT)
    assert (0, 70) == (balance.debt_ucr, balance.available_ucr)
    assert [-30] == [entry.debt_ucr for entry in await entries(ledger, "debt_paid")]


async def test_overdraft_is_debt_that_the_next_grant_repays(ledger: RedisLedger) -> None:
    await ledger.grant(Grant(grant_id="g1", account_id=ACCOUNT, amount_ucr=10))
    await ledger.reserve(asks.reserve(ledger, "r1", 50, overdraft_ucr=60))
    await ledger.settle(asks.settle("r1", 45))
    assert 35 == (await audit_account(ledger, ACCOUNT)).debt_ucr

    granted = await ledger.grant(Grant(grant_id="g2", account_id=ACCOUNT, amount_ucr=100))

    balance = await audit_account(ledger, ACCOUNT)
    assert (35, 0, 65) == (granted.debt_paid_ucr, balance.debt_ucr, balance.available_ucr)


async def test_allowance_then_promo_then_what_was_bought(ledger: RedisLedger) -> None:
    now_ms = ledger.now_ms()
    await ledger.grant(Grant(grant_id="bought", account_id=ACCOUNT, amount_ucr=100))
    await ledger.grant(
        Grant(
            grant_id="promo",
            account_id=ACCOUNT,
            amount_ucr=100,
            kind=GrantKind.PROMO,
            priority=20,
            expires_ms=now_ms + 1_800_000,
        )
    )
    await ledger.grant(allowance(ledger, 1, now_ms - 1000, now_ms + 3_600_000))

    await ledger.settle(asks.settle("r1", 250))

    balance = await audit_account(ledger, ACCOUNT)
    consumed = {grant.grant_id: grant.consumed_ucr for grant in balance.grants}
    assert {"allowance:small:1": 100, "promo": 100, "bought": 50} == consumed


async def rolled(ledger: RedisLedger, used: Settle | None, cap: int) -> GrantState:
    """An allowance of 100 after its end, of which so much may stay for an hour."""
    now_ms = ledger.now_ms()
    end_ms = now_ms + 60
    await ledger.grant(
        allowance(
            ledger, 1, now_ms - 1000, end_ms, rollover_ucr=cap, rollover_ms=end_ms + 3_600_000
        )
    )
    if used:
        await ledger.settle(used)
    await until(ledger, end_ms)
    (grant,) = (await audit_account(ledger, ACCOUNT)).grants
    return grant


async def test_the_rest_of_a_period_rolls_over_up_to_its_bound(ledger: RedisLedger) -> None:
    grant = await rolled(ledger, asks.settle("r1", 30), 50)

    assert (50, 20, True) == (grant.remaining_ucr, grant.expired_ucr, grant.rolled_over)
    assert [20] == [entry.amount_ucr for entry in await entries(ledger, "grant_expired")]
    assert [50] == [entry.amount_ucr for entry in await entries(ledger, "rolled_over")]


async def test_less_than_the_bound_rolls_over_whole(ledger: RedisLedger) -> None:
    grant = await rolled(ledger, asks.settle("r1", 80), 50)

    assert (20, 0) == (grant.remaining_ucr, grant.expired_ucr)


async def test_what_rolled_over_lapses_in_the_end(ledger: RedisLedger) -> None:
    now_ms = ledger.now_ms()
    await ledger.grant(
        allowance(ledger, 1, now_ms - 1000, now_ms + 40, rollover_ucr=50, rollover_ms=now_ms + 120)
    )
    await until(ledger, now_ms + 120)

    (grant,) = (await audit_account(ledger, ACCOUNT)).grants
    assert (0, 100) == (grant.remaining_ucr, grant.expired_ucr)


async def test_it_burns_before_the_new_periods_allowance(ledger: RedisLedger) -> None:
    grant = await rolled(ledger, None, 50)
    await ledger.grant(allowance(ledger, 2, ledger.now_ms() - 1, grant.expires_ms))

    await ledger.settle(asks.settle("r1", 60))

    balance = await audit_account(ledger, ACCOUNT)
    assert [50, 10] == [grant.consumed_ucr for grant in balance.grants]


@pytest.mark.parametrize(("charge", "left"), [(0, 50), (70, 30), (100, 0)])
async def test_running_calls_count_within_the_bound(
    ledger: RedisLedger, charge: int, left: int
) -> None:
    """All of the 100 held at the turn: of what comes back no more than 50 stays."""
    now_ms = ledger.now_ms()
    end_ms = now_ms + 60
    await ledger.grant(
        allowance(ledger, 1, now_ms - 1000, end_ms, rollover_ucr=50, rollover_ms=end_ms + 3_600_000)
    )
    assert isinstance(await ledger.reserve(asks.reserve(ledger, "r1", 100)), Reserved)
    await until(ledger, end_ms)

    await ledger.settle(asks.settle("r1", charge))

    (grant,) = (await audit_account(ledger, ACCOUNT)).grants
    assert (left, charge) == (grant.remaining_ucr, grant.consumed_ucr)
    assert 100 - charge - left == grant.expired_ucr


async def test_a_part_of_a_grant_is_taken_back_once(ledger: RedisLedger) -> None:
    await ledger.grant(Grant(grant_id="g", account_id=ACCOUNT, amount_ucr=100))

    answers = [await ledger.void_grant(VoidGrant("g", ACCOUNT, up_to)) for up_to in (30, 30, 45)]

    assert [(False, 30), (True, 0), (False, 15)] == [
        (answer.repeated, answer.voided_ucr) for answer in answers
    ]
    assert 55 == (await audit_account(ledger, ACCOUNT)).available_ucr
