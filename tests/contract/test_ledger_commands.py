"""A call costs the store the same number of commands, however many grants and limits there are."""

import re
from collections import Counter

from support import asks
from support.audit import audit_account

from gateway.metering.ledger import Grant, Reserved, Settled
from gateway.metering.limits import Charge, Limit, Need, Scope, Unit, Whose, Window, charges_for
from gateway.stores.redis.ledger import RedisLedger

LIMITS = tuple(
    Limit(unit=unit, window=window, ceiling=10**9, scope=scope)
    for unit in (Unit.TOKENS, Unit.REQUESTS)
    for window in (Window.DAY, Window.MONTH)
    for scope in (Scope.ACCOUNT, Scope.KEY)
)


def charges(ledger: RedisLedger, account_id: str, count: int) -> tuple[Charge, ...]:
    return charges_for(
        LIMITS[:count],
        Need(5, 5, 5, 5),
        whose=Whose(account_id, key_id="k1"),
        now_ms=ledger.now_ms(),
    )


async def commands_run(ledger: RedisLedger) -> Counter[str]:
    stats = (await ledger._client.command("INFO", "commandstats")).decode()
    return Counter(
        {name: int(calls) for name, calls in re.findall(r"cmdstat_(\w+):calls=(\d+)", stats)}
    )


async def commands_of_a_call(
    ledger: RedisLedger, *, grants: int, limits: int, spend_ucr: int
) -> Counter[str]:
    """What reserve and settle run on the server, of an account that has paid a call before."""
    account_id = f"grants-{grants}-limits-{limits}-{spend_ucr}"
    for number in range(grants):
        await ledger.grant(
            Grant(grant_id=f"g{number:03d}", account_id=account_id, amount_ucr=1_000)
        )
    charged = charges(ledger, account_id, limits)
    found: Counter[str] = Counter()
    for hold_id, amount_ucr in (("first", 1), ("counted", spend_ucr)):
        before = await commands_run(ledger)
        reserve = asks.reserve(ledger, hold_id, amount_ucr, charges=charged, account_id=account_id)
        assert isinstance(await ledger.reserve(reserve), Reserved)
        settle = asks.settle(
            hold_id,
            amount_ucr,
            charges=charged,
            amounts=[5] * limits,
            account_id=account_id,
        )
        assert isinstance(await ledger.settle(settle), Settled)
        found = await commands_run(ledger) - before
    await audit_account(ledger, account_id)
    del found["info"]
    return found


async def test_a_call_that_one_grant_pays_costs_the_same_whatever_there_is(
    ledger: RedisLedger,
) -> None:
    alone = await commands_of_a_call(ledger, grants=1, limits=1, spend_ucr=9)

    assert alone == await commands_of_a_call(ledger, grants=60, limits=1, spend_ucr=9)
    assert alone == await commands_of_a_call(ledger, grants=60, limits=8, spend_ucr=9)
    assert alone.total() <= 16


async def test_a_call_that_many_grants_pay_costs_the_same_for_each_number(
    ledger: RedisLedger,
) -> None:
    two = await commands_of_a_call(ledger, grants=3, limits=8, spend_ucr=1_500)

    assert two == await commands_of_a_call(ledger, grants=61, limits=8, spend_ucr=59_500)
