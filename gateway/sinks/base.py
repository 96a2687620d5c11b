"""What a sink is to the exporter: something that takes usage records and says what became of each.

Sinks raise nothing on purpose: whatever the other side does is an `Outcome`. They are asked by one
task at a time for a share of the accounts, and by several for different shares; a record may come
again, with the same id and the same content, whenever its fate is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gateway.metering.records import Record
from gateway.metering.sums import Message


class Fate(StrEnum):
    """What became of a record.

    POISON will never be taken. REFUSED: a batch was turned down as a whole because of something
    in it, nobody says what. RETRY: not now. DISABLED: the receiver wants nothing more, ever.
    """

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    POISON = "poison"
    REFUSED = "refused"
    RETRY = "retry"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` is for people, and quotes no more than a line of what the other side said."""

    fate: Fate
    reason: str = ""
    retry_after_s: float | None = None


DELIVERED = Outcome(Fate.DELIVERED)
DUPLICATE = Outcome(Fate.DUPLICATE)


def retry(reason: str, *, after_s: float | None = None) -> Outcome:
    return Outcome(Fate.RETRY, reason, after_s)


def poison(reason: str) -> Outcome:
    return Outcome(Fate.POISON, reason)


@dataclass(frozen=True, slots=True)
class Shipment:
    """A record on its way. `customer`: the account's id at the billing system."""

    record: Record
    customer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Customers:
    """How a sink calls accounts: by the `external` id of that name. Of an account without one,
    `or_account_id` takes our own; else its records are poison, or skipped."""

    external: str = ""
    or_account_id: bool = True
    skip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A batch goes when it has `events_max` records, or its oldest waited `linger_s`."""

    events_max: int
    linger_s: float = 1.0


class Sink(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def customers(self) -> Customers: ...

    async def open(self) -> None:
        """Called once in the worker that delivers, before anything else. May raise OSError."""
        ...

    async def close(self) -> None: ...


class RecordSink(Sink, Protocol):
    """Takes records as they are, or one by one translated."""

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        """At most `limits.events_max`; an outcome for each, in order."""
        ...


@runtime_checkable
class MeterSink(Sink, Protocol):
    """Takes sums, because the other side counts requests and remembers little."""

    @property
    def resend_ms(self) -> int:
        """How long after the first attempt the same message may be sent again."""
        ...

    def messages(self, shipments: Sequence[Shipment], *, mark: str) -> Sequence[Message]:
        """What to tell of these records; pure. `mark` makes identifiers unique."""
        ...

    async def send(self, message: Message) -> Outcome: ...

    async def total(self, message: Message) -> int | Outcome:
        """What the other side counted under the message's `counted_under`; or why it is not
        known."""
        ...


@runtime_checkable
class TellsCharges(Sink, Protocol):
    """Can be asked what it has."""

    async def charged(
        self, account_id: str, *, source: str, first_ms: int, end_ms: int
    ) -> int | Outcome:
        """The sum in microcredits of an account's records of that time, `end_ms` not included; or
        why it is not known."""
        ...


class Poster(Protocol):
    """Brings a signed message to somebody's endpoint."""

    def permits(self, url: str) -> bool:
        """False for a URL with an address in it that nothing may be sent to."""
        ...

    async def post(
        self,
        url: str,
        document: Mapping[str, object],
        *,
        message_id: str,
        secrets: Sequence[bytes],
    ) -> Outcome:
        """DELIVERED, DISABLED or RETRY."""
        ...
