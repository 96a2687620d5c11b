"""What is known of shards that lost what they had, noted in the store for all processes; and how
what a journal's entry did is asked for again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.metering.journal import Entry, Position
from gateway.metering.ledger import Correct, Grant, GrantKind, Settle
from gateway.stores.stored_settle import event_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewind:
    """A shard whose outbox lacks the entry that came into the history last: it was set back in
    time, emptied or exchanged. Its accounts get no new calls until it has caught up."""

    shard: int
    lost_id: str
    """The entry of the history that it lacked."""
    lost_number: int
    """Its number in the shard's chain: what was lost lies before it, or is it."""
    since_ms: int
    stuck: str = ""
    """Why it could not be repaired from the journal, if so."""


class Rewinds(Protocol):
    """Every method may raise StoreUnavailable."""

    async def lacking(self, positions: Mapping[int, Position]) -> Sequence[int]:
        """Which of these shards do not have the entry at their position. It is never trimmed."""
        ...

    async def note(self, rewind: Rewind) -> None:
        """Close the shard; then write into its outbox that it went back, behind all ids that the
        history knows, whatever the server's clock says."""
        ...

    async def stuck(self, rewind: Rewind, reason: str) -> None: ...

    async def closed(self) -> Sequence[Rewind]: ...

    async def open(self, number: int) -> None: ...

    async def newest(self, number: int, *, until_id: str) -> Collection[str]:
        """Ids of the outbox's last entries up to that one, a thousand at most."""
        ...


def settle_again(entry: Entry) -> Settle:
    """Its hold is gone, or stands as it did: charged by its id, once. What the call had taken of
    its limits is not in the journal."""
    return Settle(
        hold_id=entry.operation_id,
        account_id=entry.account_id,
        charges=(),
        amounts=(),
        event=event_of(entry.event),
        observe=entry.observed_ucr > 0,
        again=True,
    )


def grant_again(entry: Entry) -> Grant:
    """As it was given: whoever gives it once more is answered that it is there."""
    kind, amount_ucr, priority, effective_ms, expires_ms, note, rollover_ucr, rollover_ms = _given(
        entry
    )
    return Grant(
        grant_id=entry.operation_id,
        account_id=entry.account_id,
        amount_ucr=amount_ucr,
        kind=GrantKind(kind),
        priority=priority,
        effective_ms=effective_ms,
        expires_ms=expires_ms,
        note=note,
        rollover_ucr=rollover_ucr,
        rollover_ms=rollover_ms,
    )


def correct_again(entry: Entry) -> Correct:
    amount_ucr, note = _given(entry)
    return Correct(
        correction_id=entry.operation_id,
        account_id=entry.account_id,
        amount_ucr=amount_ucr,
        note=note,
        grows=entry.event["grows"] is True,
    )


def _given(entry: Entry) -> list[Any]:  # Any: as the ledger was asked, in JSON
    given = entry.event["given"]
    assert isinstance(given, list), "the ledger's scripts wrote it"
    return given
