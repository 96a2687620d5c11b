"""Credit taken back: voided grants, corrections, and sums of refunds in any order."""

from itertools import permutations

import pytest
from support import asks
from support.audit import audit_account
from support.redis_server import KINDS

from gateway.errors import BadCall, Conflict, NotFound
from gateway.metering.audit import Books, differences
from gateway.metering.ledger import Correct, Corrected, Grant, Voided, VoidGrant
from gateway.stores.redis.ledger import RedisLedger

STORE_FORMS = (*KINDS, "cluster")


async def fund(ledger: RedisLedger, amount_ucr: int, grant_id: str = "g1") -> None:
    await ledger.grant(Grant(grant_id=grant_id, account_id=asks.ACCOUNT, amount_ucr=amount_ucr))


def correction(
    amount_ucr: int, name: str = "c1", *, note: str = "", grows: bool = False
) -> Correct:
    return Correct(
        correction_id=name,
        account_id=asks.ACCOUNT,
        amount_ucr=amount_ucr,
        note=note,
        grows=grows,
    )


VOID = VoidGrant("g1", asks.ACCOUNT)


async def test_voiding_takes_what_is_left_once(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.settle(asks.settle("r0", 30))

    assert Voided(repeated=False, voided_ucr=70) == await ledger.void_grant(VOID)
    assert Voided(repeated=True, voided_ucr=0) == await ledger.void_grant(VOID)
    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (0, 30, 70) == (
        balance.available_ucr,
        balance.grants[0].consumed_ucr,
        balance.grants[0].voided_ucr,
    )
    with pytest.raises(NotFound):
        await ledger.void_grant(VoidGrant("g2", asks.ACCOUNT))


async def test_what_a_running_call_holds_of_it_may_pay_and_what_it_gives_back_is_void(
    ledger: RedisLedger,
) -> None:
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 60))
    await ledger.void_grant(VOID)
    await ledger.settle(asks.settle("r1", 25))

    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (0, 25, 75, 0) == (
        balance.available_ucr,
        balance.grants[0].consumed_ucr,
        balance.grants[0].voided_ucr,
        balance.debt_ucr,
    )


async def test_a_grant_of_the_future_can_be_voided(ledger: RedisLedger) -> None:
    later_ms = ledger.now_ms() + 3_600_000
    await fund(ledger, 5, "g0")
    await ledger.grant(
        Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=100, effective_ms=later_ms)
    )

    assert 100 == (await ledger.void_grant(VOID)).voided_ucr
    assert 5 == (await audit_account(ledger, asks.ACCOUNT)).available_ucr


async def test_a_correction_takes_what_there_is_and_owes_the_rest(ledger: RedisLedger) -> None:
    await fund(ledger, 100)

    taken = Corrected(repeated=False, taken_ucr=100, debt_ucr=20)
    assert taken == await ledger.correct(correction(120))
    assert Corrected(repeated=True, taken_ucr=0, debt_ucr=0) == await ledger.correct(
        correction(120)
    )
    owing = await audit_account(ledger, asks.ACCOUNT)
    await fund(ledger, 50, "g2")
    paid = await audit_account(ledger, asks.ACCOUNT)
    assert (0, 20, 20, 0) == (
        owing.available_ucr,
        owing.debt_ucr,
        owing.corrected_ucr,
        owing.charged_ucr,
    )
    assert (30, 0, 20) == (paid.available_ucr, paid.debt_ucr, paid.corrected_ucr)


async def test_its_debt_is_paid_by_what_a_running_call_gives_back(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 90))
    await ledger.correct(correction(50))
    await ledger.release(asks.release("r1"))

    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (50, 0) == (balance.available_ucr, balance.debt_ucr)


async def test_an_id_stands_for_one_thing(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.correct(correction(10, note="why"))
    for other in (correction(11, note="why"), correction(10), correction(5, "g1")):
        with pytest.raises(Conflict):
            await ledger.correct(other)
    with pytest.raises(Conflict):
        await fund(ledger, 10, "c1")
    with pytest.raises(BadCall):
        await ledger.correct(correction(-1, "c2"))


@pytest.mark.parametrize("order", list(permutations([30, 50, 80])))
async def test_sums_that_grow_may_come_in_any_order(
    ledger: RedisLedger, order: tuple[int, ...]
) -> None:
    await fund(ledger, 60)
    for amount in (*order, *order):
        await ledger.correct(correction(amount, grows=True))

    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (0, 20, 60) == (
        balance.available_ucr,
        balance.debt_ucr,
        balance.grants[0].voided_ucr,
    )


async def test_the_audit_finds_nothing_wrong_with_what_was_taken_back(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await fund(ledger, 50, "g2")
    await ledger.correct(correction(20))
    await ledger.void_grant(VOID)
    books = Books()
    for entry in await ledger.events(asks.ACCOUNT):
        books.add(entry)

    assert [] == list(differences(books, await ledger.balance(asks.ACCOUNT)))
