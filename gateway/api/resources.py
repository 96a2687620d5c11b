"""What the operations of the Metering API work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.access.issuing import Issuing
from gateway.access.keys import Authentication
from gateway.incoming.base import Source
from gateway.metering.plans import Plan
from gateway.metering.pricing import RateCard
from gateway.metering.routes import Route
from gateway.stores.base import History, KeyStore, Ledger
from gateway.tokens.base import TokenCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    ledger: Ledger
    keys: KeyStore
    history: History
    issuing: Issuing
    authentication: Authentication
    plans: Mapping[str, Plan]
    rate_card: RateCard
    routes: tuple[Route, ...]
    counter: TokenCounter
    incoming: Mapping[str, Source]
    on_incoming: Callable[[str, str], None]
    """Told of each signed event, or of what was none: the source's name, and what became of it."""
    usd_nanos_per_credit: int
    """What a credit is worth, in 10⁻⁹ US dollars."""
