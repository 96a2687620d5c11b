"""Calls that do not pass the gateway: what they are charged by, hold, and come to.

Somebody else makes them and tells us: before (a reservation), while they run (an extension with
what was used so far), and after (a settlement, or a usage event without a hold). They are sized,
held and charged as calls of ours are, by the same rate card, and count against the same limits.
"""

from dataclasses import dataclass, replace

from gateway.errors import BadCall, Forbidden
from gateway.metering.accounts import (
    Account,
    Project,
    Status,
    VirtualKey,
    limits_of,
    project_inactive,
)
from gateway.metering.call import TEXT_ONLY, Call, Terms
from gateway.metering.estimate import Estimate, estimate, need
from gateway.metering.events import End, UsageEvent
from gateway.metering.ledger import Extend, Reservation, Reserve, Settle
from gateway.metering.limits import (
    Charge,
    Limit,
    Need,
    Whose,
    amounts_of,
    charges_for,
    in_unit,
)
from gateway.metering.plans import Plan, model_allowed
from gateway.metering.pricing import (
    AMOUNT_MAX_UCR,
    ModelPrice,
    RateCard,
    charge_ucr,
    worst_case_ucr,
)
from gateway.metering.routes import Route, find_route
from gateway.metering.usage import NOTHING, Pieces, Provenance, Usage

# Stands in an event for who served it, where no route says so.
EXTERNAL = "external"
# Stands in an event for the wire format that nobody here has seen.
DIALECT = "outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a model is charged by, and who is said to serve it."""

    provider: str
    model: str
    """As its provider calls it."""
    priced_as: str
    price: ModelPrice


def line_of(model: str, *, routes: tuple[Route, ...], rate_card: RateCard) -> Line:
    """By the first route that matches; a model that is not routed here may have a price all the
    same. Raises Forbidden for one that has none."""
    route = find_route(routes, model)
    provider = EXTERNAL if route is None else route.provider
    priced_as = model if route is None else route.priced_name(model)
    price = rate_card.price(priced_as, provider=provider)
    if price is None:
        raise not_priced(f"The model {model!r}")
    upstream = model if route is None else route.upstream_name(model)
    return Line(provider=provider, model=upstream, priced_as=priced_as, price=price)


def not_priced(what: str) -> Forbidden:
    return Forbidden(
        f"{what} has no price here, so its use cannot be charged. Ask the operator to add it to "
        "the rate card.",
        code="model_not_priced",
    )


def outside_call(
    model: str,
    *,
    price: ModelPrice,
    max_output_tokens: int | None,
    pieces: Pieces,
    choices: int = 1,
    stream: bool = False,
) -> Call:
    """Raises Forbidden for pieces without a price."""
    terms = Terms(pieces=pieces) if pieces else TEXT_ONLY
    if unpriced := price.unpriced(terms):
        raise not_priced(f"{', '.join(unpriced)} of the model {model!r}")
    return Call(
        model=model,
        max_output_tokens=max_output_tokens,
        terms=terms,
        choices=choices,
        stream=stream,
    )


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose credit and limits a call made elsewhere counts against."""

    account: Account
    plan: Plan
    key: VirtualKey | None
    project: Project | None = None

    @property
    def whose(self) -> Whose:
        project_id = self.project.project_id if self.project else ""
        return Whose(self.account.account_id, project_id, self.key_id)

    @property
    def key_id(self) -> str:
        return self.key.key_id if self.key else ""

    @property
    def limits(self) -> tuple[Limit, ...]:
        return limits_of(self.plan, self.project, self.key)

    def check_model(self, model: str) -> None:
        own = self.key.models if self.key else ()
        if not model_allowed(self.plan.models, model) or (own and not model_allowed(own, model)):
            raise Forbidden(f"The model {model!r} is not available to this account or key.")

    def check_active(self, now_ms: int) -> None:
        """Raises Forbidden for a key or project that would be refused if it called."""
        key = self.key
        if key and (key.status is not Status.ACTIVE or 0 < key.expires_ms <= now_ms):
            raise key_inactive()
        if self.project and self.project.status is not Status.ACTIVE:
            raise project_inactive()


def key_inactive() -> Forbidden:
    return Forbidden("The key is revoked, suspended or expired.", code="key_inactive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A hold that is to be made, at whatever time the ledger says it is."""

    hold_id: str
    payer: Payer
    line: Line
    call: Call
    input_tokens: int
    lease_ms: int = 0
    probe: bool = False

    @property
    def size(self) -> tuple[Estimate, Need]:
        """Raises BadCall for what the ledger could not count."""
        price, prompt = self.line.price, Usage(input_uncached=self.input_tokens)
        sized = estimate(self.call, price=price, plan=self.payer.plan, prompt=prompt, exact=True)
        needed = need(sized, price=price, call=self.call)
        if needed.full_ucr > AMOUNT_MAX_UCR:
            raise BadCall("That is more than the ledger can count (2^53 microcredits).")
        return sized, needed

    def ask(self, now_ms: int) -> Reserve:
        sized, needed = self.size
        account_id, key_id = self.payer.account.account_id, self.payer.key_id
        plan = self.payer.plan
        charges = charges_for(self.payer.limits, needed, whose=self.payer.whose, now_ms=now_ms)
        return Reserve(
            hold_id=self.hold_id,
            account_id=account_id,
            key_id=key_id,
            least_ucr=needed.least_ucr,
            full_ucr=needed.full_ucr,
            charges=charges,
            lease_ms=self.lease_ms,
            now_ms=now_ms,
            overdraft_ucr=plan.overdraft_ucr,
            observe=plan.observes,
            probe=self.probe,
            reservation=Reservation(
                owed=self._owed(charges, now_ms),
                priced_as=self.line.priced_as,
                input_tokens=self.input_tokens,
                output_tokens=sized.output_full_tokens,
                pieces=self.call.terms.pieces,
                overdraft_ucr=plan.overdraft_ucr,
            ),
        )

    def _owed(self, charges: tuple[Charge, ...], now_ms: int) -> Settle:
        event = begun(self.hold_id, self.payer, self.line, model=self.call.model, now_ms=now_ms)
        return Settle(
            hold_id=self.hold_id,
            account_id=event.account_id,
            charges=charges,
            amounts=(0,) * len(charges),
            event=event,
            observe=self.payer.plan.observes,
        )


def begun(hold_id: str, payer: Payer, line: Line, *, model: str, now_ms: int) -> UsageEvent:
    """What is known of a call before it used anything."""
    return UsageEvent(
        event_id=hold_id,
        account_id=payer.account.account_id,
        key_id=payer.key_id,
        provider=line.provider,
        dialect=DIALECT,
        model_requested=model,
        model=line.model,
        rate_version=line.price.version,
        rate_id=line.price.rate_id,
        started_ms=now_ms,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a hold grows by more output tokens, and the reservation as it is then."""

    add_ucr: int
    adds: tuple[int, ...]
    reservation: Reservation


def grown(held: Reservation, more_output_tokens: int, price: ModelPrice) -> Growth:
    before, after = (
        worst_case_ucr(
            price,
            input_tokens=held.input_tokens,
            output_tokens=held.output_tokens + more,
            terms=Terms(pieces=held.pieces) if held.pieces else TEXT_ONLY,
        )
        for more in (0, more_output_tokens)
    )
    add_ucr = after - before
    adds = tuple(
        in_unit(charge.limit.unit, ucr=add_ucr, tokens=more_output_tokens, otherwise=0)
        for charge in held.owed.charges
    )
    output_tokens = held.output_tokens + more_output_tokens
    return Growth(
        add_ucr=add_ucr, adds=adds, reservation=replace(held, output_tokens=output_tokens)
    )


def extension(
    growth: Growth, *, sequence: int, lease_ms: int, used: Usage, price: ModelPrice
) -> Extend:
    """`used`: what would be owed if nothing more were heard of it."""
    owed = growth.reservation.owed
    spent = settlement(growth.reservation, used, price=price, provenance=Provenance.COUNTED)
    amounts = spent.amounts if used != NOTHING else (0,) * len(owed.charges)
    return Extend(
        hold_id=owed.hold_id,
        account_id=owed.account_id,
        sequence=sequence,
        add_ucr=growth.add_ucr,
        charges=owed.charges,
        adds=growth.adds,
        lease_ms=lease_ms,
        event=spent.event if used != NOTHING else replace(spent.event, charge_ucr=0),
        amounts=amounts,
        overdraft_ucr=growth.reservation.overdraft_ucr,
        observe=owed.observe,
        reservation=growth.reservation,
    )


def settlement(
    held: Reservation,
    used: Usage,
    *,
    price: ModelPrice,
    provenance: Provenance,
    now_ms: int | None = None,
    held_ucr: int = 0,
) -> Settle:
    """Raises Forbidden for pieces or a service tier without a price, BadCall for a charge that
    the ledger could not count."""
    owed = held.owed
    return settled(
        owed.event,
        owed.charges,
        used,
        price=price,
        provenance=provenance,
        now_ms=now_ms,
        held_ucr=held_ucr,
        observe=owed.observe,
    )


def settled(
    event: UsageEvent,
    charges: tuple[Charge, ...],
    used: Usage,
    *,
    price: ModelPrice,
    provenance: Provenance,
    now_ms: int | None = None,
    held_ucr: int = 0,
    observe: bool = False,
) -> Settle:
    """`event`: what is known of the call besides what it used."""
    if unpriced := price.unpriced(used):
        raise not_priced(f"{', '.join(unpriced)} of the model {event.model_requested!r}")
    charge = charge_ucr(price, used)
    if charge > AMOUNT_MAX_UCR:
        raise BadCall("That usage costs more than the ledger can count (2^53 microcredits).")
    full = replace(
        event,
        usage=used,
        provenance=provenance,
        end=End.COMPLETED,
        charge_ucr=charge,
        held_ucr=held_ucr,
        rate_version=price.version,
        rate_id=price.rate_id,
        duration_ms=0 if now_ms is None else max(0, now_ms - event.started_ms),
    )
    return Settle(
        hold_id=event.event_id,
        account_id=event.account_id,
        charges=charges,
        amounts=amounts_of(charges, charge_ucr=charge, tokens=used.total_tokens),
        event=full,
        observe=observe,
    )
