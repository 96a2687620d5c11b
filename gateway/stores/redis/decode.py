"""The scripts' replies as the answers of `metering/ledger.py`. Knows no connection.

Replies open with a word and the server's time; `ledger.py` has taken the time by then.
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from gateway.errors import BadCall, Conflict, NotFound
from gateway.metering.jobs import Kept
from gateway.metering.journal import Entry, slices_of
from gateway.metering.ledger import (
    AlreadyEnded,
    Balance,
    ClockSkewed,
    Corrected,
    Ending,
    Extended,
    Granted,
    GrantKind,
    GrantState,
    HoldState,
    Reason,
    Refused,
    Released,
    Reserved,
    Settled,
    UnknownHold,
    Voided,
)
from gateway.stores.base import DailyUsage
from gateway.stores.redis.encode import StoredHold
from gateway.stores.stored_reservation import reservation_of

# Of a day's usage, before the kind.
PIECE = b"piece:"

Reply = list[Any]
Hash = dict[bytes, bytes]


def answer(reply: Reply) -> Any:  # noqa: ANN401 - each operation's own union, narrowed by its caller
    """The answer to an operation of a call's life, or to a grant."""
    return _ANSWERS[reply[0]](reply)


def _reserved(reply: Reply) -> Reserved:
    held, full, available, *rooms = map(int, reply[2].split())
    return Reserved(
        held_ucr=held,
        full=full == 1,
        available_ucr=available,
        rooms=tuple(rooms),
        now_ms=reply[1],
    )


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


def _overflow(_: Reply) -> Granted:
    raise BadCall("The account's grants would add up to more than the ledger can count (2^53).")


_ANSWERS: dict[bytes, Callable[[Reply], object]] = {
    b"reserved": _reserved,
    b"refused": _refused,
    b"clock_skew": lambda reply: ClockSkewed(reply[1]),
    b"ended": lambda reply: AlreadyEnded(Ending(reply[2].decode())),
    b"unknown": lambda _: UnknownHold(),
    b"extended": lambda reply: Extended(
        held_ucr=reply[2], available_ucr=reply[3], repeated=reply[4] == 1
    ),
    b"settled": lambda reply: Settled(charged_ucr=reply[2], debt_ucr=reply[3], late=reply[4] == 1),
    b"kept": lambda reply: Kept(late=reply[2] == 1),
    b"released": lambda reply: Released(reply[2]),
    b"granted": _granted,
    b"voided": lambda reply: Voided(repeated=reply[2] == 1, voided_ucr=reply[3]),
    b"no_grant": _no_grant,
    b"corrected": lambda reply: Corrected(
        repeated=reply[2] == 1, taken_ucr=reply[3], debt_ucr=reply[4]
    ),
    b"conflict": _conflict,
    b"overflow": _overflow,
}


def pairs(flat: Sequence[bytes]) -> Hash:
    """A hash or stream entry as the server lists it: field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def balance(account_id: str, reply: Reply) -> Balance:
    now_ms, totals, stored = reply[0], pairs(reply[1]), pairs(reply[2])

    def total(name: bytes) -> int:
        return int(totals.get(name, 0))

    return Balance(
        account_id=account_id,
        available_ucr=total(b"available"),
        held_ucr=total(b"held"),
        overdraft_held_ucr=total(b"overdraft_held"),
        debt_ucr=total(b"debt"),
        observed_ucr=total(b"observed"),
        charged_ucr=total(b"charged"),
        corrected_ucr=total(b"corrected"),
        granted_ucr=total(b"granted"),
        live_holds=total(b"live"),
        now_ms=now_ms,
        grants=_grants(stored),
    )


def _grants(stored: Hash) -> tuple[GrantState, ...]:
    """In burn order, which is the order of the index members."""
    members = sorted(
        (member, field[:-2]) for field, member in stored.items() if field.endswith(b":m")
    )
    return tuple(_grant(grant_id, stored) for _, grant_id in members)


def _grant(grant_id: bytes, stored: Hash) -> GrantState:
    def amount(field: bytes) -> int:
        return int(stored.get(grant_id + field, 0))

    kind, amount_ucr, priority, effective_ms, expires_ms, note = orjson.loads(
        stored[grant_id + b":i"]
    )
    return GrantState(
        grant_id=grant_id.decode(),
        kind=GrantKind(kind),
        amount_ucr=amount_ucr,
        remaining_ucr=amount(b":r"),
        held_ucr=amount(b":h"),
        consumed_ucr=amount(b":c"),
        expired_ucr=amount(b":x"),
        voided_ucr=amount(b":v"),
        priority=priority,
        effective_ms=effective_ms,
        expires_ms=expires_ms,
        note=note,
    )


def stored_hold(hold_id: str, reply: Sequence[bytes]) -> StoredHold:
    """What the reaper needs of a hold; of a tombstone, an account of "" and nothing else."""
    hold = pairs(reply)
    checkpoint = hold.get(b"ck", b"").split()
    return StoredHold(
        hold_id=hold_id,
        account_id=hold.get(b"a", b"").decode(),
        buckets=tuple((name, ms) for name, ms in orjson.loads(hold.get(b"b", b"[]"))),
        sequence=int(hold.get(b"seq", 0)),
        charge_ucr=int(checkpoint[0]) if checkpoint else 0,
        event=orjson.loads(hold.get(b"ev", b"{}")),
        job_key=hold.get(b"j", b"").decode(),
    )


def hold_state(flat: Sequence[bytes], deadline: bytes | None) -> HoldState | UnknownHold:
    """Of a hold's hash, or its tombstone's, and its place among what is due."""
    hold = pairs(flat)
    state = hold.get(b"st")
    if state is None:
        return UnknownHold()
    slices = hold.get(b"sl", b"").split()[1::2]
    record = hold.get(b"rec")
    return HoldState(
        ending=None if state == b"held" else Ending(state.decode()),
        held_ucr=int(hold.get(b"od", 0)) + sum(map(int, slices)),
        sequence=int(hold.get(b"seq", 0)),
        deadline_ms=int(float(deadline)) if deadline else 0,
        reservation=reservation_of(orjson.loads(record)) if record else None,
    )


def entry(entry_id: bytes, flat: Sequence[bytes]) -> Entry:
    fields = pairs(flat)
    event = fields[b"event"]
    return Entry(
        entry_id=entry_id.decode(),
        kind=fields[b"kind"].decode(),
        account_id=fields[b"account"].decode(),
        operation_id=fields[b"id"].decode(),
        amount_ucr=int(fields[b"amount"]),
        debt_ucr=int(fields[b"debt"]),
        observed_ucr=int(fields[b"observed"]),
        slices=slices_of(fields[b"slices"].decode()),
        event=orjson.loads(event or b"{}"),
        event_text=event.decode(),
    )


def daily_usage(day_ms: int, reply: Sequence[bytes]) -> list[DailyUsage]:
    """One row per model, by name."""
    figures: dict[str, dict[bytes, int]] = {}
    for field, value in pairs(reply).items():
        figure, _, model = field.partition(b" ")
        figures.setdefault(model.decode(), {})[figure] = int(value)
    return [
        DailyUsage(
            day_ms=day_ms,
            model=model,
            calls=row[b"calls"],
            input_tokens=row[b"input"],
            output_tokens=row[b"output"],
            charge_ucr=row[b"charge"],
            pieces=tuple(
                (figure.removeprefix(PIECE).decode(), count)
                for figure, count in sorted(row.items())
                if figure.startswith(PIECE)
            ),
        )
        for model, row in sorted(figures.items())
    ]
