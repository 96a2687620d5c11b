"""Grants that are used up leave an account's state; nothing is answered otherwise for it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
from support import asks
from support.audit import audit_account

from gateway.errors import Conflict, NotFound
from gateway.metering.balance import Forgotten
from gateway.metering.ledger import Correct, Grant, GrantKind, VoidGrant
from gateway.stores.redis.layout import ids_key, money_keys
from gateway.stores.redis.ledger import USED_UP_KEPT, RedisLedger

# What they do not run on alike is seen in property/test_conservation.py.
pytestmark = pytest.mark.parametrize("store_server", ["redis"], indirect=True)

CALLS = (f"call-{number}" for number in count())


@pytest.fixture
def forgetful(ledger: RedisLedger) -> RedisLedger:
    """One that keeps only the newest grant that is used up."""
    return RedisLedger(ledger._client, used_up_kept=1)


def grant(grant_id: str, amount_ucr: int = 10, **fields: object) -> Grant:
    given = {"grant_id": grant_id, "account_id": asks.ACCOUNT, "amount_ucr": amount_ucr}
    return Grant(**given | fields)  # type: ignore[arg-type]


async def use_up(ledger: RedisLedger, *grants: Grant) -> None:
    """One after the other."""
    for each in grants:
        await ledger.grant(each)
        await ledger.settle(asks.settle(next(CALLS), each.amount_ucr))


async def stored(ledger: RedisLedger) -> int:
    """Fields of the account's grants."""
    return int(await ledger._client.command("HLEN", money_keys(asks.ACCOUNT)[2]))


async def test_the_newest_stay_as_they_were_and_the_others_as_sums(forgetful: RedisLedger) -> None:
    await forgetful.open()
    await forgetful.grant(grant("lapses", 7, expires_ms=1))
    await use_up(forgetful, *(grant(f"g{number}") for number in range(3)))
    await forgetful.grant(grant("taken-back", 5))
    await forgetful.void_grant(VoidGrant("taken-back", asks.ACCOUNT))
    # The newest of one millisecond would be whichever burns last.
    await asyncio.sleep(0.005)
    await use_up(forgetful, grant("last"))
    await forgetful.grant(grant("pays", 100))

    balance = await audit_account(forgetful, asks.ACCOUNT)

    assert ["last", "pays"] == [each.grant_id for each in balance.grants]
    assert Forgotten(5, 42, consumed_ucr=30, expired_ucr=7, voided_ucr=5) == balance.forgotten
    assert (152, 40, 7, 5) == (
        balance.granted_ucr,
        balance.consumed_ucr,
        balance.lapsed_ucr,
        balance.voided_ucr,
    )


async def test_an_account_that_is_topped_up_for_ever_does_not_grow(ledger: RedisLedger) -> None:
    await use_up(ledger, *(grant(f"g{number}") for number in range(USED_UP_KEPT + 1)))
    before = await stored(ledger)

    await use_up(ledger, *(grant(f"more-{number}") for number in range(60)))

    assert before == await stored(ledger)
    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (USED_UP_KEPT, 61) == (len(balance.grants), balance.forgotten.grants)


async def test_what_a_running_call_holds_of_is_not_used_up(forgetful: RedisLedger) -> None:
    await forgetful.open()
    await forgetful.grant(grant("held"))
    await forgetful.reserve(asks.reserve(forgetful, "runs", 10))
    await use_up(forgetful, grant("g1"), grant("g2"))
    during = await audit_account(forgetful, asks.ACCOUNT)
    await forgetful.settle(asks.settle("runs", 4))

    after = await audit_account(forgetful, asks.ACCOUNT)

    assert ["held", "g2"] == [each.grant_id for each in during.grants]
    assert (6, 24) == (after.available_ucr, after.charged_ucr)


async def test_a_call_that_is_settled_late_pays_from_what_there_is(forgetful: RedisLedger) -> None:
    """The grant that its hold was taken from is forgotten by then."""
    await forgetful.open()
    await forgetful.grant(grant("g1"))
    await forgetful.reserve(asks.reserve(forgetful, "slow", 10, lease_ms=0))
    await forgetful.extend(asks.extend("slow", 1, 0, charge_ucr=10, lease_ms=0))
    while not await forgetful.expire_holds():
        pass
    await use_up(forgetful, grant("g2"), grant("g3"))
    await forgetful.grant(grant("pays", 50))

    settled = await forgetful.settle(asks.settle("slow", 25))

    balance = await audit_account(forgetful, asks.ACCOUNT)
    assert (15, True) == (settled.charged_ucr, settled.late)
    assert (35, 2) == (balance.available_ucr, balance.forgotten.grants)


Asked = Callable[[RedisLedger], Awaitable[object]]
ASKED_AGAIN: dict[str, Asked] = {
    "the same grant": lambda ledger: ledger.grant(grant("g1")),
    "another amount": lambda ledger: ledger.grant(grant("g1", 11)),
    "another kind": lambda ledger: ledger.grant(grant("g1", kind=GrantKind.PROMO)),
    "of another plan": lambda ledger: ledger.grant(grant("g1", plan_since_ms=5)),
    "one that was taken back": lambda ledger: ledger.grant(grant("void")),
    "a correction of its id": lambda ledger: ledger.correct(correction("g1", 3)),
    "a grant of a correction's id": lambda ledger: ledger.grant(grant("c1")),
    "a correction": lambda ledger: ledger.correct(correction("c1", 3)),
    "another correction": lambda ledger: ledger.correct(correction("c1", 4)),
    "void it": lambda ledger: ledger.void_grant(VoidGrant("g1", asks.ACCOUNT)),
    "void it again": lambda ledger: ledger.void_grant(VoidGrant("g1", asks.ACCOUNT)),
    "void it in part": lambda ledger: ledger.void_grant(VoidGrant("g2", asks.ACCOUNT, 4)),
    "void a void one": lambda ledger: ledger.void_grant(VoidGrant("void", asks.ACCOUNT)),
    "as much as was void": lambda ledger: ledger.void_grant(VoidGrant("part", asks.ACCOUNT, 4)),
    "more than was void": lambda ledger: ledger.void_grant(VoidGrant("part", asks.ACCOUNT, 5)),
    "void a correction": lambda ledger: ledger.void_grant(VoidGrant("c1", asks.ACCOUNT)),
    "void what never was": lambda ledger: ledger.void_grant(VoidGrant("g0", asks.ACCOUNT)),
    "a refund that grew": lambda ledger: ledger.correct(refund(9)),
    "a refund told late": lambda ledger: ledger.correct(refund(5)),
}


def correction(name: str, amount_ucr: int, *, grows: bool = False) -> Correct:
    return Correct(correction_id=name, account_id=asks.ACCOUNT, amount_ucr=amount_ucr, grows=grows)


def refund(amount_ucr: int) -> Correct:
    return correction("refund", amount_ucr, grows=True)


async def answers(ledger: RedisLedger) -> dict[str, object]:
    await ledger.open()
    await use_up(ledger, grant("g1"), grant("g2"))
    await ledger.grant(grant("void"))
    await ledger.void_grant(VoidGrant("void", asks.ACCOUNT))
    await ledger.grant(grant("part"))
    await ledger.void_grant(VoidGrant("part", asks.ACCOUNT, 4))
    await ledger.settle(asks.settle(next(CALLS), 6))
    await ledger.grant(grant("g3", 100))
    await ledger.correct(correction("c1", 3))
    await ledger.correct(refund(7))
    await use_up(ledger, grant("g4", 90), grant("g5", 1))
    found: dict[str, object] = {}
    for name, ask in ASKED_AGAIN.items():
        try:
            found[name] = await ask(ledger)
        except (Conflict, NotFound) as error:
            found[name] = type(error)
    return found


async def test_nothing_is_answered_otherwise_for_it(
    ledger: RedisLedger, forgetful: RedisLedger
) -> None:
    expected = await answers(ledger)
    whole = await audit_account(ledger, asks.ACCOUNT)
    await ledger._client.command("FLUSHALL")

    assert expected == await answers(forgetful)
    found = await audit_account(forgetful, asks.ACCOUNT)
    assert 0 == whole.forgotten.grants < found.forgotten.grants
    assert (whole.available_ucr, whole.debt_ucr, whole.corrected_ucr) == (
        found.available_ucr,
        found.debt_ucr,
        found.corrected_ucr,
    )


async def test_so_many_at_once_and_not_more(ledger: RedisLedger, forgetful: RedisLedger) -> None:
    """What an account has too many of, as when one call used up hundreds, goes by and by."""
    for number in range(150):
        await ledger.grant(grant(f"g{number}", 1))
    await ledger.settle(asks.settle("all", 150))

    gone = [(await audit_account(forgetful, asks.ACCOUNT)).forgotten.grants for _ in range(3)]

    assert [64, 128, 149] == gone
    assert 150 == await ledger._client.command("HLEN", ids_key(asks.ACCOUNT))
