"""Marks are told once per crossing, by the step that crossed them, and again once restored."""

import asyncio

from support import asks
from support.audit import account_alerts, audit_account, audit_alerts

from gateway.metering.alerts import Alert, alert_of
from gateway.metering.balance import Look
from gateway.metering.ledger import Grant
from gateway.stores.redis.ledger import RedisLedger

ACCOUNT = asks.ACCOUNT


def alerts(*names: str) -> tuple[Alert, ...]:
    return tuple(alert for alert in map(alert_of, names) if alert)


async def watch(ledger: RedisLedger, *names: str, expiring: tuple[str, ...] = ()) -> None:
    seen = await ledger.balance(ACCOUNT)
    await ledger.look(
        Look(
            account_id=ACCOUNT,
            seen=seen,
            plan_since_ms=0,
            next_ms=0,
            alerts=alerts(*names),
            expiring=expiring,
        )
    )


async def fund(ledger: RedisLedger, name: str, amount_ucr: int) -> None:
    await ledger.grant(Grant(grant_id=name, account_id=ACCOUNT, amount_ucr=amount_ucr))


async def told(ledger: RedisLedger) -> list[str]:
    """Kind, mark and what moved the balance, in their order."""
    balance = await audit_account(ledger, ACCOUNT)
    audit_alerts(await account_alerts(ledger, balance))
    return [
        f"{entry.kind} {entry.event['alert']} {entry.operation_id}"
        for entry in await ledger.events(ACCOUNT)
        if entry.kind.startswith("balance.")
    ]


async def test_each_mark_is_told_once_by_what_crossed_it(ledger: RedisLedger) -> None:
    await watch(ledger, "80%", "100%")
    await fund(ledger, "g1", 1_000)
    for number, charge in enumerate((700, 99, 1, 50, 150, 20)):
        await ledger.settle(asks.settle(f"r{number}", charge))

    assert ["balance.low 80% r2", "balance.depleted 100% r4"] == await told(ledger)
    low, depleted = [
        entry.event for entry in await ledger.events(ACCOUNT) if entry.kind.startswith("balance.")
    ]
    assert {"alert": "80%", "left_ucr": 200, "of_ucr": 1_000} == low
    assert (0, 1_000) == (depleted["left_ucr"], depleted["of_ucr"])


async def test_the_notice_stands_beside_the_movement_that_crossed_it(ledger: RedisLedger) -> None:
    """One step, one millisecond: nobody can see the one without the other."""
    await watch(ledger, "80%")
    await fund(ledger, "g1", 1_000)
    await ledger.settle(asks.settle("r1", 900))

    notice, settled = (await ledger.events(ACCOUNT))[-2:]

    assert {"balance.low", "late"} == {notice.kind, settled.kind}
    assert notice.time_ms == settled.time_ms
    assert notice.operation_id == settled.operation_id


async def test_one_step_may_cross_all_marks(ledger: RedisLedger) -> None:
    await watch(ledger, "50%", "80%", "100%")
    await fund(ledger, "g1", 1_000)
    await ledger.settle(asks.settle("r1", 1_500))

    assert [
        "balance.low 50% r1",
        "balance.low 80% r1",
        "balance.depleted 100% r1",
    ] == await told(ledger)


async def test_a_hold_crosses_nothing(ledger: RedisLedger) -> None:
    await watch(ledger, "80%", "100%")
    await fund(ledger, "g1", 1_000)
    await ledger.reserve(asks.reserve(ledger, "r1", 1_000))
    await ledger.release(asks.release("r1"))

    assert [] == await told(ledger)


async def test_credit_restores_and_arms_them_again(ledger: RedisLedger) -> None:
    await watch(ledger, "80%", "100%")
    await fund(ledger, "g1", 1_000)
    await ledger.settle(asks.settle("r1", 1_000))
    await fund(ledger, "g2", 500)
    await ledger.settle(asks.settle("r2", 410))

    assert [
        "balance.low 80% r1",
        "balance.depleted 100% r1",
        "balance.restored 80% g2",
        "balance.restored 100% g2",
        # 80 % of the 500 that were there after the last credit.
        "balance.low 80% r2",
    ] == await told(ledger)


async def test_a_trifle_restores_nothing(ledger: RedisLedger) -> None:
    """150 of 1000 are left; 10 more lift it above no mark."""
    await watch(ledger, "80%")
    await fund(ledger, "g1", 1_000)
    await ledger.settle(asks.settle("r1", 850))
    await fund(ledger, "g2", 10)
    await ledger.settle(asks.settle("r2", 20))

    assert ["balance.low 80% r1"] == await told(ledger)


async def test_marks_in_credits_stand_whatever_comes_in(ledger: RedisLedger) -> None:
    await watch(ledger, "0.0001")
    await fund(ledger, "g1", 1_000)
    await ledger.settle(asks.settle("r1", 900))
    await fund(ledger, "g2", 1)
    await ledger.settle(asks.settle("r2", 1))

    assert [
        "balance.low 0.0001 r1",
        "balance.restored 0.0001 g2",
        "balance.low 0.0001 r2",
    ] == await told(ledger)


async def test_too_little_for_a_call_is_as_good_as_nothing(ledger: RedisLedger) -> None:
    """And told once, however often the caller tries."""
    await watch(ledger, "100%")
    await fund(ledger, "g1", 30)
    for number in range(3):
        await ledger.reserve(asks.reserve(ledger, f"r{number}", 40))
    await fund(ledger, "g2", 100)

    assert ["balance.depleted 100% r0", "balance.restored 100% g2"] == await told(ledger)


async def test_credit_that_is_only_held_is_not_gone(ledger: RedisLedger) -> None:
    await watch(ledger, "100%")
    await fund(ledger, "g1", 100)
    await ledger.reserve(asks.reserve(ledger, "r1", 80))
    await ledger.reserve(asks.reserve(ledger, "r2", 80))

    assert [] == await told(ledger)


async def test_two_hundred_parallel_calls_cross_each_mark_once(ledger: RedisLedger) -> None:
    await watch(ledger, "50%", "80%", "100%")
    await fund(ledger, "g1", 1_000)

    await asyncio.gather(*(ledger.settle(asks.settle(f"r{n}", 5)) for n in range(200)))

    kinds = [line.rsplit(" ", 1)[0] for line in await told(ledger)]
    assert ["balance.low 50%", "balance.low 80%", "balance.depleted 100%"] == kinds


async def test_other_marks_below_the_balance_already_are_not_told(ledger: RedisLedger) -> None:
    await watch(ledger, "100%")
    await fund(ledger, "g1", 1_000)
    await ledger.settle(asks.settle("r1", 900))
    await watch(ledger, "80%", "95%")
    await ledger.settle(asks.settle("r2", 60))

    assert ["balance.low 95% r2"] == await told(ledger)


async def test_the_end_of_a_grant_is_told_once(ledger: RedisLedger) -> None:
    ends_ms = ledger.now_ms() + 3_600_000
    await ledger.grant(Grant(grant_id="g1", account_id=ACCOUNT, amount_ucr=9, expires_ms=ends_ms))
    for _ in range(3):
        await watch(ledger, expiring=("g1",))

    notices = [entry for entry in await ledger.events(ACCOUNT) if entry.kind == "grant.expiring"]
    assert [{"left_ucr": 9, "expires_ms": ends_ms}] == [notice.event for notice in notices]
