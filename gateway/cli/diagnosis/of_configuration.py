"""Judgements on the configuration: what has no price, what is not charged, what is out of date."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

from gateway.cli.diagnosis.finding import Finding, fault, ok, warning
from gateway.metering.admission import decimal_credits
from gateway.metering.advances import needs_store
from gateway.metering.plans import Plan
from gateway.settings import Settings
from gateway.settings.coverage import shown, unmetered, unpriced_models, unpriced_pieces
from gateway.settings.price_import.files import day_of, newer_than
from gateway.settings.problems import Problem

# Vendors change prices several times a year.
CARD_OLD = timedelta(days=120)


def of_problems(problems: Collection[Problem]) -> Iterator[Finding]:
    for problem in problems:
        yield fault("configuration", str(problem), "Mend it: `tollkeeper check-config` tells more.")


def of_settings(settings: Settings, known: Collection[str], today: date) -> Iterator[Finding]:
    """`known`: names of models that exist, whether a card prices them or not."""
    yield ok("configuration", f"valid: {len(settings.files)} files")
    yield pepper(settings)
    yield models_without_price(settings, known)
    yield pieces_without_price(settings)
    yield unmetered_routes(settings)
    yield rate_cards(settings, today)
    yield store_away(settings.plans)


def pepper(settings: Settings) -> Finding:
    if settings.store.pepper is not None:
        return ok("pepper", "configured")
    return warning(
        "pepper",
        f"made by the gateway, kept in {settings.store.data_dir / 'pepper'} only",
        "Keep a copy: without it every key is unknown. Or set `store.pepper`.",
    )


def models_without_price(settings: Settings, known: Collection[str]) -> Finding:
    found = unpriced_models(settings, known)
    names = sorted({name for names in found.values() for name in names})
    if names:
        return warning(
            "unpriced models",
            f"{len(names)}, calls for them are refused: {shown(names)}",
            "Run `tollkeeper prices import`, price them yourself, or route fewer names.",
        )
    return ok("unpriced models", "none of those known")


def pieces_without_price(settings: Settings) -> Finding:
    found = unpriced_pieces(settings)
    if found:
        listed = "; ".join(f"{provider}: {', '.join(kinds)}" for provider, kinds in found.items())
        return warning(
            "unpriced pieces",
            f"calls that may use them are refused: {listed}",
            "Price them under `pieces` if they are to be used.",
        )
    return ok("unpriced pieces", "none")


def unmetered_routes(settings: Settings) -> Finding:
    found = unmetered(settings)
    if found:
        listed = "; ".join(f"{each.route}: {each.reason}" for each in found)
        return warning("unmetered routes", listed, "See whether that is meant to cost nothing.")
    return ok("unmetered routes", "none")


def rate_cards(settings: Settings, today: date) -> Finding:
    dated = {path: day for path in settings.files if (day := day_of(path)) is not None}
    early = [path.name for path, day in dated.items() if day > today]
    if early:
        return warning(
            "rate cards",
            f"charged by before their day: {', '.join(early)}",
            "Name the card of today under `prices` until then.",
        )
    newer = [name for path in dated if (name := newer_than(path)) is not None]
    if newer:
        return warning(
            "rate cards", f"newer ones lie beside: {', '.join(newer)}", "Name them under `prices`."
        )
    old = [path.name for path, day in dated.items() if today - day > CARD_OLD]
    if old:
        return warning(
            "rate cards",
            f"older than {CARD_OLD.days} days: {', '.join(old)}",
            "Compare with `tollkeeper prices import`.",
        )
    return ok("rate cards", f"{len(dated)} dated, none old or early")


def store_away(plans: Mapping[str, Plan]) -> Finding:
    """What calls get while the store does not answer."""
    advances = {name: plan.away for name, plan in plans.items() if plan.away is not None}
    idle = [name for name in advances if any(map(needs_store, plans[name].limits))]
    if idle:
        return warning(
            "outages",
            f"advances that would serve no call: {shown(idle)}",
            "Only the store knows limits in credits of a project or key, and budgets of a day or "
            "more: take them out of the plan, or write `store_away: refuse`.",
        )
    if not advances:
        return ok("outages", "calls are refused")
    told = [
        f"{name}: {decimal_credits(away.advance_ucr)} credits for each account and worker"
        for name, away in advances.items()
    ]
    return ok("outages", f"served within an advance, others are refused; {shown(told)}")
