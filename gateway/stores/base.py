"""What the gateway asks of a store. Planes import this module only; `app` names the classes.

Every method may raise `StoreUnavailable`: the outcome of that operation is then *unknown*, and
asking again with the same id is always safe.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from gateway.metering.balance import Balance, Look
from gateway.metering.history import (
    CostSum,
    EndSum,
    Movement,
    Newest,
    Question,
    Record,
    UsageSum,
    Wanted,
)
from gateway.metering.jobs import Job, Keep, Kept
from gateway.metering.journal import Drained, Entry, Position
from gateway.metering.ledger import (
    AlreadyEnded,
    ClockSkewed,
    Correct,
    Corrected,
    Extend,
    Extended,
    Grant,
    Granted,
    HoldState,
    Refused,
    Release,
    Released,
    Reserve,
    Reserved,
    Settle,
    Settled,
    UnknownHold,
    Voided,
    VoidGrant,
)
from gateway.metering.pricing import ModelPrice
from gateway.metering.usage import Pieces


class Ledger(Protocol):
    """Money. One script per operation; the answers are those of `metering/ledger.py`.

    The operations of a call's life return futures, not coroutines: the command is queued for
    sending before the method returns, so a cancelled caller cannot unsend it, and all commands
    of one event-loop turn leave in one write, in order.
    """

    def now_ms(self) -> int:
        """The ledger's clock: its last known time plus what has elapsed here since."""
        ...

    def heard_ms(self, account_id: str) -> int:
        """When what keeps this account answered last, to about a second; ms of this process's
        own clock, which does not jump."""
        ...

    def reserve(
        self, ask: Reserve
    ) -> asyncio.Future[Reserved | Refused | AlreadyEnded | ClockSkewed]: ...

    def extend(
        self, ask: Extend
    ) -> asyncio.Future[Extended | Refused | AlreadyEnded | UnknownHold]: ...

    def settle(self, ask: Settle) -> asyncio.Future[Settled | AlreadyEnded]: ...

    def release(self, ask: Release) -> asyncio.Future[Released | AlreadyEnded]:
        """Give everything back. An unknown hold gets a tombstone, so that a reserve still on
        its way is answered `released` and takes nothing."""
        ...

    def keep(self, ask: Keep) -> asyncio.Future[Kept | AlreadyEnded]: ...

    async def hold(self, account_id: str, hold_id: str) -> HoldState | UnknownHold:
        """A live hold, or the tombstone of one that ended within the last day."""
        ...

    async def grant(self, grant: Grant) -> Granted:
        """Raises Conflict when the id exists with another payload."""
        ...

    async def void_grant(self, ask: VoidGrant) -> Voided:
        """Raises NotFound."""
        ...

    async def look(self, ask: Look) -> None: ...

    async def correct(self, ask: Correct) -> Corrected:
        """Raises Conflict when the id exists with another payload."""
        ...

    async def expire_holds(self, *, batch: int = 100) -> int:
        """Resolve holds whose lease has run out, in every shard; answer how many.

        A hold with a checkpoint is charged to it, one without is given back whole.
        """
        ...

    async def balance(self, account_id: str) -> Balance: ...

    async def recount(self, account_id: str) -> None:
        """Add up what is available from what the grants have left. Moves nothing."""

    async def usage_by_day(
        self, account_id: str, *, first_day_ms: int, last_day_ms: int
    ) -> Sequence["DailyUsage"]:
        """Totals per UTC day and model, kept by the settle script."""
        ...

    async def events(self, account_id: str) -> Sequence[Entry]:
        """The account's entries still in the outbox, oldest first."""
        ...


Ask = Settle | Keep
"""What must reach the ledger, however long it takes: a call was served, or a job begun."""
Outcome = Settled | Kept | AlreadyEnded


def send(ledger: Ledger, ask: Ask) -> asyncio.Future[Any]:  # Any: each ask's own Outcome
    return ledger.keep(ask) if isinstance(ask, Keep) else ledger.settle(ask)


class JobStore(Protocol):
    """The open jobs. They are put there by `Ledger.keep`, and go with their holds' ends."""

    async def find(self, account_id: str, name: str) -> Sequence[Job]:
        """The account's job of that name, a `Job` for each of its holds; empty if it is over."""
        ...

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[Sequence[Job]]:
        """Jobs that are to be asked for now, at most `limit` from each shard. Nobody else gets
        them for `claim_ms`."""
        ...

    async def postpone(self, job: Job, *, poll_ms: int) -> None:
        """Ask for it again after that time, unless it is over."""
        ...


class ObjectStore(Protocol):
    """What an account created at a provider and the provider keeps, by `<api>:<id>`.

    A record is a small JSON object. `put` keeps it for 400 days (`briefly`: a month), `get` for 400
    more, in the names' order, None for what the account did not create; `own` only looks.
    """

    async def put(
        self, account_id: str, name: str, record: Mapping[str, object], *, briefly: bool = False
    ) -> None: ...
    async def get(
        self, account_id: str, names: Sequence[str]
    ) -> Sequence[Mapping[str, object] | None]: ...
    async def own(self, account_id: str, names: Sequence[str]) -> Sequence[bool]: ...
    async def drop(self, account_id: str, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyUsage:
    day_ms: int
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    charge_ucr: int
    pieces: Pieces = ()
    """By kind."""


class Turn(StrEnum):
    """Whose turn it is to drain the outboxes."""

    OURS = "ours"
    OTHERS = "others"
    ELSEWHERE = "elsewhere"
    """Into another history than this process has, on another machine or now lost."""


class Outbox(Protocol):
    """What the ledger wrote for others to read, shard by shard, and who may take it away."""

    async def claim(self, history_id: str, *, holder: str, lease_ms: int) -> Turn:
        """Be the one that drains for that long, or go on being it."""
        ...

    async def history_id(self) -> str:
        """Of the history that the outboxes are drained into; empty before the first."""
        ...

    async def read(self, positions: Mapping[int, Position], *, limit: int) -> Sequence[Drained]:
        """What stands behind the positions of these shards, at most `limit` entries of each."""
        ...

    async def trim(self, positions: Mapping[int, Position], *, keep_ms: int) -> None:
        """Forget what is older than `keep_ms` and behind its shard's position, roughly: some may
        stay a while longer. What a consumer has not got is kept, however far behind it is."""
        ...

    async def publish_prices(self, prices: Sequence[ModelPrice]) -> None:
        """Let whoever drains know what calls are priced by; by `rate_id`, once and for ever."""
        ...

    async def prices(self, rate_ids: Sequence[str]) -> Mapping[str, ModelPrice]: ...


class History(Protocol):
    """The journal and what was used, kept for as long as anybody may ask.

    It follows the ledger by less than a second. Every method may raise `HistoryUnavailable`, which
    stops nothing but what asked.
    """

    async def history_id(self) -> str:
        """Tells it from every other: there is one for all gateways of a ledger."""

    async def positions(self) -> Mapping[int, Position]: ...  # of each shard

    async def append(self, batch: Sequence[Drained], prices: Mapping[str, ModelPrice]) -> None:
        """All of it or nothing. Raises Conflict unless each part begins where its shard stands."""
        ...

    async def prune(self, *, before_ms: int) -> None:
        """Forget records that are older; sums and the journal stay."""
        ...

    async def usage(self, asked: Question) -> Sequence[UsageSum]: ...

    async def costs(self, asked: Question) -> Sequence[CostSum]: ...

    async def records(
        self,
        account_id: str,
        *,
        start_ms: int,
        end_ms: int,
        before: int | None,
        limit: int,
        models: Sequence[str] = (),
        keys: Sequence[str] = (),
    ) -> Sequence[Record]:
        """Newest first; `before`: only those with a lower `record_id`. Empty filters let all
        pass."""
        ...

    async def request(self, account_id: str, request_id: str) -> Sequence[Movement]:
        """The journal's entries of one call, oldest first."""
        ...

    async def movements(
        self, account_id: str, *, kinds: Sequence[str], before: int | None, limit: int
    ) -> Sequence[Movement]:
        """Newest first; `before`: only those with a lower number. Empty `kinds`: all."""
        ...

    async def price(self, rate_id: str) -> ModelPrice | None: ...

    async def chain(self, shard: int, *, after: int, limit: int) -> Sequence[Movement]:
        """The shard's journal in its order, numbered by it, behind that number."""
        ...

    async def journal(self, account_id: str, *, after: int, limit: int) -> Sequence[Movement]:
        """The account's entries, oldest first, behind that number."""
        ...

    async def ended_twice(self, account_id: str) -> Sequence[str]:
        """The account's calls with more than one end in the journal."""
        ...

    async def account_ids(self) -> Sequence[str]:
        """All that the journal knows."""
        ...

    async def ends(self, *, start_ms: int) -> Sequence[EndSum]:
        """How calls of all accounts ended and what they cost, from `start_ms` on, a whole hour."""
        ...

    async def newest(self, wanted: Wanted) -> Newest:
        """Records of all accounts."""
        ...


@dataclass(frozen=True, slots=True)
class Spooled:
    """Something waiting on disk for the store to come back."""

    position: int
    ask: Ask


class Spool(Protocol):
    """A local append-only file of what the store did not confirm.

    `append` returns once the entry is on disk (fsync). Replaying is at-least-once: settling and
    keeping are idempotent by hold id.
    """

    async def append(self, ask: Ask) -> None: ...

    async def pending(self, *, batch: int = 100) -> Sequence[Spooled]: ...

    async def confirm(self, position: int) -> None:
        """Everything up to `position` was applied; a fully confirmed file is truncated."""
        ...

    @property
    def waiting(self) -> int: ...

    @property
    def healthy(self) -> bool:
        """False while the disk refuses or room runs out."""
        ...

    async def takes_more(self) -> bool:
        """`healthy`, of a disk that took something less than a second ago."""
        ...
