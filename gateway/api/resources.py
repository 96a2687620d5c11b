"""What the operations of the Metering API work with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.access.accounts import Accounts
from gateway.access.issuing import Issuing
from gateway.access.keys import Authentication
from gateway.access.sessions import Sessions
from gateway.api.feed import Feed
from gateway.incoming.base import Source
from gateway.metering.audit import Difference
from gateway.metering.changes import Change
from gateway.metering.plans import Plan
from gateway.metering.pricing import RateCard
from gateway.metering.routes import Route
from gateway.metering.webhooks import Endpoint
from gateway.sinks.base import Poster, TellsCharges
from gateway.stores.auditing import Trail
from gateway.stores.base import History, Ledger, Outbox
from gateway.stores.delivering import Deliveries, Mending, Standings
from gateway.stores.identifying import KeyStore
from gateway.stores.noticing import Endpoints, NoticeQueue
from gateway.stores.operating import OpenHolds
from gateway.stores.refusing import Refusals
from gateway.telemetry.vitals import Vitals
from gateway.tokens.base import TokenCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkFacts:
    """Of a configured sink. `sums`: it gets sums, of which none can be made a second time."""

    kind: str
    sums: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """What is behind the operations on sinks."""

    source: str
    """Of every record: this installation."""
    configured: Mapping[str, SinkFacts]
    tell_charges: Mapping[str, TellsCharges]
    """Those that can be asked what they have."""
    deliveries: Deliveries
    mending: Mending
    standings: Standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """What is behind the operations on webhooks. `secret_of` is what to tell its owner."""

    endpoints: Endpoints
    queue: NoticeQueue
    poster: Poster
    secret_of: Callable[[Endpoint], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How this worker is, and with all others the gateway."""

    reasons: Mapping[str, str]
    """Why no calls should be sent here; nothing if they may."""
    store_state: str
    config_digest: str
    vitals: Vitals


class Audited(Protocol):
    @property
    def differences(self) -> Sequence[Difference]: ...


class BrokenChain(Protocol):
    @property
    def number(self) -> int: ...


class Auditor(Protocol):
    """Compares the ledger with its journal, and the journal with its hashes."""

    async def account(self, account_id: str) -> Audited: ...

    async def chain(self, shard: int) -> BrokenChain | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """What is behind the operations for operators. `on_change` is told of each change."""

    holds: OpenHolds
    auditor: Auditor
    examine: Callable[[], Condition]
    on_change: Callable[[Change], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    ledger: Ledger
    keys: KeyStore
    accounts: Accounts
    history: History
    refusals: Refusals
    outbox: Outbox
    feed: Feed
    trail: Trail
    oversight: Oversight
    exports: Exports
    webhooks: Webhooks
    issuing: Issuing
    authentication: Authentication
    sessions: Sessions
    plans: Mapping[str, Plan]
    alerts_declared: frozenset[str]
    """Accounts whose alerts the configuration states."""
    rate_card: RateCard
    routes: tuple[Route, ...]
    counter: TokenCounter
    incoming: Mapping[str, Source]
    on_incoming: Callable[[str, str], None]
    """Told of each signed event, or of what was none: the source's name, and what became of it."""
    usd_nanos_per_credit: int
    """What a credit is worth, in 10⁻⁹ US dollars."""
