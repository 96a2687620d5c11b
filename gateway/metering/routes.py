"""Which providers serve a model name, what it is called there, and whose price it has."""

from collections.abc import Container
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.metering.failover import FailoverPolicy
from gateway.metering.hedging import HedgePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Models matching the glob `match` may go to `provider`.

    `upstream_model` makes an exact name an alias. `price_as` names the line of the rate card,
    for names the card does not list. An entry of the configuration that names several providers is
    as many routes, one after the other, with its number as their `entry`; `choosing` says which of
    them a call takes.
    """

    match: str
    provider: str
    upstream_model: str | None = None
    price_as: str | None = None
    entry: int = 0
    weight: int = 1
    """Its share of the calls among the routes of the same priority."""
    priority: int = 1
    """The lowest number is taken while one of its providers can be."""
    by_latency: bool = False
    """Shares shrink with the time that a provider takes to begin an answer."""
    failover: FailoverPolicy | None = None
    """When another of the entry's is asked; None: as for all."""
    hedge: HedgePolicy | None = None
    """When two of the entry's are asked at once; None: never."""

    def upstream_name(self, model: str) -> str:
        """What the provider is asked for when the caller said `model`."""
        return self.upstream_model or model

    def priced_name(self, model: str) -> str:
        """The line of the rate card that a call for `model` is charged by."""
        return self.price_as or self.upstream_model or model


def find_routes(
    routes: tuple[Route, ...], model: str, *, providers: Container[str] | None = None
) -> tuple[Route, ...]:
    """Those of the first entry whose glob matches and that leads to one of `providers` (None: to
    any), in the order they are written; globs know case."""
    for route in routes:
        if fnmatchcase(model, route.match) and (providers is None or route.provider in providers):
            return tuple(
                each
                for each in routes
                if each.entry == route.entry and (providers is None or each.provider in providers)
            )
    return ()


def find_route(
    routes: tuple[Route, ...], model: str, *, providers: Container[str] | None = None
) -> Route | None:
    """The first of them: whose price a model is listed with, and who keeps what it stores."""
    return next(iter(find_routes(routes, model, providers=providers)), None)


def is_exact(match: str) -> bool:
    """A name, not a glob."""
    return not any(symbol in match for symbol in "*?[")
