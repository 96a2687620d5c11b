"""The rate cards of a directory: `<vendor>-<day>.yaml`, each dated, none ever overwritten."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gateway.errors import ConfigError
from gateway.settings.documents import Node, parse
from gateway.settings.problems import Problems
from gateway.settings.schema_prices import PricesFile
from gateway.settings.sources import Sources
from gateway.settings.validation import validated

DATED = re.compile(r"(?P<vendor>[a-z0-9-]+?)-(?P<day>\d{4}-\d\d-\d\d)\.yaml")


@dataclass(frozen=True, slots=True)
class Dated:
    """A card of a vendor, in its file."""

    path: Path
    card: PricesFile


def file_name(vendor: str, day: date) -> str:
    return f"{vendor}-{day.isoformat()}.yaml"


def vendors_in(directory: Path) -> frozenset[str]:
    return frozenset(found["vendor"] for found in map(_dated, directory.iterdir()) if found)


def newest(directory: Path, vendor: str, *, up_to: date) -> Dated | None:
    """The vendor's card with the latest day that is not after this one. ConfigError if broken."""
    paths = {
        found["day"]: path
        for path in directory.iterdir()
        if (found := _dated(path)) and found["vendor"] == vendor
    }
    day = max((day for day in paths if day <= up_to.isoformat()), default=None)
    return None if day is None else Dated(paths[day], read_card(paths[day]))


def newer_than(path: Path) -> str | None:
    """The name of the newest card of the same vendor in its directory; None for that itself, and
    for a file that bears no day."""
    found = _dated(path)
    if found is None:
        return None
    beside = [each for each in map(_dated, path.parent.iterdir()) if each is not None]
    newest_day = max(each["day"] for each in beside if each["vendor"] == found["vendor"])
    return f"{found['vendor']}-{newest_day}.yaml" if newest_day > found["day"] else None


def day_of(path: Path) -> date | None:
    found = _dated(path)
    return date.fromisoformat(found["day"]) if found else None


def names_beside(paths: Iterable[Path]) -> frozenset[str]:
    """Every model with a line in a card beside these files, read without judging it."""
    directories = {path.parent for path in paths if _dated(path)}
    names: set[str] = set()
    for directory in directories:
        for path in directory.glob("*.yaml"):
            root, _ = parse(path.read_text("utf-8", "replace"), file=str(path))
            if root is not None:
                names.update(root.at("models").keys())
    return frozenset(names)


def read_card(path: Path) -> PricesFile:
    """Raises ConfigError with everything that is wrong with it."""
    problems = Problems()
    asked_by = Node(str(path), 1, "", None)
    document = Sources(path, {}, problems).document(path, asked_by=asked_by)
    card = None if document is None else validated(document, PricesFile, problems)
    if card is None or problems:
        raise ConfigError("\n".join(map(str, problems.ordered())))
    return card


def write_new(path: Path, text: str) -> bool:
    """Whether it was written: not if it is there already with that text. ConfigError if it is
    there with another: what was charged by must stay what it was."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.read_text("utf-8") == text:
            return False
        raise ConfigError(
            f"{path} is there already and says something else. A dated card is never overwritten: "
            "import for another day with --as-of, or remove it if nothing was charged by it."
        ) from None
    return True


def _dated(path: Path) -> re.Match[str] | None:
    return DATED.fullmatch(path.name)
