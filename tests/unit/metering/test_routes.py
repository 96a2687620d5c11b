"""Which route a model name takes."""

import pytest

from gateway.metering.routes import Route, find_route, is_exact

ALIAS = Route(match="fast", provider="openai", upstream_model="gpt-4.1-mini")
DATED = Route(match="gpt-4o-2024-*", provider="openai", price_as="gpt-4o", entry=1)
ALL = Route(match="gpt-*", provider="azure", entry=2)
ROUTES = (ALIAS, DATED, ALL)


@pytest.mark.parametrize(
    ("model", "route"),
    [
        ("fast", ALIAS),
        ("gpt-4o-2024-11-20", DATED),
        ("gpt-4o", ALL),
        ("GPT-4o", None),
        ("faster", None),
        ("", None),
    ],
)
def test_the_first_route_that_matches_is_taken(model, route):
    found = find_route(ROUTES, model)

    assert route == found


@pytest.mark.parametrize(
    ("route", "model", "upstream", "priced"),
    [
        (ALIAS, "fast", "gpt-4.1-mini", "gpt-4.1-mini"),
        (DATED, "gpt-4o-2024-11-20", "gpt-4o-2024-11-20", "gpt-4o"),
        (ALL, "gpt-5", "gpt-5", "gpt-5"),
        (
            Route(match="cheap", provider="x", upstream_model="gpt-5", price_as="own"),
            "cheap",
            "gpt-5",
            "own",
        ),
    ],
)
def test_alias_and_price_are_resolved(route, model, upstream, priced):
    assert upstream == route.upstream_name(model)
    assert priced == route.priced_name(model)


@pytest.mark.parametrize(
    ("match", "exact"), [("gpt-4.1", True), ("gpt-*", False), ("o?", False), ("o[13]", False)]
)
def test_a_glob_is_told_from_a_name(match, exact):
    assert exact == is_exact(match)
