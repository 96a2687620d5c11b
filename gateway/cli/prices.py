"""`prices import`: new dated rate cards from the price package, and what changes with them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import click

from gateway.cli.output import json_text, table
from gateway.cli.session import config_option, errors_as_exits, json_option
from gateway.errors import BadCall
from gateway.settings.price_import.difference import Change, Difference, differences
from gateway.settings.price_import.files import (
    Dated,
    file_name,
    newest,
    vendors_in,
    write_new,
)
from gateway.settings.price_import.package import Imported, import_prices
from gateway.settings.price_import.text import card_text
from gateway.settings.price_import.vendors import BY_NAME, Vendor
from gateway.settings.problems import did_you_mean

# A line of prices in a table; JSON has all of it.
SHOWN_CHARS_MAX = 60


@click.group("prices")
def prices() -> None:
    """Rate cards."""


@prices.command("import")
@click.argument(
    "directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("config/prices"),
)
@click.option(
    "--as-of",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    help="The day whose prices are wanted, and the version of the files.  [default: today, UTC]",
)
@click.option(
    "--vendor",
    "names",
    multiple=True,
    help="Import this one; may be repeated.  [default: those with a file there, or else all]",
)
@click.option("--write", is_flag=True, help="Write the new files; without it nothing is written.")
@config_option
@json_option
def import_command(
    directory: Path,
    as_of: datetime | None,
    names: Sequence[str],
    config_path: Path,
    *,
    write: bool,
    as_json: bool,
) -> None:
    """Show what changes between the newest rate cards in DIRECTORY and the genai-prices package.

    With --write, a vendor whose prices changed gets a new file, named by the day; the old ones
    stay, and the gateway charges by them until its configuration names the new one. Works offline.
    """
    day = as_of.date() if as_of else datetime.now(UTC).date()
    with errors_as_exits():
        updates = [
            Update.of(imported, directory, day)
            for imported in import_prices(_vendors(names, directory), day)
        ]
        for update in updates:
            if write and update.changes:
                write_new(update.path, update.text)
    if as_json:
        click.echo(json_text([update.facts(config_path, written=write) for update in updates]))
        return
    for update in updates:
        click.echo(f"{update.told(config_path, written=write)}\n")
    if not write and any(update.changes for update in updates):
        click.echo("Nothing is written yet: add --write.")


@dataclass(frozen=True, slots=True)
class Update:
    """One vendor's new card beside its newest old one."""

    imported: Imported
    old: Dated | None
    path: Path
    text: str
    differences: Sequence[Difference]

    @classmethod
    def of(cls, imported: Imported, directory: Path, day: date) -> "Update":
        """ConfigError when the old file is broken."""
        old = newest(directory, imported.vendor, up_to=day)
        path = directory / file_name(imported.vendor, day)
        found = differences(old.card, imported.card) if old else ()
        return cls(imported, old, path, card_text(imported.card), found)

    @property
    def changes(self) -> bool:
        return self.old is None or bool(self.differences)

    def facts(self, config_path: Path, *, written: bool) -> dict[str, object]:
        return {
            "vendor": self.imported.vendor,
            "old_file": self.old and str(self.old.path),
            "new_file": str(self.path) if self.changes else None,
            "written": written and self.changes,
            "models": len(self.imported.card.models),
            "differences": [asdict(difference) for difference in self.differences],
            "left_out": self.imported.left_out,
            "to_do": self.to_do(config_path) if self.changes else None,
        }

    def told(self, config_path: Path, *, written: bool) -> str:
        name = self.imported.vendor
        if self.old is not None and not self.differences:
            return f"{name}: no change since {self.old.path}"
        if self.old is None:
            lines = [f"{name}: new, {len(self.imported.card.models)} models"]
        else:
            lines = [
                f"{name}: {self.old.path} → {self.path}",
                table(list(map(_row, self.differences))),
            ]
            lines.append(_counts(self.differences))
        if self.imported.left_out:
            reasons = [f"{model} ({why})" for model, why in self.imported.left_out.items()]
            lines.append(f"Left out, as a card cannot say their price: {', '.join(reasons)}.")
        if written:
            lines += [f"Wrote {self.path}.", self.to_do(config_path)]
        return "\n".join(lines)

    def to_do(self, config_path: Path) -> str:
        """Which line makes the gateway charge by it."""
        if self.old is not None and (line := _line_naming(self.old.path.name, config_path)):
            return (
                f"To charge by it, write {self.path.name} instead of {self.old.path.name} in "
                f"{config_path}, line {line}."
            )
        return f"To charge by it, name {self.path.name} under prices in {config_path}."


def _vendors(names: Sequence[str], directory: Path) -> list[Vendor]:
    for name in names:
        if name not in BY_NAME:
            raise BadCall(f"No vendor is named {name!r}. {did_you_mean(name, list(BY_NAME))}")
    chosen = names or BY_NAME.keys() & vendors_in(directory) or BY_NAME.keys()
    return [vendor for name, vendor in BY_NAME.items() if name in chosen]


def _row(difference: Difference) -> dict[str, object]:
    return {
        "model": difference.model,
        "change": str(difference.change),
        "price": difference.price,
        "old": _shown(difference.old),
        "new": _shown(difference.new),
    }


def _shown(text: str | None) -> str | None:
    if text is None or len(text) <= SHOWN_CHARS_MAX:
        return text
    return f"{text[:SHOWN_CHARS_MAX]}…"


def _counts(found: Sequence[Difference]) -> str:
    models = {change: {each.model for each in found if each.change is change} for change in Change}
    return ", ".join(f"{len(names)} {change}" for change, names in models.items()) + "."


def _line_naming(name: str, config_path: Path) -> int | None:
    try:
        lines = config_path.read_text("utf-8").splitlines()
    except OSError:
        return None
    found = (
        number
        for number, line in enumerate(lines, 1)
        if name in line and not line.lstrip().startswith("#")
    )
    return next(found, None)
