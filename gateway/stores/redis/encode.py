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
from gateway.metering.limits import Unit
from gateway.metering.pricing import AMOUNT_MAX_UCR
from gateway.metering.usage import by_kind
from gateway.stores.redis.layout import (
    bucket_key,
    day_key,
    day_of,
    due_key,
    hold_key,
    job_key,
    key_record_key,
    money_keys,
    open_jobs_key,
    shard_tag,
)
from gateway.stores.redis.wire import Part, Request, bulk

# The index sorts priorities and times as text of these widths.
PRIORITY_MAX = 999
TIME_MAX_MS = 10**15 - 2
GRANT_ID_CHARS_MAX = 200
# Keys `_account` encodes as one block: the four of money_keys() and the shard's due set.
ACCOUNT_KEYS = 5
# In place of "only if ample" in a reserve: hold nothing.
PROBE = 2
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
    job_key: str = ""
    """Of the job it was kept for."""


def check_amounts(*amounts: int) -> None:
    """Raises BadCall for what a Lua number could not hold exactly."""
    if min(amounts) < 0 or max(amounts) > AMOUNT_MAX_UCR:
        raise BadCall(f"Every amount lies between 0 and {AMOUNT_MAX_UCR}; one did not.")


def grant(ask: Grant) -> Request:
    check_amounts(ask.amount_ucr)
    if not 0 <= ask.priority <= PRIORITY_MAX:
        raise BadCall(f"A grant's priority lies between 0 and {PRIORITY_MAX}.")
    if not (0 <= ask.effective_ms <= TIME_MAX_MS and 0 <= ask.expires_ms <= TIME_MAX_MS):
        raise BadCall("A grant's times are ms since 1970; 0 means at once, or never.")
    _check_grant_id(ask.grant_id)
    given = orjson.dumps(
        [ask.kind, ask.amount_ucr, ask.priority, ask.effective_ms, ask.expires_ms, ask.note]
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
    )
    return request(money_keys(ask.account_id), arguments)


def _check_grant_id(name: str) -> None:
    # Slices are stored as "id amount id amount": an id is one word.
    if len(name.split()) != 1 or len(name) > GRANT_ID_CHARS_MAX:
        raise BadCall(f"A grant id is one word of at most {GRANT_ID_CHARS_MAX} characters.")


def void_grant(ask: VoidGrant) -> Request:
    return request(money_keys(ask.account_id), (ask.account_id, ask.grant_id))


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
    return request(money_keys(ask.account_id), arguments)


def reserve(ask: Reserve) -> Request:
    tag, keys, account = _account(ask.account_id)
    numbers = [ask.now_ms, ask.least_ucr, ask.full_ucr, ask.overdraft_ucr, ask.observe]
    numbers += (ask.lease_ms, PROBE if ask.probe else ask.only_if_ample)
    parts = [keys, _hold(tag, ask.hold_id)]
    for charge in ask.charges:
        limit = charge.limit
        numbers += (charge.least, charge.full, limit.ceiling, limit.shadow, charge.expires_ms)
        parts.append(_bucket(tag, charge.bucket))
    check_amounts(*numbers)
    if ask.key_id:
        parts.append(_key_record(ask.account_id, ask.key_id))
    count = len(parts) + ACCOUNT_KEYS - 1
    buckets = orjson.dumps([(charge.bucket, charge.expires_ms) for charge in ask.charges])
    parts += (account, bulk(ask.hold_id), _packed(numbers), bulk(buckets))
    if ask.reservation is None:
        return count + 5, bulk(count) + b"".join(parts)
    parts.append(bulk(orjson.dumps(ask.reservation)))
    return count + 6, bulk(count) + b"".join(parts)


def extend(ask: Extend) -> Request:
    event, usage = ask.event, ask.event.usage
    check_amounts(ask.add_ucr, ask.overdraft_ucr, event.charge_ucr, *ask.adds, *ask.amounts)
    numbers = [ask.sequence, ask.add_ucr, ask.overdraft_ucr, ask.observe, ask.lease_ms]
    numbers += (event.charge_ucr, usage.input_tokens, usage.output_tokens)
    for charge, add, amount in zip(ask.charges, ask.adds, ask.amounts, strict=True):
        numbers += (add, amount, charge.ceiling, charge.limit.shadow)
    buckets = [charge.bucket for charge in ask.charges]
    texts = [orjson.dumps(event)]
    if ask.reservation is not None:
        texts.append(orjson.dumps(ask.reservation))
    return _on_hold(ask.account_id, ask.hold_id, buckets, numbers, texts=texts)


def settle(ask: Settle) -> Request:
    event, usage = ask.event, ask.event.usage
    check_amounts(event.charge_ucr, *ask.amounts)
    numbers = [event.charge_ucr, ask.observe, usage.input_tokens, usage.output_tokens]
    buckets = []
    for charge, amount in zip(ask.charges, ask.amounts, strict=True):
        numbers += (amount, charge.expires_ms)
        buckets.append(charge.bucket)
    texts = orjson.dumps(event), event.model.encode(), *_pieces(usage.pieces)
    return _on_hold(
        ask.account_id,
        ask.hold_id,
        buckets,
        numbers,
        texts=texts,
        day_ms=day_of(event.started_ms),
        job=_named(ask.account_id, ask.job),
    )


def release(ask: Release) -> Request:
    buckets = [charge.bucket for charge in ask.charges]
    times = [charge.expires_ms for charge in ask.charges]
    job = _named(ask.account_id, ask.job)
    return _on_hold(ask.account_id, ask.hold_id, buckets, times, job=job)


def keep(ask: Keep) -> Request:
    owed = ask.job.owed
    event, usage = owed.event, owed.event.usage
    check_amounts(event.charge_ucr, ask.lease_ms, ask.poll_ms, *owed.amounts)
    numbers = [ask.lease_ms, ask.poll_ms, event.charge_ucr, usage.input_tokens]
    numbers.append(usage.output_tokens)
    for charge, amount in zip(owed.charges, owed.amounts, strict=True):
        numbers += (amount, charge.limit.unit is Unit.CALLS)
    buckets = [charge.bucket for charge in owed.charges]
    texts = orjson.dumps(event), orjson.dumps(ask.job)
    job = job_key(owed.account_id, ask.job.name)
    return _on_hold(owed.account_id, owed.hold_id, buckets, numbers, texts=texts, job=job)


def expire(hold: StoredHold) -> Request:
    """The checkpoint's event becomes the one that is written, its end and charge set."""
    event = hold.event | {"end": End.HOLD_EXPIRED, "charge_ucr": hold.charge_ucr}
    started_ms = event.get("started_ms", 0)
    assert isinstance(started_ms, int), "extend() wrote it from a UsageEvent"
    buckets = [name for name, _ in hold.buckets]
    numbers = [hold.sequence, *(expires_ms for _, expires_ms in hold.buckets)]
    usage = event.get("usage")
    pieces = usage.get("pieces", ()) if isinstance(usage, dict) else ()
    texts = orjson.dumps(event), str(event.get("model", "")).encode(), *_pieces(pieces)
    return _on_hold(
        hold.account_id,
        hold.hold_id,
        buckets,
        numbers,
        texts=texts,
        day_ms=day_of(started_ms),
        job=hold.job_key,
    )


def _pieces(pieces: Iterable[tuple[str, int]]) -> tuple[bytes, ...]:
    """By kind, of which there are few: `image 3 web_search 1`. Nothing for nothing."""
    if not pieces:
        return ()
    counts = by_kind(tuple((name, count) for name, count in pieces))
    check_amounts(*(count for _, count in counts))
    return (" ".join(f"{kind} {count}" for kind, count in counts).encode(),)


def balance(account_id: str) -> Request:
    return request(money_keys(account_id), (account_id, ""))


def trim(outbox: str, oldest_id: str) -> Request:
    return request((outbox,), (oldest_id,))


def lead(journal: str, history_id: str, *, holder: str, lease_ms: int, lost_ms: int) -> Request:
    return request((journal,), (history_id, holder, lease_ms, lost_ms))


def claim(open_jobs: str, *, limit: int, claim_ms: int) -> Request:
    return request((open_jobs,), (limit, claim_ms))


def request(keys: Sequence[str], arguments: Sequence[Part]) -> Request:
    parts = (len(keys), *keys, *arguments)
    return len(parts), b"".join(map(bulk, parts))


def _on_hold(
    account_id: str,
    hold_id: str,
    buckets: Sequence[str],
    numbers: Sequence[int],
    *,
    texts: Sequence[bytes] = (),
    day_ms: int | None = None,
    job: str = "",
) -> Request:
    """What all scripts take that touch an existing hold. `job`: the key of the job it is for."""
    tag, keys, account = _account(account_id)
    parts = [keys, _hold(tag, hold_id)]
    if day_ms is not None:
        parts.append(_day(account_id, day_ms))
    parts += [_bucket(tag, bucket) for bucket in buckets]
    if job:
        parts += (bulk(job), bulk(open_jobs_key(tag)))
    count = len(parts) + ACCOUNT_KEYS - 1
    parts += (account, bulk(hold_id), _packed(numbers))
    parts += map(bulk, texts)
    return count + 4 + len(texts), bulk(count) + b"".join(parts)


# Encoded parts that come again with the next call. Buckets and days change with their windows.


@lru_cache(maxsize=16_384)
def _account(account_id: str) -> tuple[str, bytes, bytes]:
    """The shard's tag, the keys every operation on a hold begins with, and the id."""
    tag = shard_tag(account_id)
    return tag, b"".join(map(bulk, (*money_keys(account_id), due_key(tag)))), bulk(account_id)


@lru_cache(maxsize=16_384)
def _bucket(tag: str, bucket: str) -> bytes:
    return bulk(bucket_key(tag, bucket))


@lru_cache(maxsize=16_384)
def _day(account_id: str, day_ms: int) -> bytes:
    return bulk(day_key(account_id, day_ms))


@lru_cache(maxsize=16_384)
def _key_record(account_id: str, key_id: str) -> bytes:
    return bulk(key_record_key(account_id, key_id))


def _named(account_id: str, job: str) -> str:
    return job_key(account_id, job) if job else ""


def _hold(tag: str, hold_id: str) -> bytes:
    return bulk(hold_key(tag, hold_id))


def _packed(numbers: Sequence[int]) -> bytes:
    return b"$%d\r\n%b\r\n" % (8 * len(numbers), _packer(len(numbers))(*numbers))


@lru_cache(maxsize=1024)
def _packer(count: int) -> Callable[..., bytes]:
    return Struct(f"<{count}d").pack
