"""What the exporter asks of a store: settlements handed out to sinks, and their acknowledgement.

Beside `base.py`, and a contract as that is. Every method may raise `StoreUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.metering.records import Settlement
from gateway.metering.sums import Message

LANES = 8
"""Shares of the shards, each delivered to a sink by one process at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """An entry on its way to a sink. `settlement` is None for movements without usage, and for
    what cannot be read (`unreadable`). A repeat comes from the sink's own stream, as `place`."""

    shard: int
    entry_id: str
    settlement: Settlement | None
    unreadable: bool = False
    repeat: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a sink has not got yet. `oldest_ms` is 0 when nothing waits in the outbox."""

    waiting: int = 0
    oldest_ms: int = 0
    repeats: int = 0
    dead: int = 0
    sums: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`entry_id` and `request_id` of a record, or the `identifier` of a sum."""

    shard: int
    letter_id: str
    reason: str
    entry_id: str = ""
    account_id: str = ""
    request_id: str = ""
    amount_ucr: int = 0
    identifier: str = ""


class Deliveries(Protocol):
    """The settlements as sinks get them: each of them all, at least once, in lanes.

    A lane is a share of the shards; one process at a time has it, and delivers. What was handed
    out and not acknowledged is handed out again to whoever has the lane next.
    """

    def now_ms(self) -> int: ...

    async def lease(self, sink: str, lane: int, *, holder: str, ttl_ms: int) -> bool:
        """Take or keep the lane for that long; 0 gives it back. False if another has it."""
        ...

    async def join(self, sink: str, lane: int, *, everything: bool) -> None:
        """Make sure that the sink gets what is settled from now on; `everything`: also what the
        outbox still has. Without effect on a sink that is there already."""
        ...

    async def unfinished(self, sink: str, lane: int, *, limit: int) -> Sequence[OutboxEntry]:
        """Handed out before and not acknowledged."""
        ...

    async def read(self, sink: str, lane: int, *, limit: int) -> Sequence[OutboxEntry]:
        """New ones, about `limit` at most."""
        ...

    async def repeats(self, sink: str, lane: int, *, limit: int) -> Sequence[OutboxEntry]: ...

    async def ack(self, sink: str, entries: Sequence[OutboxEntry]) -> None: ...

    async def bury(self, sink: str, entry: OutboxEntry, reason: str) -> None:
        """Acknowledge it and keep it as a dead letter."""
        ...

    async def backlog(self, sink: str, lane: int | None = None) -> Backlog:
        """Of one lane, or of all."""
        ...


class Sums(Protocol):
    """Sums of settlements on their way to a sink that counts by itself."""

    async def seal(
        self, sink: str, entries: Sequence[OutboxEntry], messages: Sequence[Message]
    ) -> bool:
        """Store the messages and acknowledge the entries, which are one shard's, in one step.
        False: somebody else did, and nothing changed."""
        ...

    async def under_way(self, sink: str, lane: int | None = None) -> Sequence[tuple[int, Message]]:
        """Those whose fate is not known, each with its shard; of one lane, or of all."""
        ...

    async def told(self, sink: str, shard: int, message: Message) -> None:
        """The other side has it."""
        ...

    async def replace(self, sink: str, shard: int, message: Message, by: Message) -> None: ...

    async def bury(self, sink: str, shard: int, message: Message, reason: str) -> None: ...

    async def confirmed(self, sink: str, message: Message) -> int:
        """The sum of all that the other side confirmed under the message's `counted_under`."""
        ...
