"""A key's budget that refuses a call is told of: once for each period, not for each call."""

from collections.abc import AsyncIterator

import pytest
from support import asks

from gateway.metering.accounts import Account, VirtualKey
from gateway.metering.happenings import happening_of
from gateway.metering.ledger import Grant, Reason, Refused
from gateway.metering.limits import Charge, Limit, Need, Scope, Unit, Whose, Window, charges_for
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger

KEY = "k23456789012"
DAY_MS = 86_400_000


@pytest.fixture
async def keys(store_url: str, ledger: RedisLedger) -> AsyncIterator[RedisKeyStore]:
    """Knows the key whose limits are asked for; its account has credit."""
    store = RedisKeyStore(store_url)
    await store.put_account(Account(account_id=asks.ACCOUNT, plan="p"))
    await store.put_key(VirtualKey(key_id=KEY, account_id=asks.ACCOUNT, digest="d"))
    await ledger.grant(Grant(grant_id="g", account_id=asks.ACCOUNT, amount_ucr=10_000))
    yield store
    await store.close()


def charge(ledger: RedisLedger, limit: Limit, *, least: int = 100, in_ms: int = 0) -> Charge:
    need = Need(least_ucr=least, full_ucr=least, least_tokens=least, full_tokens=least)
    whose = Whose(asks.ACCOUNT, "", KEY)
    [found] = charges_for((limit,), need, whose=whose, now_ms=ledger.now_ms() + in_ms)
    return found


def limit(unit: Unit, window: Window, ceiling: int = 50, scope: Scope = Scope.KEY) -> Limit:
    return Limit(unit=unit, window=window, ceiling=ceiling, scope=scope)


async def refused(ledger: RedisLedger, name: str, asked: Charge, *, rough: bool = False) -> None:
    ask = asks.reserve(ledger, name, 100, charges=(asked,), key_id=KEY, only_if_ample=rough)
    answer = await ledger.reserve(ask)
    assert isinstance(answer, Refused)
    assert Reason.LIMIT is answer.reason or rough


async def told(ledger: RedisLedger) -> list[dict[str, object]]:
    return [
        {"subject": entry.operation_id, **entry.event}
        for entry in await ledger.events(asks.ACCOUNT)
        if entry.kind == "key.limit_reached"
    ]


@pytest.mark.usefixtures("keys")
async def test_it_is_told_once_for_each_period_and_ceiling(ledger: RedisLedger) -> None:
    daily = limit(Unit.TOKENS, Window.DAY)
    for number in range(3):
        await refused(ledger, f"today-{number}", charge(ledger, daily))
    today = {"subject": KEY, "limit": "tokens_per_day", "ceiling": 50}
    assert [today] == await told(ledger)

    await refused(ledger, "tomorrow", charge(ledger, daily, in_ms=DAY_MS))
    raised = limit(Unit.TOKENS, Window.DAY, 60)
    for number in range(2):
        await refused(ledger, f"raised-{number}", charge(ledger, raised, in_ms=DAY_MS))

    assert [today, today, today | {"ceiling": 60}] == await told(ledger)


@pytest.mark.usefixtures("keys")
async def test_each_kind_of_budget_has_its_name(ledger: RedisLedger) -> None:
    budgets = [
        limit(unit, window, 0)
        for unit in (Unit.REQUESTS, Unit.TOKENS, Unit.MICROCREDITS)
        for window in (Window.DAY, Window.WEEK, Window.MONTH, Window.TOTAL)
    ]
    for each in budgets:
        await refused(ledger, each.name, charge(ledger, each))

    assert [each.name for each in budgets] == [fact["limit"] for fact in await told(ledger)]
    last = (await ledger.events(asks.ACCOUNT))[-1]
    assert {"credits": "0.000000", "microcredits": 0} == happening_of(last).data["ceiling"]


@pytest.mark.usefixtures("keys")
async def test_rates_shared_limits_and_rough_questions_are_not_told(ledger: RedisLedger) -> None:
    await refused(ledger, "rate", charge(ledger, limit(Unit.TOKENS, Window.MINUTE)))
    shared = limit(Unit.TOKENS, Window.DAY, scope=Scope.ACCOUNT)
    await refused(ledger, "shared", charge(ledger, shared))
    daily = charge(ledger, limit(Unit.TOKENS, Window.DAY))
    await refused(ledger, "rough", daily, rough=True)

    assert [] == await told(ledger)
