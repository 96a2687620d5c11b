"""What the gateway asks of a store. Planes import this module only; `app` names the classes.

Every method may raise `StoreUnavailable`: the outcome of that operation is then *unknown*, and
asking again with the same id is always safe.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.metering.accounts import Account, Status, VirtualKey
from gateway.metering.jobs import Job, Keep, Kept
from gateway.metering.ledger import (
    AlreadyEnded,
    Balance,
    ClockSkewed,
    Extend,
    Extended,
    Grant,
    Granted,
    Refused,
    Release,
    Released,
    Reserve,
    Reserved,
    Settle,
    Settled,
    UnknownHold,
)
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

    async def grant(self, grant: Grant) -> Granted:
        """Raises Conflict when the id exists with another payload."""
        ...

    async def expire_holds(self, *, batch: int = 100) -> int:
        """Resolve holds whose lease has run out, in every shard; answer how many.

        A hold with a checkpoint is charged to it, one without is given back whole.
        """
        ...

    async def trim_outbox(self, *, keep_ms: int) -> None:
        """Forget outbox entries older than `keep_ms`, roughly: some may stay a while longer.

        An outbox that something consumes is left alone, however far behind its consumers are.
        """
        ...

    async def balance(self, account_id: str) -> Balance: ...

    async def usage_by_day(
        self, account_id: str, *, first_day_ms: int, last_day_ms: int
    ) -> Sequence["DailyUsage"]:
        """Totals per UTC day and model, kept by the settle script."""
        ...

    async def events(self, account_id: str) -> Sequence["StoredEvent"]:
        """The account's entries still in the outbox, oldest first."""
        ...


Ask = Settle | Keep
"""What must reach the ledger, however long it takes: a call was served, or a job begun."""
Outcome = Settled | Kept | AlreadyEnded


def send(ledger: Ledger, ask: Ask) -> asyncio.Future[Any]:  # Any: each ask's own Outcome
    return ledger.keep(ask) if isinstance(ask, Keep) else ledger.settle(ask)


def hold_id_of(ask: Ask) -> str:
    return ask.job.hold_id if isinstance(ask, Keep) else ask.hold_id


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
    """What an account created at a provider and the provider keeps: files, batches, responses …

    Names are `<api>:<id>`. A record is a small JSON object, empty for most.
    """

    async def put(self, account_id: str, name: str, record: Mapping[str, object]) -> None: ...

    async def get(
        self, account_id: str, names: Sequence[str]
    ) -> Sequence[Mapping[str, object] | None]:
        """In the names' order; None for what the account did not create."""
        ...

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One outbox entry. `kind`: settled, expired, late, funded, grant_expired, debt_paid.

    `amount_ucr` is what this entry charged (or funded, or lapsed); `slices` which grants paid.
    For settled, expired, late and debt_paid (which charges nothing and carries a negative debt):
    amount = Σ slices + debt + observed.
    `event` is the decoded usage event, empty for movements without one.
    """

    entry_id: str
    kind: str
    account_id: str
    operation_id: str
    amount_ucr: int
    debt_ucr: int
    observed_ucr: int
    slices: tuple[tuple[str, int], ...]
    event: dict[str, object]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a presented key leads to."""

    key: VirtualKey
    account: Account


class KeyStore(Protocol):
    """Accounts and virtual keys. Look-ups are cached and forgotten everywhere within 1 s of a
    change; the reserve script checks the key's status once more, at the source."""

    def cached(self, digest: str) -> KeyRecord | None:
        """The record if this process knows it, without waiting."""
        ...

    async def find(self, digest: str) -> KeyRecord | None: ...

    async def put_account(self, account: Account) -> None:
        """Create or replace; other accounts' and the ledger's fields stay untouched."""
        ...

    async def account(self, account_id: str) -> Account | None: ...

    async def accounts(self) -> Sequence[Account]: ...

    async def put_key(self, key: VirtualKey) -> None:
        """Create or replace by key id. Raises Conflict if the digest belongs to another key."""
        ...

    async def key(self, key_id: str) -> VirtualKey | None: ...

    async def keys(self, account_id: str | None = None) -> Sequence[VirtualKey]: ...

    async def set_key_status(self, key_id: str, status: Status) -> None: ...


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
