"""Admission: price the call, bound it, and have the ledger set that much aside.

Cheap where cheap is right: the prompt's byte length bounds its tokens, and that is enough while
credit is ample. Where it is not, the prompt is counted exactly: N calls of a price are admitted on
credit for N, not on credit for N bounds.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.dialects.base import Api, Format
from gateway.dialects.limit_headers import fields_of
from gateway.errors import GatewayError, StoreBehind, StoreUnavailable
from gateway.metering.accounts import Caller
from gateway.metering.admission import Asked, refusal
from gateway.metering.advances import Drawn
from gateway.metering.call import Call
from gateway.metering.estimate import as_sold, estimate, need
from gateway.metering.ledger import (
    PLENTY,
    ClockSkewed,
    Reason,
    Refused,
    Release,
    Reserve,
    Reserved,
    make_reserve,
)
from gateway.metering.limits import Charge, Need, Unit, charges_for, charges_in, unpaced
from gateway.metering.plans import Plan
from gateway.metering.pricing import RateCard
from gateway.metering.routes import Route
from gateway.metering.usage import Usage, make_usage
from gateway.proxy.advances import Advances
from gateway.proxy.draw import Draw
from gateway.proxy.lines import Line, Lines
from gateway.proxy.meter import count_prompt
from gateway.proxy.settlements import Settlements
from gateway.proxy.slots import Slots
from gateway.proxy.ticket import Ticket, Way, make_ticket, make_way
from gateway.stores.base import Ledger
from gateway.tokens.base import TokenCounter
from gateway.values import small_value

# Each retry follows a resynchronised clock; a store whose clock jumps that often is not usable.
CLOCK_RETRIES = 3
STORE_RETRY_S = 1.0
TIGHT_ACCOUNTS_MAX = 10_000


class Admission:
    def __init__(
        self,
        *,
        ledger: Ledger,
        settlements: Settlements,
        counter: TokenCounter,
        routes: tuple[Route, ...],
        providers: Mapping[str, Sequence[str]],
        rate_card: RateCard,
        lease_ms: int,
        advances: Advances,
    ) -> None:
        """`providers`: by API, the names of those that serve it; the first is its own, which
        serves what has no model."""
        self._ledger = ledger
        self._settlements = settlements
        self._counter = counter
        self._lease_ms = lease_ms
        self._advances = advances
        self._tight: set[str] = set()
        self._slots = Slots()
        self._lines = Lines(routes, providers=providers, rate_card=rate_card)

    async def admit(
        self,
        call: Call,
        *,
        caller: Caller,
        api: Api,
        dialect: Format,
        request_id: str,
        stays: Callable[[], bool],
    ) -> Ticket:
        """The ticket of an admitted call; raises what the caller is to be told otherwise.

        `stays` is asked where several providers have the model: does the call belong to the one
        that keeps what is stored?
        """
        if not self._settlements.healthy:
            raise unavailable("Usage could not be recorded right now")
        caller.check_active()
        lines = self._lines.of(call, caller, api, stays=stays)
        ways = [self._way(call, line, caller.plan, dialect) for line in lines]
        applicant = Applicant(request_id, caller, dialect)
        try:
            ways, attempt = await self._held(ways, applicant)
        except Unanswered as error:
            ways, attempt = await self._drawn(ways, applicant, error)
        if isinstance(attempt.answer, Refused):
            raise _refusal(attempt.answer, attempt, ways[0], api=api)
        first = ways[0]
        return make_ticket(
            request_id,
            api,
            dialect,
            caller,
            call=first.call,
            price=first.price,
            provider=first.route.provider,
            model=first.resolved.model,
            charges=attempt.ask.charges,
            prompt=first.sized.prompt,
            prompt_exact=first.sized.exact,
            held_ucr=attempt.answer.held_ucr,
            full=attempt.covers_worst_case(attempt.answer),
            rooms=attempt.answer.rooms,
            started_ms=attempt.ask.now_ms,
            ways=tuple(ways),
            draw=attempt.draw,
        )

    async def _held(self, ways: list[Way], applicant: "Applicant") -> "tuple[list[Way], Attempt]":
        """Held by the store, or refused by it. Raises Unanswered."""
        caller = applicant.caller
        account_id = caller.account.account_id
        # A batch is of a size of its own: it says nothing of how far credit goes for a call.
        whole = ways[0].call.many is not None or caller.plan.observes
        rough = not whole and account_id not in self._tight
        if not rough and not caller.plan.observes:
            ways = await self._counted(ways, applicant.dialect)
        attempt = await self._reserve(ways, applicant, rough=rough)
        if rough and _worth_counting(attempt):
            self._note_tight(account_id)
            ways = await self._counted(ways, applicant.dialect)
            attempt = await self._reserve(ways, applicant, rough=False)
        elif not rough and attempt.plenty:
            self._tight.discard(account_id)
        self._advances.seen(caller, attempt.answer)
        return ways, attempt

    async def _drawn(
        self, ways: list[Way], applicant: "Applicant", error: "Unanswered"
    ) -> "tuple[list[Way], Attempt]":
        """Promised of an advance, since the store did not answer. Raises the error otherwise.

        The call keeps its id: if the store held for it all the same, the call's end ends that.
        """
        draw = None
        try:
            if applicant.caller.plan.away is not None:
                ways, draw = await self._promised(ways, applicant)
        finally:
            if draw is None:
                # Whether it was held is unknown: give it back by its id, once that is possible.
                self._settlements.release(error.release)
        if draw is None:
            raise error
        return ways, Attempt(draw.ask, draw.answer(), draw)

    async def _promised(
        self, ways: list[Way], applicant: "Applicant"
    ) -> tuple[list[Way], Draw | None]:
        call = ways[0].call
        if call.deferred or call.many is not None:
            # A job, or many calls: more than this process will see the end of.
            self._advances.note(Drawn.UNBOUNDED)
            return ways, None
        if not await self._settlements.place_for_another():
            self._advances.note(Drawn.NO_PLACE)
            return ways, None
        ways = await self._counted(ways, applicant.dialect)
        return ways, self._advances.draw(
            self._asked(ways, applicant, rough=False), applicant.caller
        )

    def check(self, call: Call, *, caller: Caller, api: Api) -> None:
        """Raises Forbidden for a model that this caller may not use or that has no price."""
        self._lines.staying(call, caller, api)

    def unheld(
        self, call: Call, *, caller: Caller, api: Api, dialect: Format, request_id: str
    ) -> Ticket:
        """For what a provider began without being asked by a call that was admitted: nothing is
        held, and settling it charges the account as the late settlement of a lost hold does."""
        line = self._lines.staying(call, caller, api)
        sold = as_sold(call, line.price)
        now_ms = self._ledger.now_ms()
        charges = charges_for(caller.limits, Need(0, 0, 0, 0), whose=caller.whose, now_ms=now_ms)
        return make_ticket(
            request_id,
            api,
            dialect,
            caller,
            call=sold,
            price=line.price,
            provider=line.route.provider,
            model=line.route.upstream_name(call.model),
            charges=charges,
            prompt=Usage(input_uncached=sold.text_bytes),
            prompt_exact=True,
            held_ucr=0,
            full=False,
            rooms=(0,) * len(charges),
            started_ms=now_ms,
        )

    def _way(self, call: Call, line: Line, plan: Plan, dialect: Format) -> Way:
        price = line.price
        sold = as_sold(call, price)
        # Images are priced by model: an alias must be counted as what it stands for.
        model = line.route.upstream_name(sold.model)
        resolved = sold if model == sold.model else replace(sold, model=model)
        bound = dialect.prompt_bound_tokens(resolved, context_tokens=price.context_tokens)
        prompt = make_usage(input_uncached=bound, pieces=sold.owed)
        sized = estimate(sold, price=price, plan=plan, prompt=prompt, exact=False)
        return make_way(route=line.route, price=price, call=sold, resolved=resolved, sized=sized)

    async def _counted(self, ways: Sequence[Way], dialect: Format) -> list[Way]:
        """With their prompts counted, once for each name that the model has."""
        counts: dict[str, Usage] = {}
        for way in ways:
            resolved = way.resolved
            # What the caller only named (a file by its id) cannot be counted: the bound stands.
            if not resolved.opaque_inputs and resolved.model not in counts:
                counts[resolved.model] = await count_prompt(resolved, dialect, self._counter)
        return [_exact(way, counts.get(way.resolved.model)) for way in ways]

    def _note_tight(self, account_id: str) -> None:
        """Spare this account the rough question until it has plenty again."""
        if len(self._tight) >= TIGHT_ACCOUNTS_MAX:
            self._tight.clear()
        self._tight.add(account_id)

    def _asked(self, ways: Sequence[Way], applicant: "Applicant", *, rough: bool) -> Reserve:
        """`rough`: sized by a bound, which will do only while there is plenty."""
        caller, needed, now_ms = applicant.caller, _need(ways), self._ledger.now_ms()
        if ways[0].call.many is None:
            charges = charges_in(self._slots.of(caller, now_ms), needed)
        else:
            limits = unpaced(caller.limits)
            charges = charges_for(limits, needed, whose=caller.whose, now_ms=now_ms)
        return make_reserve(
            hold_id=applicant.request_id,
            account_id=caller.account.account_id,
            key_id=caller.key.key_id,
            least_ucr=needed.least_ucr,
            full_ucr=needed.full_ucr,
            charges=charges,
            lease_ms=self._lease_ms,
            now_ms=now_ms,
            overdraft_ucr=caller.plan.overdraft_ucr,
            observe=caller.plan.observes,
            only_if_ample=rough,
        )

    async def _reserve(
        self, ways: Sequence[Way], applicant: "Applicant", *, rough: bool
    ) -> "Attempt":
        for _ in range(CLOCK_RETRIES):
            ask = self._asked(ways, applicant, rough=rough)
            try:
                answer = await self._ledger.reserve(ask)
            except StoreBehind as error:
                behind = "The ledger has to be brought up to date for this account"
                raise unavailable(behind) from error
            except StoreUnavailable as error:
                raise Unanswered(ask.release()) from error
            except asyncio.CancelledError:
                # Nobody knows whether it was held.
                self._settlements.release(ask.release())
                raise
            if isinstance(answer, (Reserved, Refused)):
                return Attempt(ask, answer)
            # A request id is drawn at random for each call: an ended hold of that name is a bug.
            assert isinstance(answer, ClockSkewed), f"fresh hold answered {answer}"
        raise unavailable("The ledger's clock is not steady")


class Unanswered(StoreUnavailable):
    """The store did not say whether it holds. `release` gives back what it may hold."""

    def __init__(self, release: Release) -> None:
        super().__init__(_not_metered("The ledger does not answer"), retry_after_s=STORE_RETRY_S)
        self.release = release


@small_value
class Applicant:
    """Who asks for a call, under which id."""

    request_id: str
    caller: Caller
    dialect: Format


@small_value
class Attempt:
    ask: Reserve
    answer: Reserved | Refused
    draw: Draw | None = None

    @property
    def plenty(self) -> bool:
        """A bound would have done."""
        available_ucr = self.answer.available_ucr
        return isinstance(self.answer, Reserved) and available_ucr >= PLENTY * self.ask.full_ucr

    def covers_worst_case(self, reserved: Reserved) -> bool:
        """Nothing to extend later; under `observe` nothing is ever refused."""
        return reserved.full or self.ask.least_ucr >= self.ask.full_ucr or self.ask.observe


def _worth_counting(attempt: Attempt) -> bool:
    """Was it refused for an amount, which an exact count may make smaller?"""
    refused = attempt.answer
    if not isinstance(refused, Refused):
        return False
    if refused.reason is Reason.LIMIT:
        charge: Charge = attempt.ask.charges[refused.limit_index]
        return charge.limit.unit in (Unit.TOKENS, Unit.MICROCREDITS)
    return refused.reason is Reason.BALANCE


def _exact(way: Way, counted: Usage | None) -> Way:
    if counted is None:
        return way
    # The model reads no more than its context, to which the bound is cut.
    if counted.input_tokens > way.sized.input_tokens:
        counted = way.sized.prompt
    return replace(way, sized=replace(way.sized, prompt=counted, exact=True))


def _need(ways: Sequence[Way]) -> Need:
    """What covers the call whichever of its upstreams serves it: the dearest of them decides."""
    first = need(ways[0].sized, price=ways[0].price, call=ways[0].call)
    for way in ways[1:]:
        other = need(way.sized, price=way.price, call=way.call)
        first = Need(
            least_ucr=max(first.least_ucr, other.least_ucr),
            full_ucr=max(first.full_ucr, other.full_ucr),
            least_tokens=max(first.least_tokens, other.least_tokens),
            full_tokens=max(first.full_tokens, other.full_tokens),
        )
    return first


def unavailable(reason: str) -> StoreUnavailable:
    return StoreUnavailable(_not_metered(reason), retry_after_s=STORE_RETRY_S)


def _not_metered(reason: str) -> str:
    return f"{reason}, so this call cannot be metered and is not forwarded. Try again shortly."


def _refusal(refused: Refused, attempt: Attempt, way: Way, *, api: Api) -> GatewayError:
    """In terms of the first upstream; what is required is what the dearest needs."""
    call = way.call
    asked = Asked(
        price=way.price,
        charges=attempt.ask.charges,
        required_ucr=attempt.ask.least_ucr,
        input_tokens=way.sized.input_tokens,
        choices=call.choices,
        terms=call.terms,
        streaming=call.stream,
        whole=call.whole or call.max_output_tokens == 0,
    )
    error = refusal(refused, asked)
    error.headers = fields_of(
        api.limit_headers(attempt.ask.charges, refused.rooms, now_ms=refused.now_ms)
    )
    return error
