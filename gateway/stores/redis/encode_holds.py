"""What is asked of the ledger about a call's hold, as an operation or a script call in RESP.

The order of keys and arguments is the scripts' (see their headers). Knows no connection.

Two of these are made for every call, and each part of a command costs both sides something:
so the numbers of an operation travel as one argument, packed as doubles (little-endian), which
hold every integer below 2⁵³ exactly; and keys that come again are remembered encoded.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

import orjson

from gateway.metering.events import End
from gateway.metering.jobs import Keep
from gateway.metering.ledger import Extend, Release, Reserve, Settle
from gateway.metering.limits import BUDGET_WINDOWS, Charge, Limit, Scope, Unit
from gateway.metering.usage import by_kind
from gateway.stores.redis.encode import check_amounts, request
from gateway.stores.redis.layout import (
    bucket_id,
    day_key,
    day_of,
    due_key,
    hold_key,
    job_key,
    key_record_key,
    money_keys,
    open_jobs_key,
    owner_field,
    shard_tag,
)
from gateway.stores.redis.operations import Operation, alone
from gateway.stores.redis.wire import Request, bulk, framed
from gateway.stores.stored_settle import event_text

# Keys `_account` encodes as one block: the four of money_keys() and the shard's due set.
ACCOUNT_KEYS = 5
# Limits of a key that are told of when they are reached, if they are budgets. The script knows them
# by their places in this and in BUDGET_WINDOWS.
TOLD_UNITS = (Unit.REQUESTS, Unit.TOKENS, Unit.MICROCREDITS)
# In place of "only if ample" in a reserve: hold nothing.
PROBE = 2
_KEY = Scope.KEY
# In front of a text of so many bytes.
_LENGTH = struct.Struct("<H")


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


def reserve(ask: Reserve) -> Operation:
    numbers = [ask.now_ms, ask.least_ucr, ask.full_ucr, ask.overdraft_ucr, ask.observe]
    numbers += (ask.lease_ms, PROBE if ask.probe else ask.only_if_ample)
    for charge in ask.charges:
        limit = charge.limit
        kind = _kind(limit) if limit.scope is _KEY else limit.shadow
        numbers += (charge.least, charge.full, limit.ceiling, kind)
    packed = _packed(numbers, numbers)
    reservation = b"" if ask.reservation is None else orjson.dumps(ask.reservation)
    return _on_hold(
        _RESERVE_BY_KEY if ask.key_id else _RESERVE,
        ask.account_id,
        ask.hold_id,
        keys=_key_record(ask.account_id, ask.key_id) if ask.key_id else b"",
        arguments=b"$%d\r\n%b\r\n%b$%d\r\n%b\r\n"
        % (len(packed), packed, _where_of(ask.charges), len(reservation), reservation),
    )


def extend(ask: Extend) -> Operation:
    event, usage = ask.event, ask.event.usage
    numbers = [ask.sequence, ask.add_ucr, ask.overdraft_ucr, ask.observe, ask.lease_ms]
    numbers += (event.charge_ucr, usage.input_tokens, usage.output_tokens)
    for charge, add, amount in zip(ask.charges, ask.adds, ask.amounts, strict=True):
        numbers += (add, amount, charge.ceiling, charge.limit.shadow)
    packed = _packed(
        numbers,
        (ask.add_ucr, ask.overdraft_ucr, event.charge_ucr, *ask.adds, *ask.amounts),
    )
    reservation = b"" if ask.reservation is None else orjson.dumps(ask.reservation)
    return _on_hold(
        _EXTEND,
        ask.account_id,
        ask.hold_id,
        arguments=framed(packed) + framed(event_text(event)) + framed(reservation),
    )


def settle(ask: Settle) -> Operation:
    event, usage = ask.event, ask.event.usage
    asked = ask.observe + 2 * ask.again
    numbers = [event.charge_ucr, asked, usage.input_tokens, usage.output_tokens]
    numbers += ask.amounts
    packed, text = _packed(numbers, (event.charge_ucr, *ask.amounts)), event_text(event)
    day = _day(ask.account_id, day_of(event.started_ms))
    return _on_hold(
        _SETTLE_JOB if ask.job else _SETTLE,
        ask.account_id,
        ask.hold_id,
        keys=day + _job(ask.account_id, ask.job) if ask.job else day,
        arguments=b"$%d\r\n%b\r\n%b$%d\r\n%b\r\n%b%b"
        % (
            len(packed),
            packed,
            _where_of(ask.charges),
            len(text),
            text,
            _model(event.model),
            _pieces(usage.pieces) if usage.pieces else _NO_TEXT,
        ),
    )


def release(ask: Release) -> Operation:
    job = _job(ask.account_id, ask.job) if ask.job else b""
    return _on_hold(_RELEASE_JOB if job else _RELEASE, ask.account_id, ask.hold_id, keys=job)


def keep(ask: Keep) -> Request:
    owed = ask.job.owed
    event, usage = owed.event, owed.event.usage
    numbers = [ask.lease_ms, ask.poll_ms, event.charge_ucr, usage.input_tokens]
    numbers.append(usage.output_tokens)
    for charge, amount in zip(owed.charges, owed.amounts, strict=True):
        numbers += (amount, charge.limit.unit is Unit.CALLS)
    amounts = event.charge_ucr, ask.lease_ms, ask.poll_ms, *owed.amounts
    kept = _on_hold(
        _plan(_ALONE, keys=2, arguments=3),
        owed.account_id,
        owed.hold_id,
        keys=_job(owed.account_id, ask.job.name),
        arguments=framed(_packed(numbers, amounts))
        + framed(event_text(event))
        + framed(orjson.dumps(ask.job)),
    )
    return alone(kept)


def expire(hold: StoredHold) -> Request:
    """The checkpoint's event becomes the one that is written, its end and charge set."""
    event = hold.event | {"end": End.HOLD_EXPIRED, "charge_ucr": hold.charge_ucr}
    started_ms = event.get("started_ms", 0)
    assert isinstance(started_ms, int), "extend() wrote it from a UsageEvent"
    usage = event.get("usage")
    pieces = usage.get("pieces", ()) if isinstance(usage, dict) else ()
    day = _day(hold.account_id, day_of(started_ms))
    job = b""
    if hold.job_key:
        job = bulk(hold.job_key) + bulk(open_jobs_key(shard_tag(hold.account_id)))
    model = str(event.get("model", ""))
    texts = bulk(hold.sequence), framed(orjson.dumps(event)), bulk(model), _pieces(pieces)
    expired = _on_hold(
        _plan(_ALONE, keys=3 if job else 1, arguments=len(texts)),
        hold.account_id,
        hold.hold_id,
        keys=day + job,
        arguments=b"".join(texts),
    )
    return alone(expired)


def hold(tag: str, hold_id: str) -> Request:
    return request((due_key(tag), hold_key(tag, hold_id)), (hold_id,))


def _pieces(pieces: Iterable[tuple[str, int]]) -> bytes:
    """By kind, of which there are few: `image 3 web_search 1`."""
    counts = by_kind(tuple((name, count) for name, count in pieces))
    check_amounts(0, *(count for _, count in counts))
    return bulk(" ".join(f"{kind} {count}" for kind, count in counts))


def _plan(letter: bytes, *, keys: int = 0, arguments: int = 0) -> bytes:
    """Of an operation on a hold, as `calls.lua` reads it. Keys: the account's, the hold, and so
    many more. Arguments: account, hold, and so many more."""
    return b"%b%c%c" % (letter, ACCOUNT_KEYS + 1 + keys, 2 + arguments)


# For a script of its own, which is told no letter.
_ALONE = b" "
_RESERVE = _plan(b"r", arguments=3)
_RESERVE_BY_KEY = _plan(b"r", keys=1, arguments=3)
_EXTEND = _plan(b"e", arguments=3)
_SETTLE = _plan(b"s", keys=1, arguments=5)
_SETTLE_JOB = _plan(b"s", keys=3, arguments=5)
_RELEASE = _plan(b"f")
_RELEASE_JOB = _plan(b"f", keys=2)
_NO_TEXT = framed(b"")


def _on_hold(
    plan: bytes, account_id: str, hold_id: str, *, keys: bytes = b"", arguments: bytes = b""
) -> Operation:
    """What scripts that touch a hold take; `keys` and `arguments` are what comes behind."""
    prefix, common, account = _account(account_id)
    hold = hold_id.encode()
    return (
        plan,
        b"%b$%d\r\n%b%b\r\n%b" % (common, len(prefix) + len(hold), prefix, hold, keys),
        b"%b$%d\r\n%b\r\n%b" % (account, len(hold), hold, arguments),
    )


@lru_cache(maxsize=1024)
def _kind(limit: Limit) -> int:
    """As the reserve script reads it: 1 a shadow, 2 and more one whose being reached is told."""
    if limit.shadow or limit.unit not in TOLD_UNITS or limit.window not in BUDGET_WINDOWS:
        return int(limit.shadow)
    return 2 + 4 * TOLD_UNITS.index(limit.unit) + BUDGET_WINDOWS.index(limit.window)


# Encoded parts that come again with the next call. Buckets and days change with their windows.


@lru_cache(maxsize=16_384)
def _account(account_id: str) -> tuple[bytes, bytes, bytes]:
    """What names of its holds begin with, the keys every operation on one begins with, its id."""
    tag = shard_tag(account_id)
    keys = b"".join(map(bulk, (*money_keys(account_id), due_key(tag))))
    return hold_key(tag, "").encode(), keys, bulk(account_id)


def _where_of(charges: Sequence[Charge]) -> bytes:
    return _where(tuple(map(_place, charges)))


_place: Callable[[Charge], tuple[str, int]] = attrgetter("bucket", "expires_ms")


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


@lru_cache(maxsize=1024)
def _model(name: str) -> bytes:
    return bulk(name)


def _job(account_id: str, name: str) -> bytes:
    """Keys of the job that a hold is for: the job, the open jobs."""
    return bulk(job_key(account_id, name)) + bulk(open_jobs_key(shard_tag(account_id)))


def _packed(numbers: Sequence[int], amounts: Sequence[int]) -> bytes:
    """Raises BadCall if one of the amounts, all of which are among the numbers, could not be held
    exactly by a Lua number."""
    try:
        text = _packer(len(numbers))(*numbers)
    except struct.error:
        check_amounts(*amounts)
        raise
    # Sums of money are rarely near the bound, and a look at the doubles is a fifth of the work.
    if text[7::8].translate(None, _SMALL):
        check_amounts(*amounts)
    return text


# The highest bytes of doubles from 0 up to 2⁴⁹, which is not reached.
_SMALL = bytes(range(0x43))


@lru_cache(maxsize=1024)
def _packer(count: int) -> Callable[..., bytes]:
    return struct.Struct(f"<{count}d").pack
