"""An admitted call: everything later phases need to know about it, gathered once."""

from dataclasses import replace

from gateway.dialects.base import Api, Format
from gateway.dialects.limit_headers import NOTHING_TOLD, Told
from gateway.metering.accounts import Caller
from gateway.metering.call import Call
from gateway.metering.estimate import Estimate
from gateway.metering.events import End, UsageEvent
from gateway.metering.hedging import CutOff
from gateway.metering.ledger import Release, Settle, make_settle
from gateway.metering.limits import Charge, amounts_of
from gateway.metering.plans import OnDisconnect
from gateway.metering.pricing import ModelPrice, charge_ucr
from gateway.metering.routes import Route
from gateway.metering.usage import Provenance, Usage, UsageReport
from gateway.proxy.draw import Draw
from gateway.values import call_value, maker, small_value

# Members of an enumeration cost a descriptor call each time they are reached through it.
_HELD = Provenance.HELD
# A job is begun in seconds at the most.
BEGINNING_S = 30.0


@call_value
class Way:
    """One of the upstreams that may serve a call, and what the call is there."""

    route: Route
    price: ModelPrice
    call: Call
    """In the measure that its model is sold in."""
    resolved: Call
    """Under the provider's name for its model: how it is counted."""
    sized: Estimate


@small_value
class Ticket:
    """What was asked for, by whom, at what price, and what was set aside for it. All but the first
    four are given by name."""

    request_id: str
    api: Api
    dialect: Format
    caller: Caller
    call: Call
    price: ModelPrice
    provider: str
    model: str
    """As the provider knows it."""
    charges: tuple[Charge, ...]
    prompt: Usage
    """Bound or exact count of the prompt, as the hold was computed from."""
    prompt_exact: bool
    held_ucr: int
    full: bool
    """The hold covers the worst case: it never needs extending."""
    rooms: tuple[int, ...]
    """What is left of each limit; nothing where the store was not there to tell."""
    started_ms: int
    ways: tuple[Way, ...] = ()
    """The upstreams that may serve it, for all of which the hold is large enough; it is made out
    for the first."""
    draw: Draw | None = None
    """What it was promised of an advance, if it was admitted while the store was away."""

    def by_way_of(self, way: Way) -> "Ticket":
        """The same call, served by another of its upstreams: at that one's price."""
        return replace(
            self,
            call=way.call,
            price=way.price,
            provider=way.route.provider,
            model=way.resolved.model,
            prompt=way.sized.prompt,
            prompt_exact=way.sized.exact,
        )

    @property
    def resolved_call(self) -> Call:
        """The call under the provider's name for its model: how it is counted."""
        call = self.call
        return call if call.model == self.model else replace(call, model=self.model)

    @property
    def observe(self) -> bool:
        return self.caller.plan.observes

    @property
    def drain_s(self) -> float:
        """How long to go on after the client left; 0 under `abort`, but for what may begin a job:
        without its answer nobody would know what was begun."""
        plan = self.caller.plan
        drain_s = plan.drain_s if plan.on_disconnect is OnDisconnect.DRAIN else 0.0
        return max(drain_s, BEGINNING_S) if self.call.deferred else drain_s

    @property
    def overdraft_ucr(self) -> int:
        return self.caller.plan.overdraft_ucr

    def amounts(self, usage: Usage, charge: int) -> tuple[int, ...]:
        """What each of the charges' buckets is to book."""
        return amounts_of(self.charges, charge_ucr=charge, tokens=usage.total_tokens)

    def limit_headers(self) -> Told:
        if self.draw is not None:
            return NOTHING_TOLD
        return self.api.limit_headers(self.charges, self.rooms, now_ms=self.started_ms)

    def release(self) -> Release:
        return Release(self.request_id, self.caller.account.account_id, self.charges)

    def settle(self, event: UsageEvent) -> Settle:
        return make_settle(
            hold_id=self.request_id,
            account_id=self.caller.account.account_id,
            charges=self.charges,
            amounts=self.amounts(event.usage, event.charge_ucr),
            event=event,
            observe=self.observe,
        )

    def event(
        self,
        report: UsageReport,
        *,
        end: End,
        http_status: int,
        held_ucr: int,
        ttfb_ms: int = 0,
        duration_ms: int = 0,
        attempts: int = 1,
        cut_off: CutOff | None = None,
    ) -> UsageEvent:
        """HELD charges the hold itself: nothing better is known, and free is not an option."""
        unknown = report.provenance is _HELD
        return UsageEvent(
            event_id=self.request_id,
            account_id=self.caller.account.account_id,
            key_id=self.caller.key.key_id,
            provider=self.provider,
            dialect=self.dialect.name,
            model_requested=self.call.model,
            model=self.model,
            rate_version=self.price.version,
            rate_id=self.price.rate_id,
            started_ms=self.started_ms,
            stream=self.call.stream,
            usage=report.usage,
            provenance=report.provenance,
            end=end,
            http_status=http_status,
            held_ucr=held_ucr,
            ttfb_ms=ttfb_ms,
            duration_ms=duration_ms,
            attempts=attempts,
            cut_off=cut_off,
            unmapped=report.unmapped,
            charge_ucr=held_ucr if unknown else charge_ucr(self.price, report.usage),
        )


make_way, make_ticket = maker(Way), maker(Ticket)
"""For what each call has."""
