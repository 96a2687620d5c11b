"""Counts of calls that came to nothing, as the store keeps them."""

import asyncio

from support import asks

from gateway.errors import StoreUnavailable
from gateway.metering.history import DAY_MS, HOUR_MS
from gateway.metering.refusals import EVERYBODY, RefusalSum, Tally, Turned
from gateway.stores.redis import refusals as redis_refusals
from gateway.stores.redis.refusals import RedisRefusals
from gateway.workers.refusals import RefusalReporter

DAY = 20_000 * DAY_MS
ALL = {"start_ms": DAY, "end_ms": DAY + 2 * DAY_MS}


def total(bucket_ms: int, reason: str, count: int) -> RefusalSum:
    return RefusalSum(bucket_ms=bucket_ms, reason=reason, count=count)


async def test_hours_add_up_to_days_and_accounts_stand_apart(store_client) -> None:
    refusals = RedisRefusals(store_client)
    for hour in (0, 0, 23, 24):
        counts = {Turned("insufficient_quota"): 2, Turned("upstream_failed"): 1}
        await refusals.add(asks.ACCOUNT, hour_ms=DAY + hour * HOUR_MS, counts=counts)
    hours = await refusals.sums(asks.ACCOUNT, **ALL, width_ms=HOUR_MS)
    days = await refusals.sums(asks.ACCOUNT, **ALL, width_ms=DAY_MS)

    assert [4, 2, 2, 1, 2, 1] == [each.count for each in hours]
    assert [
        total(DAY, "insufficient_quota", 6),
        total(DAY, "upstream_failed", 3),
        total(DAY + DAY_MS, "insufficient_quota", 2),
        total(DAY + DAY_MS, "upstream_failed", 1),
    ] == list(days)
    assert [] == list(await refusals.sums("other", **ALL, width_ms=DAY_MS))


async def test_keys_and_models_are_told_apart_up_to_a_bound(store_client, monkeypatch) -> None:
    """A model is what a caller wrote: spaces are the least of it."""
    monkeypatch.setattr(redis_refusals, "TOLD_APART_MAX", 2)
    refusals = RedisRefusals(store_client)
    counts = {Turned("x", "k1", "a model"): 1, Turned("x", "k2", "b"): 2, Turned("x", "k3", "c"): 4}
    for _ in range(2):
        await refusals.add(asks.ACCOUNT, hour_ms=DAY, counts=counts)
    found = await refusals.sums(asks.ACCOUNT, **ALL, width_ms=DAY_MS)

    assert [("", "", 8), ("k1", "a model", 2), ("k2", "b", 4)] == [
        (each.key_id, each.model, each.count) for each in found
    ]


async def test_counting_begins_once_and_from_the_first_account_on(store_client) -> None:
    refusals = RedisRefusals(store_client)
    await refusals.begin(5)
    first = await refusals.since_ms()
    await store_client.command("DEL", "refusals")
    await store_client.command("SADD", "accounts", "early")
    for now_ms in (7, 9):
        await refusals.begin(now_ms)

    assert (0, 7) == (first, await refusals.since_ms())


async def test_what_is_counted_while_the_store_is_away_comes_under_its_hour(store_client) -> None:
    class Away(RedisRefusals):
        away = True

        async def add(self, account_id, *, hour_ms, counts) -> None:
            if self.away:
                raise StoreUnavailable("away")
            await super().add(account_id, hour_ms=hour_ms, counts=counts)

    refusals, tally, now, failures = Away(store_client), Tally(), [DAY], []
    reporter = RefusalReporter(tally, refusals, now_ms=lambda: now[0], on_failure=failures.append)
    for hour in (0, 0, 1):
        now[0] = DAY + hour * HOUR_MS
        tally.add(asks.ACCOUNT, Turned("metering_unavailable"))
        await reporter.run_once()
    refusals.away = False
    await reporter.run_once()
    await reporter.run_once()

    expected = [
        total(DAY, "metering_unavailable", 2),
        total(DAY + HOUR_MS, "metering_unavailable", 1),
    ]
    assert 3 == len(failures)
    assert expected == list(await refusals.sums(asks.ACCOUNT, **ALL, width_ms=HOUR_MS))
    assert expected == list(await refusals.sums(EVERYBODY, **ALL, width_ms=HOUR_MS))


async def test_two_reports_at_once_count_once(store_client) -> None:
    """As when a worker leaves in the middle of one."""
    refusals, tally = RedisRefusals(store_client), Tally()
    reporter = RefusalReporter(tally, refusals, now_ms=lambda: DAY, on_failure=lambda _: None)
    tally.add(asks.ACCOUNT, Turned("upstream_failed"))
    await asyncio.gather(reporter.run_once(), reporter.run_once())

    [told] = await refusals.sums(asks.ACCOUNT, **ALL, width_ms=HOUR_MS)
    assert 1 == told.count
