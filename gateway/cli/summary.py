"""What a configuration amounts to, as rows for a table or JSON; and what is worth a second look."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

from gateway.cli.output import Row, table
from gateway.dialects.unknown_endpoint import UNKNOWN_ENDPOINT
from gateway.metering.pieces import PIECES
from gateway.metering.routes import is_exact
from gateway.settings import Settings
from gateway.settings.coverage import (
    free_endpoints,
    served,
    shown,
    unmetered,
    unpriced_models,
    unpriced_pieces,
)
from gateway.settings.price_import.files import day_of, newer_than

Summary = Mapping[str, list[Row]]
# For machines in full; people get their gist in the notes.
NOT_SHOWN = ("unpriced_models", "unpriced_pieces")


def summary(settings: Settings, known: Collection[str], today: date) -> Summary:
    """`known`: names of models that exist, whether a card prices them or not."""
    models = unpriced_models(settings, known)
    pieces = unpriced_pieces(settings)
    free = unmetered(settings)
    notes = [*_price_notes(settings, models, pieces, today=today), *_notes(settings)]
    if not free:
        notes.append("no route is unmetered")
    return {
        "providers": [
            {"provider": provider.name, "base_url": provider.base_url, "auth": str(provider.auth)}
            for provider in settings.providers.values()
        ],
        "routes": _routes(settings),
        "plans": _plans(settings),
        "prices": _prices(settings),
        "accounts": [
            {
                "account": declared.account.account_id,
                "plan": declared.account.plan,
                "keys": len(declared.keys),
                "grants": len(declared.grants),
            }
            for declared in settings.accounts
        ],
        "unpriced_models": [
            {"served_by": match, "not_priced": names} for match, names in models.items()
        ],
        "unpriced_pieces": [
            {"provider": provider, "not_priced": kinds} for provider, kinds in pieces.items()
        ],
        "unmetered": [{"unmetered": each.route, "why": each.reason} for each in free],
        "notes": [{"note": note} for note in notes],
    }


def as_text(path: Path, rows: Summary) -> str:
    sections = [
        table(section) for name, section in rows.items() if section and name not in NOT_SHOWN
    ]
    return "\n\n".join([f"{path} is valid.", *sections])


def _routes(settings: Settings) -> list[Row]:
    names = served(settings)
    return [
        {
            "match": route.match,
            "provider": route.provider,
            "asked_as": route.upstream_model,
            "price": route.price_as or route.upstream_model,
            "priority": route.priority,
            "weight": route.weight,
            "priced_models": 1 if is_exact(route.match) else len(names[route]),
        }
        for route in settings.routes
    ]


def _plans(settings: Settings) -> list[Row]:
    used = {declared.account.plan for declared in settings.accounts}
    return [
        {
            "plan": plan.name,
            "enforcement": str(plan.enforcement),
            "limits": [limit.name for limit in plan.limits],
            "used_by_accounts_here": "yes" if plan.name in used else "no",
        }
        for plan in settings.plans.values()
    ]


def _prices(settings: Settings) -> list[Row]:
    card = settings.rate_card
    lines = [("all", price) for price in card.models.values()]
    lines += [(name, price) for name, own in card.by_provider.items() for price in own.values()]
    if card.default is not None:
        lines.append(("any other model", card.default))
    counted = Counter((price.version, whose) for whose, price in lines)
    return [
        {"rate_card": version, "priced_for": whose, "models": models}
        for (version, whose), models in counted.items()
    ]


def _price_notes(
    settings: Settings,
    models: Mapping[str, list[str]],
    pieces: Mapping[str, list[str]],
    *,
    today: date,
) -> list[str]:
    """What calls would be refused or charged by, and perhaps should not."""
    notes = [
        f"served by {match!r} but not priced: {shown(names)}: calls for them are refused"
        for match, names in models.items()
    ]
    notes += [
        f"nothing at provider {provider!r} has a price for {', '.join(kinds)}: calls that may use "
        "them are refused"
        for provider, kinds in pieces.items()
    ]
    for path in settings.files:
        if (newer := newer_than(path)) is not None:
            notes.append(f"{newer} is newer than {path.name}, by which is charged")
        if (day := day_of(path)) is not None and day > today:
            notes.append(f"{path.name} is charged by already, before its day")
    return notes


def _notes(settings: Settings) -> list[str]:
    """Nothing wrong, yet perhaps not meant."""
    card, names = settings.rate_card, served(settings)
    used = {declared.account.plan for declared in settings.accounts}
    notes = [
        f"{route.match!r} routes no model with a price to {route.provider!r}: no call goes there"
        for route in settings.routes
        if not is_exact(route.match)
        and card.price(route.priced_name(""), provider=route.provider) is None
        and not names[route]
    ]
    notes += [
        f"plan {name!r} has no account in this file" for name in settings.plans if name not in used
    ]
    reached = {name for served_here in names.values() for name in served_here}
    reached |= {route.priced_name(route.match) for route in settings.routes}
    # What has no model is served by the API's own provider.
    reached |= {UNKNOWN_ENDPOINT, *PIECES}
    if unrouted := sorted(set(card.model_names) - reached):
        notes.append(f"priced but not routed to any provider: {shown(unrouted)}")
    notes.append(
        f"{free_endpoints(settings)} endpoints are free at their vendor and passed on uncharged"
    )
    return notes
