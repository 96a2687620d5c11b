"""`check-config`, `schema`: what can be done with a configuration at rest."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from gateway.cli.output import table
from gateway.metering.routes import find_route, is_exact
from gateway.settings import Settings, examine
from gateway.settings.json_schema import schemas, with_reference


@click.command("check-config")
@click.argument("path", type=click.Path(path_type=Path), default=Path("config/gateway.yaml"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def check_config(path: Path, *, as_json: bool) -> None:
    """Tell what a configuration means, or what is wrong with it.

    It is read as `serve` would read it. Exit code 1 when there is a problem. Secrets are
    resolved, never printed.
    """
    examined = examine(path, os.environ)
    if as_json:
        click.echo(
            orjson.dumps(
                {
                    "valid": examined.settings is not None,
                    "problems": [asdict(problem) for problem in examined.problems],
                    "summary": examined.settings and summary(examined.settings),
                },
                option=orjson.OPT_INDENT_2,
            ).decode()
        )
    elif examined.settings is not None:
        click.echo(_as_text(path, summary(examined.settings)))
    else:
        count = len(examined.problems)
        click.echo("\n".join(map(str, examined.problems)), err=True)
        click.echo(f"\n{count} problem{'s' if count > 1 else ''}.", err=True)
    if examined.settings is None:
        raise SystemExit(1)


@click.command("schema")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--reference",
    "page",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A page whose reference between the two marks is renewed as well.",
)
def schema(directory: Path, page: Path | None) -> None:
    """Write the JSON Schemas that editors use into DIRECTORY."""
    for name, document in schemas().items():
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        (directory / name).write_bytes(text)
        click.echo(f"wrote {directory / name}")
    if page is not None:
        page.write_text(with_reference(page.read_text("utf-8")), "utf-8")
        click.echo(f"wrote {page}")


def summary(settings: Settings) -> dict[str, list[dict[str, object]]]:
    """What a configuration amounts to, as rows for a table or JSON."""
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
        "notes": [{"note": note} for note in _notes(settings)],
    }


def _routes(settings: Settings) -> list[dict[str, object]]:
    served = _served(settings)
    return [
        {
            "match": route.match,
            "provider": route.provider,
            "asked_as": route.upstream_model,
            "price": route.price_as or route.upstream_model,
            "priced_models": 1 if is_exact(route.match) else len(served[route.match]),
        }
        for route in settings.routes
    ]


def _plans(settings: Settings) -> list[dict[str, object]]:
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


def _prices(settings: Settings) -> list[dict[str, object]]:
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


def _served(settings: Settings) -> Mapping[str, list[str]]:
    """Glob → the names on the card that it routes; earlier routes take theirs first."""
    served: dict[str, list[str]] = {route.match: [] for route in settings.routes}
    for model in settings.rate_card.models:
        if (route := find_route(settings.routes, model)) is not None:
            served[route.match].append(model)
    return served


def _notes(settings: Settings) -> list[str]:
    """Nothing wrong, yet perhaps not meant."""
    card, served = settings.rate_card, _served(settings)
    notes = [
        f"{route.match!r} routes no model with a price: every call for it is refused"
        for route in settings.routes
        if not is_exact(route.match)
        and card.price(route.priced_name(""), provider=route.provider) is None
        and not served[route.match]
    ]
    used = {declared.account.plan for declared in settings.accounts}
    notes += [
        f"plan {name!r} has no account in this file" for name in settings.plans if name not in used
    ]
    if unrouted := len(card.models) - sum(len(models) for models in served.values()):
        notes.append(f"{unrouted} priced models are not routed to any provider")
    return notes


def _as_text(path: Path, rows: Mapping[str, list[dict[str, object]]]) -> str:
    sections = [table(section) for section in rows.values() if section]
    return "\n\n".join([f"{path} is valid.", *sections])
