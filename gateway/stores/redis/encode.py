"""What is asked of the ledger, as a script call in RESP: number of keys, keys, arguments.

The order of keys and arguments is the scripts' (see their headers). Knows no connection.

Several of these are made for every call, and each part of a command costs both sides something:
so the numbers of an operation travel as one argument, packed as doubles (little-endian), which
hold every integer below 2⁵³ exactly; and keys that come again are remembered encoded.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

import orjson

from gateway.errors import BadCall
from gateway.metering.advances import counted_charges
from gateway.metering.alerts import alerts_text
from gateway.metering.balance import Look
from gateway.metering.events import End
from gateway.metering.jobs import Keep
from gateway.metering.ledger import (
    Correct,
    Extend,
    Grant,
    GrantKind,
    Release,
    Reserve,
    Settle,
    VoidGrant,
)
from gateway.metering.limits import BUDGET_WINDOWS, Charge, Limit, Scope, Unit
from gateway.metering.pricing import AMOUNT_MAX_UCR
from gateway.metering.usage import by_kind
from gateway.stores.redis.layout import (
    agenda_key,
    bucket_id,
    day_key,
    day_of,
    due_key,
    hold_key,
    ids_key,
    job_key,
    key_record_key,
    money_keys,
    open_jobs_key,
    owner_field,
    shard_tag,
)
from gateway.stores.redis.operations import Operation
from gateway.stores.redis.wire import Part, Request, bulk, framed

# The index sorts priorities and times as text of these widths.
PRIORITY_MAX = 999
TIME_MAX_MS = 10**15 - 2
GRANT_ID_CHARS_MAX = 200
# Keys `_account` encodes as one block: the four of money_keys() and the shard's due set.
ACCOUNT_KEYS = 5
# Limits of a key that are told of when they are reached, if they are budgets. The script knows them
# by their places in this and in BUDGET_WINDOWS.
TOLD_UNITS = (Unit.REQUESTS, Unit.TOKENS, Unit.MICROCREDITS)
_KEY = Scope.KEY
# In front of a text of so many bytes.
_LENGTH = Struct("<H")
# In place of "only if ample" in a reserve: hold nothing.
PROBE = 2
# Given away or won: burnt before what was paid for, within a priority and an expiry.
UNPAID = frozenset({GrantKind.PROMO, GrantKind.ALLOWANCE})


@dataclass(frozen=True, slots=True)
class StoredHold:
    """What the reaper reads of a hold whose lease ran out, before it asks for its end."""

    hold_id: str
    account_id: str
    sequence: int
    charge_ucr: int
    event: dict[str, object]
    """The last checkpoint's; empty without one."""
    job_key: str = ""
    """Of the job it was kept for."""


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


def reserve(ask: Reserve) -> Operation:
    numbers = [ask.now_ms, ask.least_ucr, ask.full_ucr, ask.overdraft_ucr, ask.observe]
    numbers += (ask.lease_ms, PROBE if ask.probe else ask.only_if_ample)
    for charge in ask.charges:
        limit = charge.limit
        kind = _kind(limit) if limit.scope is _KEY else limit.shadow
        numbers += (charge.least, charge.full, limit.ceiling, kind)
    check_amounts(*numbers)
    more = [_key_record(ask.account_id, ask.key_id)] if ask.key_id else []
    reservation = b"" if ask.reservation is None else orjson.dumps(ask.reservation)
    return _on_hold(
        b"r",
        ask.account_id,
        ask.hold_id,
        keys=more,
        numbers=numbers,
        charges=ask.charges,
        texts=(reservation,),
    )


def extend(ask: Extend) -> Operation:
    event, usage = ask.event, ask.event.usage
    check_amounts(ask.add_ucr, ask.overdraft_ucr, event.charge_ucr, *ask.adds, *ask.amounts)
    numbers = [ask.sequence, ask.add_ucr, ask.overdraft_ucr, ask.observe, ask.lease_ms]
    numbers += (event.charge_ucr, usage.input_tokens, usage.output_tokens)
    for charge, add, amount in zip(ask.charges, ask.adds, ask.amounts, strict=True):
        numbers += (add, amount, charge.ceiling, charge.limit.shadow)
    reservation = b"" if ask.reservation is None else orjson.dumps(ask.reservation)
    texts = orjson.dumps(event), reservation
    return _on_hold(b"e", ask.account_id, ask.hold_id, numbers=numbers, texts=texts)


def settle(ask: Settle) -> Operation:
    event, usage = ask.event, ask.event.usage
    check_amounts(event.charge_ucr, *ask.amounts)
    asked = ask.observe + 2 * ask.again
    numbers = [event.charge_ucr, asked, usage.input_tokens, usage.output_tokens]
    numbers += ask.amounts
    return _on_hold(
        b"s",
        ask.account_id,
        ask.hold_id,
        keys=(_day(ask.account_id, day_of(event.started_ms)), *_job(ask.account_id, ask.job)),
        numbers=numbers,
        charges=ask.charges,
        texts=(orjson.dumps(event), event.model.encode(), _pieces(usage.pieces)),
    )


def release(ask: Release) -> Operation:
    return _on_hold(b"f", ask.account_id, ask.hold_id, keys=_job(ask.account_id, ask.job))


def keep(ask: Keep) -> Request:
    owed = ask.job.owed
    event, usage = owed.event, owed.event.usage
    check_amounts(event.charge_ucr, ask.lease_ms, ask.poll_ms, *owed.amounts)
    numbers = [ask.lease_ms, ask.poll_ms, event.charge_ucr, usage.input_tokens]
    numbers.append(usage.output_tokens)
    for charge, amount in zip(owed.charges, owed.amounts, strict=True):
        numbers += (amount, charge.limit.unit is Unit.CALLS)
    return _on_hold(
        b"",
        owed.account_id,
        owed.hold_id,
        keys=_job(owed.account_id, ask.job.name),
        numbers=numbers,
        texts=(orjson.dumps(event), orjson.dumps(ask.job)),
    ).alone


def expire(hold: StoredHold) -> Request:
    """The checkpoint's event becomes the one that is written, its end and charge set."""
    event = hold.event | {"end": End.HOLD_EXPIRED, "charge_ucr": hold.charge_ucr}
    started_ms = event.get("started_ms", 0)
    assert isinstance(started_ms, int), "extend() wrote it from a UsageEvent"
    usage = event.get("usage")
    pieces = usage.get("pieces", ()) if isinstance(usage, dict) else ()
    sequence = str(hold.sequence).encode()
    model = str(event.get("model", "")).encode()
    job = (bulk(hold.job_key), bulk(open_jobs_key(shard_tag(hold.account_id))))
    return _on_hold(
        b"",
        hold.account_id,
        hold.hold_id,
        keys=(_day(hold.account_id, day_of(started_ms)), *(job if hold.job_key else ())),
        texts=(sequence, orjson.dumps(event), model, _pieces(pieces)),
    ).alone


def hold(tag: str, hold_id: str) -> Request:
    return request((due_key(tag), hold_key(tag, hold_id)), (hold_id,))


def _pieces(pieces: Iterable[tuple[str, int]]) -> bytes:
    """By kind, of which there are few: `image 3 web_search 1`."""
    if not pieces:
        return b""
    counts = by_kind(tuple((name, count) for name, count in pieces))
    check_amounts(*(count for _, count in counts))
    return " ".join(f"{kind} {count}" for kind, count in counts).encode()


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


def _on_hold(
    letter: bytes,
    account_id: str,
    hold_id: str,
    *,
    keys: Sequence[bytes] = (),
    numbers: Sequence[int] = (),
    charges: Sequence[Charge] | None = None,
    texts: Sequence[bytes] = (),
) -> Operation:
    """What scripts that touch a hold take. Keys: the account's, the hold, and more. Arguments:
    account, hold, numbers, where the charges are, texts."""
    tag, common, account = _account(account_id)
    arguments = [account, framed(hold_id.encode())]
    if numbers:
        arguments.append(_packed(numbers))
    if charges is not None:
        arguments.append(_where(tuple([(each.bucket, each.expires_ms) for each in charges])))
    arguments += map(framed, texts)
    return Operation(
        letter=letter,
        key_count=ACCOUNT_KEYS + 1 + len(keys),
        keys=b"".join((common, framed(hold_key(tag, hold_id).encode()), *keys)),
        argument_count=len(arguments),
        arguments=b"".join(arguments),
    )


@lru_cache(maxsize=1024)
def _kind(limit: Limit) -> int:
    """As the reserve script reads it: 1 a shadow, 2 and more one whose being reached is told."""
    if limit.shadow or limit.unit not in TOLD_UNITS or limit.window not in BUDGET_WINDOWS:
        return int(limit.shadow)
    return 2 + 4 * TOLD_UNITS.index(limit.unit) + BUDGET_WINDOWS.index(limit.window)


# Encoded parts that come again with the next call. Buckets and days change with their windows.


@lru_cache(maxsize=16_384)
def _account(account_id: str) -> tuple[str, bytes, bytes]:
    """The shard's tag, the keys every operation on a hold begins with, and the id."""
    tag = shard_tag(account_id)
    return tag, b"".join(map(bulk, (*money_keys(account_id), due_key(tag)))), bulk(account_id)


@lru_cache(maxsize=16_384)
def _where(buckets: tuple[tuple[str, int], ...]) -> bytes:
    """Where these buckets are, given name and time, as `open_account` of the scripts reads it."""
    owners: list[bytes] = []
    numbers: list[int] = []
    for bucket, expires_ms in buckets:
        owner = owner_field(bucket).encode()
        if owner not in owners:
            owners.append(owner)
        numbers += (bucket_id(bucket), expires_ms, owners.index(owner) + 1)
    check_amounts(0, *numbers)
    fields = b"".join([_LENGTH.pack(len(owner)) + owner for owner in owners])
    return bulk(b"%c%b%b" % (len(owners), fields, _packer(len(numbers))(*numbers)))


@lru_cache(maxsize=16_384)
def _day(account_id: str, day_ms: int) -> bytes:
    return bulk(day_key(account_id, day_ms))


@lru_cache(maxsize=16_384)
def _key_record(account_id: str, key_id: str) -> bytes:
    return bulk(key_record_key(account_id, key_id))


def _job(account_id: str, name: str) -> tuple[bytes, ...]:
    """Keys of the job that a hold is for, if it is for one: the job, the open jobs."""
    if not name:
        return ()
    return bulk(job_key(account_id, name)), bulk(open_jobs_key(shard_tag(account_id)))


def _packed(numbers: Sequence[int]) -> bytes:
    return b"$%d\r\n%b\r\n" % (8 * len(numbers), _packer(len(numbers))(*numbers))


@lru_cache(maxsize=1024)
def _packer(count: int) -> Callable[..., bytes]:
    return Struct(f"<{count}d").pack
