"""What the exporter asks of a store: settlements handed out to sinks, and their acknowledgement.

Beside `base.py`, and a contract as that is. Every method may raise `StoreUnavailable`.
"""

from collections.abc import Collection, Mapping, Sequence
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

    @property
    def name(self) -> str:
        """What people and programs call it by."""
        return f"{self.shard}:{self.letter_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one process has to tell of a sink since it last did. `failing`: None, as before."""

    outcomes: Mapping[str, int]
    error: str = ""
    failing: bool | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What people can change of a sink."""

    disabled: bool = False
    """The receiver wants nothing more; until it is resumed, or the next start."""
    paused: bool = False
    resumed_ms: int = 0
    """When it last was; 0 for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How deliveries to a sink go, over all processes, since it is known. Times are 0 for never."""

    delivered: int = 0
    duplicates: int = 0
    retried: int = 0
    refused: int = 0
    """Became dead letters."""
    last_delivered_ms: int = 0
    last_error: str = ""
    last_error_ms: int = 0
    failing_since_ms: int = 0
    switches: Switches = Switches()

    @property
    def state(self) -> str:
        """In a word: running, failing, disabled, paused."""
        if self.switches.paused:
            return "paused"
        if self.switches.disabled:
            return "disabled"
        return "failing" if self.failing_since_ms else "running"


class Standings(Protocol):
    async def note(self, sink: str, news: News) -> None:
        """The first that tells of a sink that fails, or is back, has a notice written of it."""
        ...

    async def of(self, sink: str) -> Standing: ...

    async def pause(self, sink: str, read: Switches) -> bool:
        """Nothing is sent to it until it is resumed. It misses nothing. False, and nothing is
        changed, if its switches are no longer what was read."""
        ...

    async def resume(self, sink: str, read: Switches) -> bool:
        """As `pause`."""
        ...


class Mending(Protocol):
    """What operators do about deliveries. The running exporter does the sending."""

    async def sinks(self) -> Sequence[str]:
        """All that have a place in the outboxes, configured or not; by name."""
        ...

    async def dead(self, sink: str, *, limit: int, after: str = "") -> Sequence[DeadLetter]:
        """By shard and age, at most `limit`; `after`: only those behind the letter of that name."""
        ...

    async def letters(self, sink: str, names: Collection[str]) -> Sequence[DeadLetter]:
        """Those of these names that there are. Raises BadCall for what is no such name."""
        ...

    async def redrive(self, sink: str, letters: Sequence[DeadLetter]) -> int:
        """Give them to the sink once more; answers how many were still there."""
        ...

    async def discard(self, sink: str, letters: Sequence[DeadLetter]) -> int:
        """Forget them for good; answers how many were still there."""
        ...

    async def replay(
        self, sink: str, *, first_ms: int, last_ms: int, requests: Collection[str] = ()
    ) -> int:
        """Have settlements of that time sent once more, or of these only those requests'; answers
        how many. Reaches as far back as the outboxes do."""
        ...


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
