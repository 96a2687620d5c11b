"""The scripts' replies as the answers of `metering/ledger.py`. Knows no connection.

Replies open with a word and the server's time; `ledger.py` has taken the time by then.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

import orjson

from gateway.errors import BadCall, Conflict, NotFound
from gateway.metering.balance import Balance, Forgotten, GrantState
from gateway.metering.events import integer_in, text_in
from gateway.metering.jobs import Kept
from gateway.metering.journal import Entry, make_entry, slices_of
from gateway.metering.ledger import (
    AlreadyEnded,
    ClockSkewed,
    Corrected,
    Ending,
    Extended,
    Granted,
    GrantKind,
    HoldState,
    Reason,
    Refused,
    Released,
    Reserved,
    Settled,
    UnknownHold,
    Voided,
    make_reserved,
    make_settled,
)
from gateway.stores.base import DailyUsage
from gateway.stores.operating import OpenHold
from gateway.stores.redis.encode_holds import StoredHold
from gateway.stores.stored_reservation import reservation_of

# Fields of a day's usage, before the model, and before the kind; and what stands in a model's.
MODEL, PIECE = b"model:", b"piece:"
DAY = Struct("<4d")
# How a grant stands; its index member follows.
STANDING = Struct("<10d")

Reply = list[Any]
Hash = dict[bytes, bytes]


def numbered(reply: Any) -> Reply:  # noqa: ANN401  Any: a raw reply
    """A reply in which word and time come first; the two that each call gets are one text: a
    letter, and numbers as doubles."""
    if not isinstance(reply, bytes):
        return list(reply)
    return [_WORDS[reply[:1]], *map(int, _doubles(len(reply) // 8).unpack_from(reply, 1))]


_WORDS = {b"r": b"reserved", b"s": b"settled"}


@lru_cache(maxsize=1024)
def _doubles(count: int) -> Struct:
    return Struct(f"<{count}d")


def _reserved(reply: Reply) -> Reserved:
    _, now_ms, held, full, available, *rooms = reply
    return make_reserved(
        held_ucr=held,
        full=full == 1,
        available_ucr=available,
        rooms=tuple(rooms),
        now_ms=now_ms,
    )


def _settled(reply: Reply) -> Settled:
    return make_settled(charged_ucr=reply[2], debt_ucr=reply[3], late=reply[4] == 1)


def _refused(reply: Reply) -> Refused:
    _, now_ms, reason, available, held, index, *rooms = reply
    return Refused(
        reason=Reason(reason.decode()),
        available_ucr=available,
        held_ucr=held,
        rooms=tuple(rooms),
        now_ms=now_ms,
        limit_index=index,
    )


def _granted(reply: Reply) -> Granted:
    return Granted(repeated=reply[2] == 1, debt_paid_ucr=reply[3])


def _no_grant(_: Reply) -> Voided:
    raise NotFound("The account has no grant of that id.")


def _conflict(_: Reply) -> Granted:
    raise Conflict("A grant or correction of this id exists with another payload; choose a new id.")


def _moved(_: Reply) -> Granted:
    raise Conflict("The account is on another plan now.")


def _overflow(_: Reply) -> Granted:
    raise BadCall("The account's grants would add up to more than the ledger can count (2^53).")


ANSWERS: Mapping[bytes, Callable[[Reply], object]] = {
    b"reserved": _reserved,
    b"refused": _refused,
    b"clock_skew": lambda reply: ClockSkewed(reply[1]),
    b"ended": lambda reply: AlreadyEnded(Ending(reply[2].decode())),
    b"unknown": lambda _: UnknownHold(),
    b"extended": lambda reply: Extended(
        held_ucr=reply[2], available_ucr=reply[3], repeated=reply[4] == 1
    ),
    b"settled": _settled,
    b"kept": lambda reply: Kept(late=reply[2] == 1),
    b"released": lambda reply: Released(reply[2]),
    b"granted": _granted,
    b"voided": lambda reply: Voided(repeated=reply[2] == 1, voided_ucr=reply[3]),
    b"no_grant": _no_grant,
    b"looked": lambda _: None,
    b"corrected": lambda reply: Corrected(
        repeated=reply[2] == 1, taken_ucr=reply[3], debt_ucr=reply[4]
    ),
    b"conflict": _conflict,
    b"moved": _moved,
    b"overflow": _overflow,
}
"""By its word, what makes the answer of it: to an operation of a call's life, or to a grant."""


def pairs(flat: Sequence[bytes]) -> Hash:
    """A hash or stream entry as the server lists it: field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def entry_fields(flat: Sequence[bytes]) -> Hash:
    """What an entry of an outbox has, or one that stands elsewhere on its way to a sink: what
    `common.lua` (record) put into its head by name, and the rest."""
    fields = pairs(flat)
    if b"head" in fields:
        fields.update(zip(_HEAD, _lines(fields.pop(b"head")), strict=True))
    return fields


def _lines(head: bytes) -> Sequence[bytes]:
    # An operation's id is its caller's, and may have lines of its own; nothing else has.
    kind, account, rest = head.split(b"\n", 2)
    return [kind, account, *rest.rsplit(b"\n", 4)]


_HEAD = (b"kind", b"account", b"id", b"amount", b"debt", b"observed", b"slices")


def balance(account_id: str, reply: Reply) -> Balance:
    now_ms, totals, stored, (advances_ucr, advances), sums = reply
    available, held, live, debt, overdraft_held, _, charged, observed, granted, corrected = totals[
        :10
    ]
    return Balance(
        account_id=account_id,
        available_ucr=available,
        held_ucr=held,
        overdraft_held_ucr=overdraft_held,
        debt_ucr=debt,
        observed_ucr=observed,
        charged_ucr=charged,
        corrected_ucr=corrected,
        granted_ucr=granted,
        live_holds=live,
        advances_ucr=advances_ucr,
        advances=advances,
        now_ms=now_ms,
        grants=_grants(pairs(stored)),
        forgotten=Forgotten(*sums[:5]),
    )


def _grants(stored: Hash) -> tuple[GrantState, ...]:
    """In burn order, which is the order of the index members."""
    standing = sorted(
        (state[STANDING.size :], field[:-2], state)
        for field, state in stored.items()
        if field.endswith(b":s")
    )
    return tuple(
        _grant(grant_id, stored[grant_id + b":i"], STANDING.unpack_from(state))
        for _, grant_id, state in standing
    )


def _grant(grant_id: bytes, given: bytes, standing: tuple[float, ...]) -> GrantState:
    remaining, held, consumed, expired, voided = map(int, standing[:5])
    kind, amount_ucr, priority, effective_ms, expires_ms, note, _, rolls_ms = orjson.loads(given)
    rolled_over = standing[8] > 0 and standing[9] == 0
    return GrantState(
        grant_id=grant_id.decode(),
        kind=GrantKind(kind),
        amount_ucr=amount_ucr,
        remaining_ucr=remaining,
        held_ucr=held,
        consumed_ucr=consumed,
        expired_ucr=expired,
        voided_ucr=voided,
        priority=priority,
        effective_ms=effective_ms,
        expires_ms=rolls_ms if rolled_over else expires_ms,
        note=note,
        rolled_over=rolled_over,
    )


def stored_hold(hold_id: str, reply: Reply) -> StoredHold | None:
    """What the reaper needs of a hold; None if it ended."""
    if not reply or reply[0] != b"held":
        return None
    _, account, _, _, sequence, _, charge, event, job, *_ = reply
    return StoredHold(
        hold_id=hold_id,
        account_id=account.decode(),
        sequence=sequence,
        charge_ucr=max(0, charge),
        event=orjson.loads(event or b"{}"),
        job_key=job.decode(),
    )


# As held.lua writes a hold: what stands before the account's name, and how long that is.
_HOLD_HEAD = Struct("<cddI")


def is_hold_of(account_id: str, text: bytes | None) -> bool:
    """Whether a stored hold goes on and is that account's."""
    if text is None or len(text) < _HOLD_HEAD.size:
        return False
    state, _, _, length = _HOLD_HEAD.unpack_from(text)
    name = text[_HOLD_HEAD.size : _HOLD_HEAD.size + length]
    return bool(state == b"h" and name == account_id.encode())


def open_hold(hold_id: str, reply: Reply, *, lease_ms: int) -> OpenHold | None:
    """None if it ended. A call of which nothing was heard yet began a lease before its end."""
    if not reply or reply[0] != b"held":
        return None
    _, account, amount, _, _, deadline_ms, booked, event_text, job, reservation, *_ = reply
    event = orjson.loads(event_text or b"{}")
    if not event and reservation:
        event = orjson.loads(reservation)["owed"]["event"]
    return OpenHold(
        hold_id=hold_id,
        account_id=account.decode(),
        key_id=text_in(event, "key_id"),
        model=text_in(event, "model"),
        started_ms=integer_in(event, "started_ms") or deadline_ms - lease_ms,
        held_ucr=amount,
        deadline_ms=deadline_ms,
        booked_ucr=booked if booked >= 0 else None,
        job=bool(job),
        reservation=bool(reservation),
    )


def hold_state(reply: Reply) -> HoldState | UnknownHold:
    """Of a hold, or its tombstone."""
    if not reply:
        return UnknownHold()
    state, _, amount, _, sequence, deadline_ms, _, _, _, reservation, *_ = reply
    return HoldState(
        ending=None if state == b"held" else Ending(state.decode()),
        held_ucr=amount,
        sequence=sequence,
        deadline_ms=deadline_ms,
        reservation=reservation_of(orjson.loads(reservation)) if reservation else None,
    )


def entry(entry_id: bytes, flat: Sequence[bytes]) -> Entry:
    fields = pairs(flat)
    event = fields[b"event"]
    kind, account, operation, amount, debt, observed, slices = _lines(fields[b"head"])
    return make_entry(
        entry_id=entry_id.decode(),
        kind=kind.decode(),
        account_id=account.decode(),
        operation_id=operation.decode(),
        amount_ucr=int(amount),
        debt_ucr=int(debt),
        observed_ucr=int(observed),
        slices=slices_of(slices.decode()),
        event=orjson.loads(event or b"{}"),
        event_text=event.decode(),
    )


def daily_usage(day_ms: int, reply: Sequence[bytes]) -> list[DailyUsage]:
    """One row per model, by name."""
    figures = pairs(reply)
    pieces: dict[bytes, list[tuple[str, int]]] = {}
    for field, count in sorted(figures.items()):
        kind, _, model = field.removeprefix(PIECE).partition(b" ")
        if field.startswith(PIECE):
            pieces.setdefault(model, []).append((kind.decode(), int(count)))
    return [
        _day(day_ms, field.removeprefix(MODEL), DAY.unpack(sums), pieces)
        for field, sums in sorted(figures.items())
        if field.startswith(MODEL)
    ]


def _day(
    day_ms: int, model: bytes, sums: tuple[float, ...], pieces: dict[bytes, list[tuple[str, int]]]
) -> DailyUsage:
    calls, input_tokens, output_tokens, charge_ucr = map(int, sums)
    return DailyUsage(
        day_ms=day_ms,
        model=model.decode(),
        calls=calls,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        charge_ucr=charge_ucr,
        pieces=tuple(pieces.get(model, ())),
    )
