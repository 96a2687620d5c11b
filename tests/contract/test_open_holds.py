"""What is set aside for one account, among the holds of all that share its shard."""

from itertools import count

import pytest
from support import asks
from support.histories import fund

from gateway.metering.journal import shard_of
from gateway.stores.redis.open_holds import RedisOpenHolds

# Where holds stand is the same in every kind of store.
pytestmark = pytest.mark.parametrize("store_server", ["valkey"], indirect=True)

NEIGHBOUR = next(
    name
    for number in count()
    if shard_of(name := f"{asks.ACCOUNT}-{number}") == shard_of(asks.ACCOUNT)
)


@pytest.fixture
async def holds(ledger) -> RedisOpenHolds:
    for account in (asks.ACCOUNT, NEIGHBOUR):
        await fund(ledger, 10**6, account)
    return RedisOpenHolds(ledger._client, ledger, lease_ms=asks.LEASE_MS)


async def test_an_account_is_told_its_own_holds_and_nobody_elses(ledger, holds):
    await ledger.reserve(asks.reserve(ledger, "h1", 100))
    await ledger.reserve(asks.reserve(ledger, "h2", 7, account_id=NEIGHBOUR))
    await ledger.reserve(asks.reserve(ledger, "h3", 30, lease_ms=asks.LEASE_MS + 1000))
    await ledger.reserve(asks.reserve(ledger, "h4", 40))
    await ledger.settle(asks.settle("h4", 5))

    found = await holds.of_account(asks.ACCOUNT, limit=10)
    first = await holds.of_account(asks.ACCOUNT, limit=1)
    others = await holds.of_account(NEIGHBOUR, limit=10)

    assert [("h1", 100), ("h3", 30)] == [(each.hold_id, each.held_ucr) for each in found.holds]
    assert (False, True) == (found.more, first.more)
    assert ["h1"] == [each.hold_id for each in first.holds]
    assert ["h2"] == [each.hold_id for each in others.holds]
    assert ([], False) == (
        [*(nobody := await holds.of_account("nobody", limit=9)).holds],
        nobody.more,
    )


async def test_when_a_call_began_is_known_at_once_and_its_model_when_it_was_heard_of(ledger, holds):
    began_ms = ledger.now_ms()
    await ledger.reserve(asks.reserve(ledger, "h1", 100))
    [silent] = (await holds.of_account(asks.ACCOUNT, limit=10)).holds
    await ledger.extend(asks.extend("h1", 1, 0, charge_ucr=5))
    [heard] = (await holds.of_account(asks.ACCOUNT, limit=10)).holds

    assert ("", None) == (silent.model, silent.booked_ucr)
    assert began_ms - 1000 <= silent.started_ms <= ledger.now_ms()
    assert ("small-1", 5, asks.STARTED_MS) == (heard.model, heard.booked_ucr, heard.started_ms)
