"""Holds that nobody here waits for: what stands with them, and what a probe would hold."""

import orjson
from support import asks
from support.audit import audit_account
from support.redis_server import KINDS

from gateway.metering.ledger import (
    Ending,
    Grant,
    HoldState,
    Reason,
    Refused,
    Reservation,
    Reserved,
    UnknownHold,
)
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.stored_reservation import reservation_of

STORE_FORMS = (*KINDS, "cluster")


def reservation(ledger: RedisLedger, *, output_tokens: int = 5) -> Reservation:
    return Reservation(
        owed=asks.settle("r1", 0, charges=(asks.token_charge(ledger, 500, 60),)),
        priced_as="small-1",
        input_tokens=7,
        output_tokens=output_tokens,
        pieces=(("image.hd", 2), ("web_search", 1)),
        overdraft_ucr=3,
    )


async def hold(ledger: RedisLedger, *, lease_ms: int = asks.LEASE_MS) -> Reservation:
    """60 of 100 held, with its reservation."""
    await ledger.grant(Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=100))
    kept = reservation(ledger)
    ask = asks.reserve(
        ledger,
        "r1",
        60,
        charges=kept.owed.charges,
        lease_ms=lease_ms,
        reservation=kept,
    )
    assert isinstance(await ledger.reserve(ask), Reserved)
    return kept


async def state(ledger: RedisLedger) -> HoldState:
    found = await ledger.hold(asks.ACCOUNT, "r1")
    assert isinstance(found, HoldState)
    return found


async def test_a_reservation_stands_with_its_hold(ledger: RedisLedger) -> None:
    kept = await hold(ledger)
    found = await state(ledger)

    assert (None, 60, 0, kept) == (
        found.ending,
        found.held_ucr,
        found.sequence,
        found.reservation,
    )
    assert abs(found.deadline_ms - ledger.now_ms() - asks.LEASE_MS) < 5_000
    await audit_account(ledger, asks.ACCOUNT)


async def test_an_extension_replaces_it_and_a_refused_one_does_not(ledger: RedisLedger) -> None:
    kept = await hold(ledger)
    larger = reservation(ledger, output_tokens=9)
    charges = kept.owed.charges
    await ledger.extend(asks.extend("r1", 1, 10, charges=charges, reservation=larger))
    too_large = reservation(ledger, output_tokens=99)
    refused = await ledger.extend(asks.extend("r1", 2, 900, charges=charges, reservation=too_large))

    assert isinstance(refused, Refused)
    assert (70, 2, larger) == (
        (await state(ledger)).held_ucr,
        (await state(ledger)).sequence,
        (await state(ledger)).reservation,
    )


async def test_an_expired_hold_keeps_it_and_a_settled_one_does_not(ledger: RedisLedger) -> None:
    kept = await hold(ledger, lease_ms=0)
    assert 1 == await ledger.expire_holds()
    expired = await state(ledger)
    await ledger.settle(asks.settle("r1", 5, charges=kept.owed.charges))

    assert (Ending.EXPIRED, kept) == (expired.ending, expired.reservation)
    assert (Ending.SETTLED, None) == (
        (await state(ledger)).ending,
        (await state(ledger)).reservation,
    )


async def test_a_hold_that_never_was_is_unknown(ledger: RedisLedger) -> None:
    assert UnknownHold() == await ledger.hold(asks.ACCOUNT, "r1")


async def test_a_probe_answers_as_a_reserve_and_holds_nothing(ledger: RedisLedger) -> None:
    await ledger.grant(Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=100))
    charge = asks.token_charge(ledger, 500, 60)
    probe = await ledger.reserve(asks.reserve(ledger, "p", 60, charges=(charge,), probe=True))
    refused = await ledger.reserve(asks.reserve(ledger, "p", 101, probe=True))

    assert isinstance(probe, Reserved)
    assert (60, 100, (440,)) == (probe.held_ucr, probe.available_ucr, probe.rooms)
    assert isinstance(refused, Refused)
    assert Reason.BALANCE == refused.reason
    assert UnknownHold() == await ledger.hold(asks.ACCOUNT, "p")
    assert 0 == (await audit_account(ledger, asks.ACCOUNT)).live_holds


async def test_a_reservation_of_a_newer_version_is_read_as_far_as_it_is_known(
    ledger: RedisLedger,
) -> None:
    kept = reservation(ledger)

    assert kept == reservation_of(orjson.loads(orjson.dumps(kept)) | {"later": 1})
