"""Which provider serves a model name, what it is called there, and whose price it has."""

from collections.abc import Container
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Models matching the glob `match` go to `provider`.

    `upstream_model` makes an exact name an alias. `price_as` names the line of the rate card,
    for names the card does not list.
    """

    match: str
    provider: str
    upstream_model: str | None = None
    price_as: str | None = None

    def upstream_name(self, model: str) -> str:
        """What the provider is asked for when the caller said `model`."""
        return self.upstream_model or model

    def priced_name(self, model: str) -> str:
        """The line of the rate card that a call for `model` is charged by."""
        return self.price_as or self.upstream_model or model


def find_route(
    routes: tuple[Route, ...], model: str, *, providers: Container[str] | None = None
) -> Route | None:
    """The first route whose glob matches and that leads to one of `providers` (None: to any);
    globs know case."""
    for route in routes:
        if fnmatchcase(model, route.match) and (providers is None or route.provider in providers):
            return route
    return None


def is_exact(match: str) -> bool:
    """A name, not a glob."""
    return not any(symbol in match for symbol in "*?[")
