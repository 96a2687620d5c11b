"""What a configuration leaves without a price, and what it lets through without a charge.

Neither is a mistake: what has no price is refused when it is called, and an operator may want
something free. Both are told, before anybody finds out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.dialects import DIALECTS, SESSIONS
from gateway.dialects.endpoint import EndpointKind
from gateway.dialects.endpoints import ENDPOINTS
from gateway.dialects.piece_kinds import PIECE_KINDS
from gateway.metering.pieces import PIECES, is_kind_of
from gateway.metering.pricing import ModelPrice
from gateway.metering.routes import Route, find_routes, is_exact
from gateway.settings.values import Provider, Settings, UnknownEndpoints

NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Unmetered:
    """What is served and charged nothing, and why."""

    route: str
    reason: str


def unmetered(settings: Settings) -> list[Unmetered]:
    """Every route that serves calls without a charge. Endpoints that are free at their vendor are
    not listed (see `free_endpoints`); what is only observed is metered."""
    free = {
        route.match: [
            name for name, price in _lines(settings, route, names) if _costs_nothing(price)
        ]
        for route, names in served(settings).items()
    }
    found = [
        Unmetered(match, f"priced at nothing: {shown(names)}")
        for match, names in free.items()
        if names
    ]
    if settings.unknown_endpoints is UnknownEndpoints.FORWARD_FREE:
        found.append(
            Unmetered("every path that no table knows", "unknown_endpoints is forward_free")
        )
    return found


def free_endpoints(settings: Settings) -> int:
    """How many endpoints are passed on without a charge because their vendor has none."""
    spoken = {api for provider in settings.providers.values() for api in provider.apis}
    return sum(row.kind is EndpointKind.FREE and row.api in spoken for row in ENDPOINTS)


def unpriced_models(settings: Settings, known: Iterable[str]) -> Mapping[str, list[str]]:
    """Glob → those of the `known` names that it serves and no card prices."""
    found: dict[str, list[str]] = {}
    for name in sorted(known):
        serving = _serving(settings, name)
        # One of several providers that has no price for a model is not asked for it.
        priced = {each.entry for each in serving if _price(settings, each, name) is not None}
        unpriced = {route.match for route in serving if route.entry not in priced}
        for match in sorted(unpriced):
            if not is_exact(match):
                found.setdefault(match, []).append(name)
    return found


def unpriced_pieces(settings: Settings) -> Mapping[str, list[str]]:
    """Provider → what its APIs may use by the piece and nothing it serves has a price for."""
    found: dict[str, list[str]] = {}
    lines = served(settings)
    for name, provider in settings.providers.items():
        priced = _priced_pieces(settings, name, lines)
        for kind in sorted(_kinds(provider)):
            if not any(is_kind_of(piece, kind) for piece in priced):
                found.setdefault(name, []).append(kind)
    return found


def served(settings: Settings) -> Mapping[Route, list[str]]:
    """Route → the names on the card that it serves; earlier routes take theirs first."""
    card = settings.rate_card
    priced = {route.provider: card.priced_at(route.provider) for route in settings.routes}
    found: dict[Route, list[str]] = {route: [] for route in settings.routes}
    for name in sorted(card.model_names):
        for route in _serving(settings, name):
            if name in priced[route.provider]:
                found[route].append(name)
    return found


def shown(names: list[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _lines(
    settings: Settings, route: Route, names: Iterable[str]
) -> Iterator[tuple[str, ModelPrice]]:
    """The names a route serves, each with the line that it is charged by."""
    exact = is_exact(route.match)
    for name in [route.match] if exact else names:
        if (price := _price(settings, route, name)) is not None:
            yield name, price
    if not exact and (price := _price(settings, route, "")) is not None:
        yield "any other name", price


def _serving(settings: Settings, name: str) -> list[Route]:
    """The routes that calls for this name may take, of each API that has it."""
    found = []
    for api in {api for provider in settings.providers.values() for api in provider.apis}:
        providers = [each.name for each in settings.providers.values() if api in each.apis]
        routes = find_routes(settings.routes, name, providers=providers)
        found += [route for route in routes if route not in found]
    return found


def _price(settings: Settings, route: Route, name: str) -> ModelPrice | None:
    return settings.rate_card.price(route.priced_name(name), provider=route.provider)


def _costs_nothing(price: ModelPrice) -> bool:
    """Neither its tokens nor, where it is sold by the piece, its pieces. Pieces that its vendor
    sells with any model do not make it a paid one."""
    rates = [rate for tier in price.tiers for rate in tier.rates.in_order]
    return not price.fee_ucr and not any(rates if price.by_token else price.pieces.values())


def _priced_pieces(settings: Settings, provider: str, lines: Mapping[Route, list[str]]) -> set[str]:
    """What may be used by the piece at this provider and has a price."""
    reached = [
        price
        for route, names in lines.items()
        if route.provider == provider
        for _, price in _lines(settings, route, names)
    ]
    # Lines for what has no model, such as a container, are routed by no entry.
    card = settings.rate_card
    unrouted = [card.price(name, provider=provider) for name in PIECES]
    return {piece for price in (*reached, *unrouted) if price is not None for piece in price.pieces}


def _kinds(provider: Provider) -> set[str]:
    served_here = DIALECTS.keys() | SESSIONS.keys()
    dialects = {row.dialect for row in ENDPOINTS if row.api in provider.apis}
    return {kind for dialect in dialects & served_here for kind in PIECE_KINDS.get(dialect, ())}
