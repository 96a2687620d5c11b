"""Admission: price the call, bound it, and have the ledger set that much aside.

Cheap where cheap is right: the prompt's byte length bounds its tokens, and that is enough while
credit is ample. Where it is not, the prompt is counted exactly: N calls of a price are admitted on
credit for N, not on credit for N bounds.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.dialects.base import Api, Format
from gateway.errors import Forbidden, GatewayError, StoreUnavailable
from gateway.metering.accounts import Caller
from gateway.metering.admission import Asked, refusal
from gateway.metering.call import TEXT_ONLY, Call
from gateway.metering.estimate import Estimate, as_sold, estimate, need
from gateway.metering.ledger import PLENTY, ClockSkewed, Reason, Refused, Release, Reserve, Reserved
from gateway.metering.limits import Charge, Need, Unit, charges_for, effective_limits, unpaced
from gateway.metering.plans import model_allowed
from gateway.metering.pricing import ModelPrice, RateCard
from gateway.metering.routes import Route, find_route
from gateway.metering.usage import Usage
from gateway.proxy.meter import count_prompt
from gateway.proxy.settlements import Settlements
from gateway.proxy.ticket import Ticket
from gateway.stores.base import Ledger
from gateway.tokens.base import TokenCounter

# Each retry follows a resynchronised clock; a store whose clock jumps that often is not usable.
CLOCK_RETRIES = 3
STORE_RETRY_S = 1.0
TIGHT_ACCOUNTS_MAX = 10_000
# Models priced and allowed for somebody; names come from callers, so their number is bounded.
LINES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Line:
    """Where a model is routed and what it costs there."""

    route: Route
    price: ModelPrice


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
    ) -> None:
        """`providers`: by API, the names of those that serve it; the first is its own, which
        serves what has no model."""
        self._ledger = ledger
        self._settlements = settlements
        self._counter = counter
        self._routes = routes
        self._providers = providers
        self._rate_card = rate_card
        self._lease_ms = lease_ms
        self._tight: set[str] = set()
        self._lines: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], Line] = {}

    async def admit(
        self, call: Call, *, caller: Caller, api: Api, dialect: Format, request_id: str
    ) -> Ticket:
        """The ticket of an admitted call; raises what the caller is to be told otherwise."""
        if not self._settlements.healthy:
            raise unavailable("Usage could not be recorded right now")
        call, line = self._priced(call, caller, api)
        # Images are priced by model: an alias must be counted as what it stands for.
        model = line.route.upstream_name(call.model)
        resolved = call if model == call.model else replace(call, model=model)
        account_id = caller.account.account_id
        bound = dialect.prompt_bound_tokens(resolved, context_tokens=line.price.context_tokens)
        prompt = Usage(input_uncached=bound, pieces=call.owed)
        sized = estimate(call, price=line.price, plan=caller.plan, prompt=prompt, exact=False)
        # A batch is of a size of its own: it says nothing of how far credit goes for a call.
        rough = not caller.plan.observes and call.many is None and account_id not in self._tight
        if not rough and not caller.plan.observes:
            sized = await self._counted(sized, resolved, dialect)
        attempt = await self._reserve(
            sized, call, line=line, caller=caller, request_id=request_id, rough=rough
        )
        if rough and _worth_counting(attempt):
            self._note_tight(account_id)
            sized = await self._counted(sized, resolved, dialect)
            attempt = await self._reserve(
                sized, call, line=line, caller=caller, request_id=request_id, rough=False
            )
        elif not rough and attempt.plenty:
            self._tight.discard(account_id)
        if isinstance(attempt.answer, Refused):
            raise _refusal(attempt.answer, attempt, line.price, call=call, api=api)
        return Ticket(
            request_id=request_id,
            api=api,
            dialect=dialect,
            caller=caller,
            call=call,
            price=line.price,
            provider=line.route.provider,
            model=model,
            charges=attempt.ask.charges,
            prompt=attempt.sized.prompt,
            prompt_exact=attempt.sized.exact,
            held_ucr=attempt.answer.held_ucr,
            full=attempt.covers_worst_case(attempt.answer),
            rooms=attempt.answer.rooms,
            started_ms=attempt.ask.now_ms,
        )

    def check(self, call: Call, *, caller: Caller, api: Api) -> None:
        """Raises Forbidden for a model that this caller may not use or that has no price."""
        self._priced(call, caller, api)

    def unheld(
        self, call: Call, *, caller: Caller, api: Api, dialect: Format, request_id: str
    ) -> Ticket:
        """For what a provider began without being asked by a call that was admitted: nothing is
        held, and settling it charges the account as the late settlement of a lost hold does."""
        call, line = self._priced(call, caller, api)
        limits = effective_limits(caller.plan.limits, caller.key.limits)
        now_ms = self._ledger.now_ms()
        charges = charges_for(
            limits,
            Need(0, 0, 0, 0),
            account_id=caller.account.account_id,
            key_id=caller.key.key_id,
            now_ms=now_ms,
        )
        return Ticket(
            request_id=request_id,
            api=api,
            dialect=dialect,
            caller=caller,
            call=call,
            price=line.price,
            provider=line.route.provider,
            model=line.route.upstream_name(call.model),
            charges=charges,
            prompt=Usage(input_uncached=call.text_bytes),
            prompt_exact=True,
            held_ucr=0,
            full=False,
            rooms=(0,) * len(charges),
            started_ms=now_ms,
        )

    async def _counted(self, sized: Estimate, resolved: Call, dialect: Format) -> Estimate:
        # What the caller only named (a file by its id) cannot be counted: the bound stands.
        if resolved.opaque_inputs:
            return sized
        counted = await count_prompt(resolved, dialect, self._counter)
        # The model reads no more than its context, to which the bound is cut.
        if counted.input_tokens > sized.input_tokens:
            counted = sized.prompt
        return replace(sized, prompt=counted, exact=True)

    def _note_tight(self, account_id: str) -> None:
        """Spare this account the rough question until it has plenty again."""
        if len(self._tight) >= TIGHT_ACCOUNTS_MAX:
            self._tight.clear()
        self._tight.add(account_id)

    def _priced(self, call: Call, caller: Caller, api: Api) -> tuple[Call, Line]:
        """The call in the measure that its model is sold in, all of it with a price."""
        line = self._line(call, caller, api)
        call = as_sold(call, line.price)
        if call.terms is not TEXT_ONLY and (unpriced := line.price.unpriced(call.terms)):
            raise _not_priced(f"{', '.join(unpriced)} of the model {call.model!r}")
        if not line.price.charges_for(call.terms):
            raise _not_priced(f"A call of this kind to the model {call.model!r}")
        return call, line

    def _line(self, call: Call, caller: Caller, api: Api) -> Line:
        asked = (api.name, call.model, caller.plan.models, caller.key.models)
        line = self._lines.get(asked)
        if line is None:
            line = self._find_line(call, caller, api)
            if len(self._lines) >= LINES_MAX:
                self._lines.clear()
            self._lines[asked] = line
        return line

    def _find_line(self, call: Call, caller: Caller, api: Api) -> Line:
        model = call.model
        allowed = model_allowed(caller.plan.models, model) and (
            not caller.key.models or model_allowed(caller.key.models, model)
        )
        providers = self._providers.get(api.name, ())
        route = None
        if allowed and call.unrouted and providers:
            route = Route(match=model, provider=providers[0])
        elif allowed:
            route = find_route(self._routes, model, providers=providers)
        if route is None:
            if allowed and (other := find_route(self._routes, model)) is not None:
                raise _of_another_api(model, other.provider, self._providers)
            raise Forbidden(
                f"The model {model!r} is not available to this key. `GET /v1/models` lists what "
                "the provider has; ask the operator which of them your plan allows.",
                should_retry=False,
            )
        price = self._rate_card.price(route.priced_name(model), provider=route.provider)
        if price is None:
            raise _not_priced(f"The model {model!r}")
        return Line(route, price)

    async def _reserve(
        self,
        sized: Estimate,
        call: Call,
        *,
        line: Line,
        caller: Caller,
        request_id: str,
        rough: bool,
    ) -> "Attempt":
        """`rough`: sized by a bound, which will do only while there is plenty."""
        limits = effective_limits(caller.plan.limits, caller.key.limits)
        if call.many is not None:
            limits = unpaced(limits)
        needed = need(sized, price=line.price, call=call)
        account_id, key_id = caller.account.account_id, caller.key.key_id
        for _ in range(CLOCK_RETRIES):
            now_ms = self._ledger.now_ms()
            charges = charges_for(
                limits, needed, account_id=account_id, key_id=key_id, now_ms=now_ms
            )
            ask = Reserve(
                hold_id=request_id,
                account_id=account_id,
                key_id=key_id,
                least_ucr=needed.least_ucr,
                full_ucr=needed.full_ucr,
                charges=charges,
                lease_ms=self._lease_ms,
                now_ms=now_ms,
                overdraft_ucr=caller.plan.overdraft_ucr,
                observe=caller.plan.observes,
                only_if_ample=rough,
            )
            answer = await self._ask(ask)
            if isinstance(answer, (Reserved, Refused)):
                return Attempt(ask, answer, sized)
        raise unavailable("The ledger's clock is not steady")

    async def _ask(self, ask: Reserve) -> Reserved | Refused | ClockSkewed:
        try:
            answer = await self._ledger.reserve(ask)
        except (StoreUnavailable, asyncio.CancelledError) as error:
            # Whether it was held is unknown: give it back by its id, whenever that is possible.
            self._settlements.release(Release(ask.hold_id, ask.account_id, ask.charges))
            if isinstance(error, StoreUnavailable):
                raise unavailable("The ledger does not answer") from error
            raise
        if isinstance(answer, (Reserved, Refused, ClockSkewed)):
            return answer
        # A request id is drawn at random for each call: an ended hold of that name is a bug.
        raise AssertionError(f"fresh hold answered {answer}")


@dataclass(frozen=True, slots=True)
class Attempt:
    ask: Reserve
    answer: Reserved | Refused
    sized: Estimate

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


def _not_priced(what: str) -> Forbidden:
    return Forbidden(
        f"{what} has no price here, so its use cannot be charged. Use another one, or ask the "
        "operator to add it to the rate card.",
        code="model_not_priced",
        should_retry=False,
    )


def _of_another_api(model: str, provider: str, providers: Mapping[str, Sequence[str]]) -> Forbidden:
    spoken = sorted(api for api, names in providers.items() if provider in names)
    return Forbidden(
        f"The model {model!r} is served by a provider that does not have this API. Call it by "
        f"the paths of: {', '.join(spoken)}.",
        should_retry=False,
    )


def unavailable(reason: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{reason}, so this call cannot be metered and is not forwarded. Try again shortly.",
        retry_after_s=STORE_RETRY_S,
    )


def _refusal(
    refused: Refused, attempt: Attempt, price: ModelPrice, *, call: Call, api: Api
) -> GatewayError:
    asked = Asked(
        price=price,
        charges=attempt.ask.charges,
        required_ucr=attempt.ask.least_ucr,
        input_tokens=attempt.sized.input_tokens,
        choices=call.choices,
        terms=call.terms,
        streaming=call.stream,
        whole=call.whole or call.max_output_tokens == 0,
    )
    error = refusal(refused, asked)
    error.headers = api.limit_headers(attempt.ask.charges, refused.rooms, now_ms=refused.now_ms)
    return error
