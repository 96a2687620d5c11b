"""What is asked of the ledger, as a script call in RESP: number of keys, keys, arguments.

The order of keys and arguments is the scripts' (see their headers). Knows no connection. What is
asked about a call's hold is in `encode_holds.py`.
"""

from collections.abc import Sequence

import orjson

from gateway.errors import BadCall
from gateway.metering.advances import counted_charges
from gateway.metering.alerts import alerts_text
from gateway.metering.balance import Look
from gateway.metering.ledger import Correct, Grant, GrantKind, VoidGrant
from gateway.metering.pricing import AMOUNT_MAX_UCR
from gateway.stores.redis.layout import (
    agenda_key,
    bucket_id,
    ids_key,
    money_keys,
    owner_field,
    shard_tag,
)
from gateway.stores.redis.wire import Part, Request, bulk

# The index sorts priorities and times as text of these widths.
PRIORITY_MAX = 999
TIME_MAX_MS = 10**15 - 2
GRANT_ID_CHARS_MAX = 200
# Given away or won: burnt before what was paid for, within a priority and an expiry.
UNPAID = frozenset({GrantKind.PROMO, GrantKind.ALLOWANCE})


def check_amounts(*amounts: int) -> None:
    """Raises BadCall for what a Lua number could not hold exactly."""
    if min(amounts) < 0 or max(amounts) > AMOUNT_MAX_UCR:
        raise BadCall(f"Every amount lies between 0 and {AMOUNT_MAX_UCR}; one did not.")


def grant(ask: Grant, *, used_up_kept: int) -> Request:
    check_amounts(ask.amount_ucr)
    if not 0 <= ask.priority <= PRIORITY_MAX:
        raise BadCall(f"A grant's priority lies between 0 and {PRIORITY_MAX}.")
    if not (0 <= ask.effective_ms <= TIME_MAX_MS and 0 <= ask.expires_ms <= TIME_MAX_MS):
        raise BadCall("A grant's times are ms since 1970; 0 means at once, or never.")
    _check_grant_id(ask.grant_id)
    check_amounts(ask.rollover_ucr)
    if ask.rollover_ucr and not 0 < ask.expires_ms < ask.rollover_ms <= TIME_MAX_MS:
        raise BadCall("A grant rolls over until a time after its expiry.")
    given = orjson.dumps(
        [
            *(ask.kind, ask.amount_ucr, ask.priority, ask.effective_ms, ask.expires_ms, ask.note),
            *(ask.rollover_ucr, ask.rollover_ms),
        ]
    )
    arguments = (
        ask.account_id,
        ask.grant_id,
        ask.amount_ucr,
        ask.priority,
        ask.expires_ms,
        0 if ask.kind in UNPAID else 1,
        ask.effective_ms,
        given,
        ask.rollover_ucr,
        ask.rollover_ms if ask.rollover_ucr else 0,
        "" if ask.plan_since_ms is None else ask.plan_since_ms,
        used_up_kept,
    )
    return request((*_with_agenda(ask.account_id), ids_key(ask.account_id)), arguments)


def _with_agenda(account_id: str) -> tuple[str, ...]:
    return (*money_keys(account_id), agenda_key(shard_tag(account_id)))


def _with_ids(account_id: str) -> tuple[str, ...]:
    return (*money_keys(account_id), ids_key(account_id))


def _check_grant_id(name: str) -> None:
    # Slices are stored as "id amount id amount": an id is one word.
    if len(name.split()) != 1 or len(name) > GRANT_ID_CHARS_MAX:
        raise BadCall(f"A grant id is one word of at most {GRANT_ID_CHARS_MAX} characters.")


def void_grant(ask: VoidGrant) -> Request:
    if ask.up_to_ucr is not None:
        check_amounts(ask.up_to_ucr)
    up_to = "" if ask.up_to_ucr is None else ask.up_to_ucr
    return request(_with_ids(ask.account_id), (ask.account_id, ask.grant_id, up_to))


def look(ask: Look) -> Request:
    arguments: tuple[Part, ...] = (
        ask.account_id,
        "",
        ask.next_ms,
        ask.plan_since_ms,
        ask.seen.granted_ucr,
        alerts_text(ask.alerts),
        *ask.expiring,
    )
    return request(_with_agenda(ask.account_id), arguments)


def correct(ask: Correct) -> Request:
    check_amounts(ask.amount_ucr)
    _check_grant_id(ask.correction_id)
    arguments = (
        ask.account_id,
        ask.correction_id,
        ask.amount_ucr,
        int(ask.grows),
        orjson.dumps([ask.amount_ucr, ask.note]),
    )
    return request(_with_ids(ask.account_id), arguments)


def balance(account_id: str, *, used_up_kept: int, anew: bool = False) -> Request:
    buckets = [charge.bucket for charge in counted_charges(account_id)]
    ids = map(bucket_id, buckets)
    arguments: list[Part] = [account_id, "", int(anew), used_up_kept, owner_field(buckets[0])]
    return request(_with_ids(account_id), [*arguments, *ids])


def mark(outbox: str, behind_id: str, account_id: str, kind: str, facts: bytes) -> Request:
    return request((outbox,), (behind_id, account_id, kind, facts))


def trim(outbox: str, oldest_id: str) -> Request:
    return request((outbox,), (oldest_id,))


def lead(journal: str, history_id: str, *, holder: str, lease_ms: int, lost_ms: int) -> Request:
    return request((journal,), (history_id, holder, lease_ms, lost_ms))


def claim(open_jobs: str, *, limit: int, claim_ms: int) -> Request:
    return request((open_jobs,), (limit, claim_ms))


def enrol(
    endpoints: str, owners: str, *, endpoint_id: str, account_id: str, stored: bytes, most: int
) -> Request:
    return request((endpoints, owners), (endpoint_id, account_id, stored, most))


def request(keys: Sequence[str], arguments: Sequence[Part]) -> Request:
    parts = (len(keys), *keys, *arguments)
    return len(parts), b"".join(map(bulk, parts))
