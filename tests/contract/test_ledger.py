"""What single operations of the ledger owe, beyond the stories of the table."""

import asyncio
from dataclasses import replace

import pytest
from support import asks, books
from support.audit import audit_account
from support.redis_forms import FORMS
from support.redis_server import Server

from gateway.errors import BadCall, Conflict
from gateway.metering.ledger import (
    AlreadyEnded,
    ClockSkewed,
    Ending,
    Extended,
    Grant,
    GrantKind,
    Reason,
    Refused,
    Released,
    Reserved,
    Settled,
)
from gateway.metering.limits import Charge, Limit, Need, Unit, Whose, Window, charges_for
from gateway.stores.redis import encode_holds
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.decode import stored_hold
from gateway.stores.redis.layout import DAY_MS, account_key, bucket_id, key_record_key, shard_tag
from gateway.stores.redis.ledger import USED_UP_KEPT, RedisLedger
from gateway.stores.redis.lua import EXPIRE, HOLD
from gateway.tasks import TaskSet

STORE_FORMS = tuple(FORMS)

LARGEST = 2**53 - 1


async def fund(ledger: RedisLedger, amount_ucr: int, **given: object) -> None:
    fields = {"grant_id": "g1", "account_id": asks.ACCOUNT, "amount_ucr": amount_ucr} | given
    await ledger.grant(Grant(**fields))  # type: ignore[arg-type]


async def bucket(ledger: RedisLedger, charge: Charge) -> tuple[int, int]:
    """Held and used units of a charge's bucket."""
    return await books.bucket(ledger._client, asks.ACCOUNT, charge.bucket)


async def until(ledger: RedisLedger, moment_ms: int) -> None:
    """Return when the server's own clock has come to that ms."""
    while (await ledger.balance(asks.ACCOUNT)).now_ms < moment_ms:
        await asyncio.sleep(0.005)


# Grants


async def test_grants_burn_by_priority_expiry_class_and_age(ledger: RedisLedger) -> None:
    soon_ms = ledger.now_ms() + 3_600_000
    await fund(ledger, 10, grant_id="e-newest")
    await fund(ledger, 10, grant_id="d-older", effective_ms=1)
    await fund(ledger, 10, grant_id="c-promo", kind=GrantKind.PROMO)
    await fund(ledger, 10, grant_id="b-soon", expires_ms=soon_ms)
    await fund(ledger, 10, grant_id="a-first", priority=10)
    await ledger.reserve(asks.reserve(ledger, "r1", 45))
    await ledger.settle(asks.settle("r1", 45))

    balance = await audit_account(ledger, asks.ACCOUNT)

    order = ["a-first", "b-soon", "c-promo", "d-older", "e-newest"]
    assert order == [grant.grant_id for grant in balance.grants]
    assert [10, 10, 10, 10, 5] == [grant.consumed_ucr for grant in balance.grants]


async def test_thousands_of_grants_may_pay_one_call(ledger: RedisLedger) -> None:
    """More than a script can name in one command."""
    count = 4_500
    for first in range(0, count, 500):
        some = range(first, first + 500)
        await asyncio.gather(*(fund(ledger, 2, grant_id=f"g{number}") for number in some))
    whole = await ledger.reserve(asks.reserve(ledger, "r1", 2 * count))
    await ledger.settle(asks.settle("r1", count))

    balance = await ledger.balance(asks.ACCOUNT)

    assert isinstance(whole, Reserved)
    assert (count, 0, count) == (balance.available_ucr, balance.held_ucr, balance.charged_ucr)
    assert count == balance.consumed_ucr


async def test_a_call_may_be_paid_by_sixty_grants(ledger: RedisLedger) -> None:
    for number in range(60):
        await fund(ledger, 10, grant_id=f"g{number:02d}")
    await ledger.reserve(asks.reserve(ledger, "r1", 595))
    await ledger.settle(asks.settle("r1", 455))

    balance = await audit_account(ledger, asks.ACCOUNT)

    assert 145 == balance.available_ucr
    older = 45 - USED_UP_KEPT
    assert (older, 10 * older) == (balance.forgotten.grants, balance.forgotten.consumed_ucr)
    consumed = [grant.consumed_ucr for grant in balance.grants]
    assert [10] * USED_UP_KEPT + [5] + [0] * 14 == consumed


async def test_a_grant_pays_nothing_before_its_time_or_after_it(ledger: RedisLedger) -> None:
    now_ms = ledger.now_ms()
    await fund(ledger, 10, grant_id="later", effective_ms=now_ms + 3_600_000)
    await fund(ledger, 10, grant_id="lapsed", expires_ms=now_ms - 1)
    await fund(ledger, 10, grant_id="now")

    refused = await ledger.reserve(asks.reserve(ledger, "r1", 11))

    assert isinstance(refused, Refused)
    assert 10 == refused.available_ucr
    balance = await audit_account(ledger, asks.ACCOUNT)
    assert {"later": 0, "lapsed": 10, "now": 0} == {
        grant.grant_id: grant.expired_ucr for grant in balance.grants
    }


async def test_a_grant_that_lapses_during_a_call_still_pays_for_it(ledger: RedisLedger) -> None:
    """Hold it all, let it lapse, settle for less: the rest is booked as expired."""
    expires_ms = ledger.now_ms() + 60
    await fund(ledger, 100, expires_ms=expires_ms)
    reserved = await ledger.reserve(asks.reserve(ledger, "r1", 80))
    assert isinstance(reserved, Reserved)
    await until(ledger, expires_ms)

    assert await ledger.settle(asks.settle("r1", 50)) == Settled(
        charged_ucr=50, debt_ucr=0, late=False
    )
    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (0, 50, 50) == (
        balance.available_ucr,
        balance.grants[0].consumed_ucr,
        balance.grants[0].expired_ucr,
    )


async def test_credit_that_lapsed_while_held_pays_no_debt(ledger: RedisLedger) -> None:
    expires_ms = ledger.now_ms() + 60
    await fund(ledger, 100, expires_ms=expires_ms)
    assert isinstance(await ledger.reserve(asks.reserve(ledger, "r1", 100)), Reserved)
    await ledger.settle(asks.settle("lost", 30))
    await until(ledger, expires_ms)
    await ledger.release(asks.release("r1"))

    balance = await audit_account(ledger, asks.ACCOUNT)

    assert (30, 100) == (balance.debt_ucr, balance.grants[0].expired_ucr)


async def test_a_grant_whose_time_comes_pays_debt_first(ledger: RedisLedger) -> None:
    effective_ms = ledger.now_ms() + 300
    await fund(ledger, 100, effective_ms=effective_ms)
    await ledger.settle(asks.settle("lost", 30))
    assert 30 == (await audit_account(ledger, asks.ACCOUNT)).debt_ucr
    await until(ledger, effective_ms)

    balance = await audit_account(ledger, asks.ACCOUNT)

    assert (0, 70) == (balance.debt_ucr, balance.available_ucr)


async def test_one_grant_id_with_another_payload_is_a_conflict(ledger: RedisLedger) -> None:
    await fund(ledger, 10)

    with pytest.raises(Conflict):
        await fund(ledger, 11)

    assert 10 == (await audit_account(ledger, asks.ACCOUNT)).granted_ucr


async def test_the_largest_amount_survives_every_step_exactly(ledger: RedisLedger) -> None:
    """Lua prints 1e15 as such when it is careless; 2^53 - 1 is the largest exact integer."""
    await fund(ledger, LARGEST)
    reserved = await ledger.reserve(asks.reserve(ledger, "r1", LARGEST))
    assert isinstance(reserved, Reserved)
    assert LARGEST == reserved.held_ucr
    await ledger.settle(asks.settle("r1", LARGEST - 1))

    balance = await audit_account(ledger, asks.ACCOUNT)

    assert (1, LARGEST - 1) == (balance.available_ucr, balance.charged_ucr)


async def test_amounts_a_script_could_not_count_are_refused(ledger: RedisLedger) -> None:
    with pytest.raises(BadCall):
        await fund(ledger, LARGEST + 1)
    with pytest.raises(BadCall):
        ledger.reserve(asks.reserve(ledger, "r1", LARGEST + 1))
    with pytest.raises(BadCall):
        ledger.settle(asks.settle("r1", -1))
    await fund(ledger, LARGEST)
    with pytest.raises(BadCall):
        await fund(ledger, 1, grant_id="g2")

    assert LARGEST == (await audit_account(ledger, asks.ACCOUNT)).available_ucr


# Limits


async def test_all_charges_are_held_or_none(ledger: RedisLedger) -> None:
    await fund(ledger, 1000)
    tokens, calls = asks.token_charge(ledger, 100, 60), asks.call_charge(ledger, 5)

    first = await ledger.reserve(asks.reserve(ledger, "r1", 1, charges=(tokens, calls)))
    second = await ledger.reserve(asks.reserve(ledger, "r2", 1, charges=(calls, tokens)))

    assert isinstance(first, Reserved)
    assert (40, 4) == first.rooms
    assert isinstance(second, Refused)
    assert (Reason.LIMIT, 1, (4, 40)) == (second.reason, second.limit_index, second.rooms)
    assert [(60, 0), (1, 0)] == [await bucket(ledger, tokens), await bucket(ledger, calls)]
    await audit_account(ledger, asks.ACCOUNT)


async def test_settling_replaces_held_units_by_used_ones(ledger: RedisLedger) -> None:
    await fund(ledger, 1000)
    charges = (asks.token_charge(ledger, 100, 60), asks.call_charge(ledger, 5))
    await ledger.reserve(asks.reserve(ledger, "r1", 1, charges=charges))
    await ledger.settle(asks.settle("r1", 1, charges=charges, amounts=(45, 0)))

    assert [(0, 45), (0, 0)] == [await bucket(ledger, charge) for charge in charges]
    await audit_account(ledger, asks.ACCOUNT)


async def test_full_is_held_only_where_the_room_is_ample(ledger: RedisLedger) -> None:
    """Four times the full amount must fit, in the balance and in each limit that is no shadow."""
    await fund(ledger, 1000)
    narrow, shadow = (
        asks.token_charge(ledger, 399, 10, 100, shadow=hide) for hide in (False, True)
    )

    least = await ledger.reserve(asks.reserve(ledger, "r1", 5, full_ucr=50, charges=(narrow,)))
    full = await ledger.reserve(asks.reserve(ledger, "r2", 5, full_ucr=50, charges=(shadow,)))
    poor = await ledger.reserve(asks.reserve(ledger, "r3", 5, full_ucr=300))

    held = [(answer.held_ucr, answer.full) for answer in (least, full, poor)]  # type: ignore[union-attr]
    assert [(5, False), (50, True), (5, False)] == held
    await audit_account(ledger, asks.ACCOUNT)


async def test_a_shadow_limit_counts_and_never_refuses(ledger: RedisLedger) -> None:
    await fund(ledger, 1000)
    shadow = asks.token_charge(ledger, 100, 150, shadow=True)

    answer = await ledger.reserve(asks.reserve(ledger, "r1", 1, charges=(shadow,)))

    assert isinstance(answer, Reserved)
    assert (0,) == answer.rooms
    assert (150, 0) == await bucket(ledger, shadow)


async def test_a_bucket_whose_window_is_over_makes_room_for_the_next(ledger: RedisLedger) -> None:
    """Whatever windows pass, an owner's limits take no more room than they need at once."""
    await fund(ledger, 1000)
    limit = Limit(unit=Unit.TOKENS, ceiling=100, window=Window.DAY)
    for number, day in enumerate(range(-3, 1)):
        charges = charges_for(
            (limit,),
            Need(0, 0, 60, 60),
            whose=Whose(asks.ACCOUNT),
            now_ms=ledger.now_ms() + day * DAY_MS,
        )
        await ledger.reserve(asks.reserve(ledger, f"r{number}", 1, charges=charges))
        await ledger.settle(asks.settle(f"r{number}", 1, charges=charges, amounts=(45,)))

    (owner,) = await books.owners(ledger._client, asks.ACCOUNT)
    stored = await books.buckets(ledger._client, asks.ACCOUNT, owner)

    assert {bucket_id(charges[0].bucket): (0, 45)} == stored


async def test_settling_into_a_forgotten_window_leaves_nothing_behind(ledger: RedisLedger) -> None:
    await fund(ledger, 1000)
    limit = Limit(unit=Unit.TOKENS, ceiling=100, window=Window.DAY)
    charges = charges_for(
        (limit,), Need(0, 0, 60, 60), whose=Whose(asks.ACCOUNT), now_ms=asks.STARTED_MS
    )
    await ledger.reserve(asks.reserve(ledger, "r1", 1, charges=charges))
    await ledger.settle(asks.settle("r1", 1, charges=charges, amounts=(45,)))

    assert (0, 0) == await bucket(ledger, charges[0])


async def test_an_extension_is_all_or_nothing_but_its_checkpoint_stays(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    charges = (asks.token_charge(ledger, 100, 60),)
    await ledger.reserve(asks.reserve(ledger, "r1", 50, charges=charges))

    def grow(sequence: int, add: int, tokens: int, owed: int) -> asyncio.Future[object]:
        ask = asks.extend(
            "r1",
            sequence,
            add,
            charge_ucr=owed,
            charges=charges,
            adds=(tokens,),
            amounts=(owed,),
            lease_ms=0,
        )
        return ledger.extend(ask)  # type: ignore[return-value]

    over_limit, over_balance = await grow(1, 10, 41, 30), await grow(2, 51, 10, 20)

    assert isinstance(over_limit, Refused)
    assert (Reason.LIMIT, 50, (40,)) == (
        over_limit.reason,
        over_limit.available_ucr,
        over_limit.rooms,
    )
    assert isinstance(over_balance, Refused)
    assert Reason.BALANCE == over_balance.reason
    assert 1 == await ledger.expire_holds()
    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (30, 70) == (balance.charged_ucr, balance.available_ucr)
    assert (0, 30) == await bucket(ledger, charges[0])


async def test_an_older_sequence_is_answered_not_applied(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 10))
    await ledger.extend(asks.extend("r1", 2, 20))

    answered = Extended(held_ucr=30, available_ucr=70, repeated=True)
    assert answered == await ledger.extend(asks.extend("r1", 2, 20))
    assert answered == await ledger.extend(asks.extend("r1", 1, 20))


# Keys, accounts, clocks


async def test_a_key_must_be_there_and_active(ledger: RedisLedger) -> None:
    await fund(ledger, 100)

    async def reason(hold_id: str) -> object:
        answer = await ledger.reserve(asks.reserve(ledger, hold_id, 1, key_id="k1"))
        return answer.reason if isinstance(answer, Refused) else type(answer)

    record = key_record_key(asks.ACCOUNT, "k1")
    missing = await reason("r1")
    await ledger._client.command("HSET", record, "st", "active")
    active = await reason("r2")
    await ledger._client.command("HSET", record, "st", "revoked")
    revoked = await reason("r3")

    assert [Reason.KEY, Reserved, Reason.KEY] == [missing, active, revoked]
    await audit_account(ledger, asks.ACCOUNT)


async def test_a_suspended_account_is_refused(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger._client.command("HSET", account_key(asks.ACCOUNT), "st", "suspended")

    answer = await ledger.reserve(asks.reserve(ledger, "r1", 1))

    assert isinstance(answer, Refused)
    assert (Reason.ACCOUNT, 100) == (answer.reason, answer.available_ucr)


async def test_a_skewed_clock_takes_nothing_and_is_told(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    now_ms = ledger.now_ms()

    answer = await ledger.reserve(asks.reserve(ledger, "r1", 1, now_ms=now_ms - 2_000))

    assert isinstance(answer, ClockSkewed)
    assert -1 <= answer.now_ms - now_ms < 1_000  # Our idea of its clock is rounded.
    assert 100 == (await audit_account(ledger, asks.ACCOUNT)).available_ucr


async def test_a_refusal_tells_what_running_calls_hold(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 70))

    answer = await ledger.reserve(asks.reserve(ledger, "r2", 50))

    assert isinstance(answer, Refused)
    assert (30, 70) == (answer.available_ucr, answer.held_ucr)


# Endings


async def test_an_ended_hold_leaves_a_tombstone_for_a_day(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 70))
    await ledger.release(asks.release("r1"))

    key = f"{shard_tag(asks.ACCOUNT)}h:r1"

    assert 0 < await ledger._client.command("PTTL", key) <= 86_400_000
    assert AlreadyEnded(Ending.RELEASED) == await ledger.settle(asks.settle("r1", 5))


async def test_an_extended_lease_does_not_expire(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 70, lease_ms=0))
    await ledger.extend(asks.extend("r1", 1, 0))

    assert 0 == await ledger.expire_holds()
    assert Released(70) == await ledger.release(asks.release("r1"))


async def test_two_reapers_end_each_hold_once(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    for number in range(20):
        await ledger.reserve(asks.reserve(ledger, f"r{number}", 5, lease_ms=0))

    ended = await asyncio.gather(*(ledger.expire_holds() for _ in range(3)))

    assert 20 == sum(ended)
    assert 100 == (await audit_account(ledger, asks.ACCOUNT)).available_ucr


async def test_a_settlement_made_of_the_journal_gives_back_what_the_hold_had_of_limits(
    ledger: RedisLedger,
) -> None:
    """A replica that never had it took over, and the hold stands there: the journal knows which
    call was charged, and not what it had taken of its limits."""
    charges = (asks.call_charge(ledger, 5), asks.token_charge(ledger, 100, 30))
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 40, charges=charges))

    await ledger.settle(replace(asks.settle("r1", 25), again=True))

    balance = await audit_account(ledger, asks.ACCOUNT)
    assert (75, 0, 0) == (balance.available_ucr, balance.held_ucr, balance.live_holds)
    assert [(0, 0), (0, 0)] == [await bucket(ledger, each) for each in charges]


async def test_a_late_settle_adds_to_each_bucket_what_its_expiry_had_not(
    ledger: RedisLedger,
) -> None:
    await fund(ledger, 1000)
    charges = (asks.token_charge(ledger, 100, 60),)
    await ledger.reserve(asks.reserve(ledger, "r1", 50, charges=charges))
    checkpoint = asks.extend("r1", 1, 0, charges=charges, amounts=(30,), lease_ms=0)
    await ledger.extend(checkpoint)
    await ledger.expire_holds()
    assert (0, 30) == await bucket(ledger, charges[0])
    await ledger.settle(asks.settle("r1", 50, charges=charges, amounts=(45,)))

    assert (0, 45) == await bucket(ledger, charges[0])


async def test_a_reaper_that_read_an_older_checkpoint_ends_nothing(ledger: RedisLedger) -> None:
    """It would write the older event; whoever reads next finds the newer one."""
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 50, lease_ms=0))
    asked = encode_holds.hold(shard_tag(asks.ACCOUNT), "r1")
    stale = stored_hold("r1", await ledger._client.run(HOLD, asked, list))
    assert stale is not None
    await ledger.extend(asks.extend("r1", 1, 0, charge_ucr=30, lease_ms=0))

    reply = await ledger._client.run(EXPIRE, encode_holds.expire(stale), list)

    assert b"live" == reply[0]
    assert 1 == await ledger.expire_holds()
    assert 30 == (await audit_account(ledger, asks.ACCOUNT)).charged_ucr


async def test_the_event_of_an_expired_hold_is_its_checkpoint(ledger: RedisLedger) -> None:
    await fund(ledger, 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 50))
    await ledger.extend(asks.extend("r1", 1, 0, charge_ucr=30, lease_ms=0))
    await ledger.expire_holds()

    entry = (await ledger.events(asks.ACCOUNT))[-1]

    assert ("expired", "r1", 30, (("g1", 30),)) == (
        entry.kind,
        entry.operation_id,
        entry.amount_ucr,
        entry.slices,
    )
    assert ("hold_expired", 30) == (entry.event["end"], entry.event["charge_ucr"])


async def test_usage_is_added_up_by_day_and_model(ledger: RedisLedger) -> None:
    """A late settlement adds what its expiry had not counted, and no second call."""
    await fund(ledger, 1000)
    await ledger.reserve(asks.reserve(ledger, "r1", 50))
    await ledger.settle(asks.settle("r1", 40))
    await ledger.reserve(asks.reserve(ledger, "r2", 50))
    await ledger.extend(asks.extend("r2", 1, 0, charge_ucr=10, lease_ms=0))
    await ledger.expire_holds()
    await ledger.settle(asks.settle("r2", 25))

    (usage,) = await ledger.usage_by_day(
        asks.ACCOUNT,
        first_day_ms=asks.STARTED_MS - 86_400_000,
        last_day_ms=asks.STARTED_MS + 86_400_000,
    )

    assert ("small-1", 2, 65, 130, 65) == (
        usage.model,
        usage.calls,
        usage.input_tokens,
        usage.output_tokens,
        usage.charge_ucr,
    )
    assert usage.day_ms <= asks.STARTED_MS < usage.day_ms + 86_400_000
    await audit_account(ledger, asks.ACCOUNT)


async def test_events_are_paged_through_and_only_ones_own(ledger: RedisLedger) -> None:
    neighbour = next(
        name
        for number in range(10_000)
        if shard_tag(name := f"neighbour-{number}") == shard_tag(asks.ACCOUNT)
    )
    await fund(ledger, 10_000)
    await asyncio.gather(*(ledger.settle(asks.settle(f"r{n}", 1)) for n in range(700)))
    await ledger.settle(asks.settle("other", 1, account_id=neighbour))

    entries = await ledger.events(asks.ACCOUNT)

    assert ["funded"] + ["late"] * 700 == [entry.kind for entry in entries]
    assert 1 == len(await ledger.events(neighbour))


# Many at once


async def test_two_hundred_parallel_reserves_on_room_for_fifty_grant_fifty(
    store_server: Server, ledger: RedisLedger
) -> None:
    await fund(ledger, 509)
    clients = [RedisClient(store_server.url, tasks=TaskSet(), timeout_s=5.0) for _ in range(4)]
    ledgers = [RedisLedger(client) for client in clients]
    await asyncio.gather(*(client.open() for client in clients))
    await asyncio.gather(*(worker.open() for worker in ledgers))

    answers = await asyncio.gather(
        *(
            ledgers[number % 4].reserve(asks.reserve(ledgers[number % 4], f"r{number}", 10))
            for number in range(200)
        )
    )

    assert 50 == sum(isinstance(answer, Reserved) for answer in answers)
    assert 9 == (await audit_account(ledger, asks.ACCOUNT)).available_ucr
    await asyncio.gather(*(client.close() for client in clients))


async def test_a_limit_of_fifty_admits_fifty_of_two_hundred(ledger: RedisLedger) -> None:
    await fund(ledger, 10_000)
    calls = asks.call_charge(ledger, 50)

    answers = await asyncio.gather(
        *(
            ledger.reserve(asks.reserve(ledger, f"r{number}", 10, charges=(calls,)))
            for number in range(200)
        )
    )

    assert 50 == sum(isinstance(answer, Reserved) for answer in answers)
    assert (50, 0) == await bucket(ledger, calls)
    await audit_account(ledger, asks.ACCOUNT)
