"""What a model is served by, for a caller: its routes, each with what it costs there.

Several providers may have a model. A call that creates what its provider keeps, or refers to such
a thing, stays with one of them: the API's first, of whom stored objects are asked, if it has the
model, else the first that does. Any other call may go to whichever has a price for all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.dialects.base import Api
from gateway.errors import Forbidden
from gateway.metering.accounts import Caller
from gateway.metering.call import TEXT_ONLY, Call
from gateway.metering.estimate import as_sold
from gateway.metering.plans import model_allowed
from gateway.metering.pricing import ModelPrice, RateCard
from gateway.metering.routes import Route, find_route, find_routes

# Models priced and allowed for somebody; names come from callers, so their number is bounded.
LINES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Line:
    """Where a model is routed and what it costs there."""

    route: Route
    price: ModelPrice


def always() -> bool:
    return True


class Lines:
    def __init__(
        self,
        routes: tuple[Route, ...],
        *,
        providers: Mapping[str, Sequence[str]],
        rate_card: RateCard,
    ) -> None:
        """`providers`: by API, the names of those that serve it, its own first."""
        self._routes = routes
        self._providers = providers
        self._rate_card = rate_card
        self._found: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], tuple[Line, ...]] = {}

    def of(
        self, call: Call, caller: Caller, api: Api, *, stays: Callable[[], bool]
    ) -> tuple[Line, ...]:
        """Those that may serve this call. Raises Forbidden if there is none.

        `stays` is asked where there are several: does the call belong to one provider?
        """
        lines = self._known(call, caller, api)
        return lines if len(lines) == 1 else self._chosen(lines, call, api, stays=stays())

    def staying(self, call: Call, caller: Caller, api: Api) -> Line:
        """Where a call goes that is not to be moved."""
        lines = self._known(call, caller, api)
        return lines[0] if len(lines) == 1 else self._chosen(lines, call, api, stays=True)[0]

    def _chosen(
        self, lines: tuple[Line, ...], call: Call, api: Api, *, stays: bool
    ) -> tuple[Line, ...]:
        """Of several upstreams those that can be asked: for what stays, the provider that stored
        objects are asked of, if it has the model; for anything else, where all of it is priced."""
        if stays:
            keeper = self._providers[api.name][0]
            lines = tuple(line for line in lines if line.route.provider == keeper) or lines
            _check_priced(call, lines[0].price)
            return lines[:1]
        usable = tuple(line for line in lines if _unpriced(call, line.price) is None)
        if not usable:
            _check_priced(call, lines[0].price)
        return usable

    def _known(self, call: Call, caller: Caller, api: Api) -> tuple[Line, ...]:
        """The upstreams of a model. Raises Forbidden if it may not be used or has no price; of
        several, whether all of the call has one is left to `_chosen`."""
        asked = (api.name, call.model, caller.plan.models, caller.key.models)
        lines = self._found.get(asked)
        if lines is None:
            lines = self._find_lines(call, caller, api)
            if len(self._found) >= LINES_MAX:
                self._found.clear()
            self._found[asked] = lines
        if len(lines) == 1:
            _check_priced(call, lines[0].price)
        return lines

    def _find_lines(self, call: Call, caller: Caller, api: Api) -> tuple[Line, ...]:
        model = call.model
        allowed = model_allowed(caller.plan.models, model) and (
            not caller.key.models or model_allowed(caller.key.models, model)
        )
        providers = self._providers.get(api.name, ())
        routes: tuple[Route, ...] = ()
        if allowed and call.unrouted and providers:
            routes = (Route(match=model, provider=providers[0]),)
        elif allowed:
            routes = find_routes(self._routes, model, providers=providers)
        if not routes:
            if allowed and (other := find_route(self._routes, model)) is not None:
                raise _of_another_api(model, other.provider, self._providers)
            raise Forbidden(
                f"The model {model!r} is not available to this key. `GET /v1/models` lists what "
                "the provider has; ask the operator which of them your plan allows.",
                should_retry=False,
            )
        priced = [
            (route, self._rate_card.price(route.priced_name(model), provider=route.provider))
            for route in routes
        ]
        lines = tuple(Line(route, price) for route, price in priced if price is not None)
        if not lines:
            raise _not_priced(f"The model {model!r}")
        return lines


def _check_priced(call: Call, price: ModelPrice) -> None:
    """Raises Forbidden unless all of the call has a price."""
    if (unpriced := _unpriced(call, price)) is not None:
        raise _not_priced(unpriced)


def _unpriced(call: Call, price: ModelPrice) -> str | None:
    """What of the call has no price, in the measure that its model is sold in."""
    sold = as_sold(call, price)
    if sold.terms is not TEXT_ONLY and (unpriced := price.unpriced(sold.terms)):
        return f"{', '.join(unpriced)} of the model {call.model!r}"
    if not price.charges_for(sold.terms):
        return f"A call of this kind to the model {call.model!r}"
    return None


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
