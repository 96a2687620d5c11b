"""What is asked of the ledger, as the parts of a script call: number of keys, keys, arguments.

The order of keys and arguments is the scripts' (see their headers). Knows no connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from gateway.errors import BadCall
from gateway.metering.events import End
from gateway.metering.ledger import Extend, Grant, GrantKind, Release, Reserve, Settle
from gateway.metering.pricing import AMOUNT_MAX_UCR
from gateway.stores.redis.layout import (
    bucket_key,
    day_key,
    day_of,
    due_key,
    hold_key,
    key_record_key,
    money_keys,
    shard_tag,
)
from gateway.stores.redis.wire import Part

Parts = tuple[Part, ...]

# The index sorts priorities and times as text of these widths.
PRIORITY_MAX = 999
TIME_MAX_MS = 10**15 - 2
GRANT_ID_CHARS_MAX = 200
# Given away or won: burnt before what was paid for, within a priority and an expiry.
UNPAID = frozenset({GrantKind.PROMO, GrantKind.ALLOWANCE})


@dataclass(frozen=True, slots=True)
class StoredHold:
    """What the reaper reads of a hold whose lease ran out, before it asks for its end."""

    hold_id: str
    account_id: str
    buckets: tuple[tuple[str, int], ...]
    """Bucket name and `expires_ms`, in the reservation's order."""
    sequence: int
    charge_ucr: int
    event: dict[str, object]
    """The last checkpoint's; empty without one."""


def check_amounts(*amounts: int) -> None:
    """Raises BadCall for what a Lua number could not hold exactly."""
    if min(amounts) < 0 or max(amounts) > AMOUNT_MAX_UCR:
        raise BadCall(f"Every amount lies between 0 and {AMOUNT_MAX_UCR}; one did not.")


def grant(ask: Grant) -> Parts:
    check_amounts(ask.amount_ucr)
    if not 0 <= ask.priority <= PRIORITY_MAX:
        raise BadCall(f"A grant's priority lies between 0 and {PRIORITY_MAX}.")
    if not (0 <= ask.effective_ms <= TIME_MAX_MS and 0 <= ask.expires_ms <= TIME_MAX_MS):
        raise BadCall("A grant's times are ms since 1970; 0 means at once, or never.")
    # Slices are stored as "id amount id amount": an id is one word.
    if len(ask.grant_id.split()) != 1 or len(ask.grant_id) > GRANT_ID_CHARS_MAX:
        raise BadCall(f"A grant id is one word of at most {GRANT_ID_CHARS_MAX} characters.")
    given = orjson.dumps(
        [ask.kind, ask.amount_ucr, ask.priority, ask.effective_ms, ask.expires_ms, ask.note]
    )
    return _parts(
        money_keys(ask.account_id),
        ask.account_id,
        ask.grant_id,
        ask.amount_ucr,
        ask.priority,
        ask.expires_ms,
        0 if ask.kind in UNPAID else 1,
        ask.effective_ms,
        given,
    )


def reserve(ask: Reserve) -> Parts:
    check_amounts(ask.least_ucr, ask.full_ucr, ask.overdraft_ucr)
    tag, charges = shard_tag(ask.account_id), ask.charges
    keys = [*money_keys(ask.account_id), due_key(tag), hold_key(tag, ask.hold_id)]
    numbers: list[Part] = []
    for charge in charges:
        check_amounts(charge.least, charge.full, charge.ceiling)
        keys.append(bucket_key(tag, charge.bucket))
        numbers += (charge.least, charge.full, charge.ceiling)
        numbers += (int(charge.limit.shadow), charge.expires_ms)
    if ask.key_id:
        keys.append(key_record_key(ask.account_id, ask.key_id))
    buckets = orjson.dumps([(charge.bucket, charge.expires_ms) for charge in charges])
    return _parts(
        keys,
        ask.account_id,
        ask.hold_id,
        ask.now_ms,
        ask.least_ucr,
        ask.full_ucr,
        ask.overdraft_ucr,
        int(ask.observe),
        ask.lease_ms,
        buckets,
        int(ask.only_if_ample),
        *numbers,
    )


def extend(ask: Extend) -> Parts:
    check_amounts(ask.add_ucr, ask.overdraft_ucr, ask.event.charge_ucr, *ask.adds, *ask.amounts)
    numbers: list[Part] = []
    for charge, add, amount in zip(ask.charges, ask.adds, ask.amounts, strict=True):
        numbers += (add, amount, charge.ceiling, int(charge.limit.shadow))
    keys = _hold_keys(ask.account_id, ask.hold_id, [charge.bucket for charge in ask.charges])
    usage = ask.event.usage
    return _parts(
        keys,
        ask.account_id,
        ask.hold_id,
        ask.sequence,
        ask.add_ucr,
        ask.overdraft_ucr,
        int(ask.observe),
        ask.lease_ms,
        orjson.dumps(ask.event),
        ask.event.charge_ucr,
        usage.input_tokens,
        usage.output_tokens,
        *numbers,
    )


def settle(ask: Settle) -> Parts:
    event, usage = ask.event, ask.event.usage
    check_amounts(event.charge_ucr, *ask.amounts)
    numbers: list[Part] = []
    for charge, amount in zip(ask.charges, ask.amounts, strict=True):
        numbers += (amount, charge.expires_ms)
    keys = _hold_keys(
        ask.account_id,
        ask.hold_id,
        [charge.bucket for charge in ask.charges],
        day_ms=day_of(event.started_ms),
    )
    return _parts(
        keys,
        ask.account_id,
        ask.hold_id,
        event.charge_ucr,
        int(ask.observe),
        orjson.dumps(event),
        event.model,
        usage.input_tokens,
        usage.output_tokens,
        *numbers,
    )


def release(ask: Release) -> Parts:
    keys = _hold_keys(ask.account_id, ask.hold_id, [charge.bucket for charge in ask.charges])
    times = [charge.expires_ms for charge in ask.charges]
    return _parts(keys, ask.account_id, ask.hold_id, *times)


def expire(hold: StoredHold) -> Parts:
    """The checkpoint's event becomes the one that is written, its end and charge set."""
    event = hold.event | {"end": End.HOLD_EXPIRED, "charge_ucr": hold.charge_ucr}
    started_ms = event.get("started_ms", 0)
    assert isinstance(started_ms, int), "extend() wrote it from a UsageEvent"
    names = [name for name, _ in hold.buckets]
    keys = _hold_keys(hold.account_id, hold.hold_id, names, day_ms=day_of(started_ms))
    return _parts(
        keys,
        hold.account_id,
        hold.hold_id,
        hold.sequence,
        orjson.dumps(event),
        str(event.get("model", "")),
        *(expires_ms for _, expires_ms in hold.buckets),
    )


def balance(account_id: str) -> Parts:
    return _parts(money_keys(account_id), account_id, "")


def _parts(keys: Sequence[str], *arguments: Part) -> Parts:
    return (len(keys), *keys, *arguments)


def _hold_keys(
    account_id: str, hold_id: str, buckets: Sequence[str], *, day_ms: int | None = None
) -> list[str]:
    tag = shard_tag(account_id)
    keys = [*money_keys(account_id), due_key(tag), hold_key(tag, hold_id)]
    if day_ms is not None:
        keys.append(day_key(account_id, day_ms))
    keys.extend([bucket_key(tag, bucket) for bucket in buckets])
    return keys
