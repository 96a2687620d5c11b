"""The straight lines in which nearly every call is done leave what the whole way would leave."""

from dataclasses import replace

import pytest
from support import asks, books
from support.audit import audit_account
from support.texts import reworded

from gateway.metering.ledger import Grant
from gateway.metering.limits import (
    Charge,
    Limit,
    Need,
    Scope,
    Unit,
    Whose,
    Window,
    amounts_of,
    charges_for,
)
from gateway.stores.redis import encode_holds, lua
from gateway.stores.redis.decode import numbered
from gateway.stores.redis.layout import account_key, key_record_key, outbox_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.operations import Operation, together

STORE_FORMS = ("redis",)
KEY = "k1"
LIMITS = (
    Limit(unit=Unit.TOKENS, window=Window.MONTH, ceiling=10**6),
    Limit(unit=Unit.CALLS, ceiling=9),
    Limit(unit=Unit.REQUESTS, window=Window.MONTH, ceiling=2, shadow=True),
    Limit(unit=Unit.MICROCREDITS, window=Window.MONTH, ceiling=10**6, scope=Scope.KEY),
)
GRANT = Grant(grant_id="g1", account_id="", amount_ucr=10**6, effective_ms=1)
NEXT_CENTURY_MS = 4_102_444_800_000
ROLLING = replace(
    GRANT,
    expires_ms=NEXT_CENTURY_MS,
    rollover_ucr=500,
    rollover_ms=NEXT_CENTURY_MS + 1,
)
# The same length, as an account's id stands within what is compared.
PLAIN, WHOLE = "straight", "anywhere"
# Held, charged.
CALLS = ((700, 300), (40, 40), (5, 0), (900, 1))


def script(*changes: tuple[str, str]) -> lua.Script:
    """`calls.lua`, changed."""
    text = lua.CALLS.body.decode().partition("\n")[2]
    return lua.script("calls", reworded(text, changes))


WAYS = {
    PLAIN: script(("operations()\n", "operations() error('this call is not plain')\n")),
    WHOLE: script(("letter == 114 then reply", "false then reply"), ("letter == 115", "false")),
}


async def ask(ledger: RedisLedger, account_id: str, operation: Operation) -> list[object]:
    asked = WAYS[account_id], together([operation]), list
    [reply] = await ledger._client.run(*asked)
    word, _, *numbers = numbered(reply)
    return [word, *numbers]


def charges(ledger: RedisLedger, account_id: str, limits: tuple[Limit, ...]) -> tuple[Charge, ...]:
    need = Need(least_ucr=5, full_ucr=8, least_tokens=50, full_tokens=90)
    return charges_for(limits, need, whose=Whose(account_id, key_id=KEY), now_ms=ledger.now_ms())


async def left(ledger: RedisLedger, account_id: str, hold_id: str) -> str:
    """Everything stored that a call changes, but for times, and ids made of the account's."""
    client, tag = ledger._client, shard_tag(account_id)
    owners = [
        await books.buckets(client, account_id, owner)
        for owner in sorted(await books.owners(client, account_id))
    ]
    hold = await books.hold(client, account_id, hold_id)
    entries = await client.command("XRANGE", outbox_key(tag), "-", "+")
    usage = await ledger.usage_by_day(
        account_id, first_day_ms=asks.STARTED_MS, last_day_ms=asks.STARTED_MS
    )
    found = [
        await client.command("HGET", account_key(account_id), "books"),
        [list(units.values()) for units in owners],
        (hold.state, hold.overdraft_ucr, hold.slices, list(hold.in_bucket.values())),
        [fields for _, fields in entries],
        usage,
    ]
    return repr(found).replace(account_id, "it")


@pytest.mark.parametrize(("limits", "grant"), [((), GRANT), (LIMITS[:1], ROLLING), (LIMITS, GRANT)])
async def test_both_ways_answer_the_same_and_leave_the_same(
    ledger: RedisLedger, limits: tuple[Limit, ...], grant: Grant
) -> None:
    found: dict[str, list[object]] = {PLAIN: [], WHOLE: []}
    for account_id, seen in found.items():
        await ledger._client.command("HSET", key_record_key(account_id, KEY), "st", "active")
        await ledger.grant(replace(grant, account_id=account_id))
        first = asks.reserve(ledger, f"{account_id}-first", 1, account_id=account_id)
        first = replace(first, key_id=KEY, charges=charges(ledger, account_id, limits))
        await ledger.reserve(first)
        for number, (held, charged) in enumerate(CALLS):
            hold_id = f"{account_id}-{number}"
            asked = replace(first, hold_id=hold_id, full_ucr=held, now_ms=ledger.now_ms())
            seen.append(await ask(ledger, account_id, encode_holds.reserve(asked)))
            seen.append(await left(ledger, account_id, hold_id))
            # Made of the journal, a settlement knows no limits; its hold has its own.
            charges_told = asked.charges if number else ()
            ended = asks.settle(
                hold_id,
                charged,
                charges=charges_told,
                amounts=amounts_of(charges_told, charge_ucr=charged, tokens=charged),
                account_id=account_id,
            )
            seen.append(await ask(ledger, account_id, encode_holds.settle(ended)))
            seen.append(await left(ledger, account_id, hold_id))
        await audit_account(ledger, account_id)

    assert found[PLAIN] == found[WHOLE]
