"""What changed between two rate cards of a vendor."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.settings.price_import.text import bounds_of, price_text, prices_of
from gateway.settings.schema_prices import PriceBlock, PricesFile


class Change(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`price` names what changed in a line; empty when the whole line came or went. None for a
    price that there was not, or is no more."""

    model: str
    change: Change
    price: str = ""
    old: str | None = None
    new: str | None = None


def differences(old: PricesFile, new: PricesFile) -> list[Difference]:
    """By model, then as the line goes. Day, version and source are no prices."""
    return [
        difference
        for model in sorted({*old.models, *new.models})
        for difference in _of_model(model, old.models.get(model), new.models.get(model))
    ]


def _of_model(model: str, old: PriceBlock | None, new: PriceBlock | None) -> Iterator[Difference]:
    if old is None:
        if new is not None:
            yield Difference(model=model, change=Change.ADDED, new=price_text(new))
        return
    if new is None:
        yield Difference(model=model, change=Change.REMOVED, old=price_text(old))
        return
    before = {**prices_of(old), **bounds_of(old)}
    after = {**prices_of(new), **bounds_of(new)}
    for price in dict.fromkeys((*before, *after)):
        if before.get(price) != after.get(price):
            yield Difference(
                model=model,
                change=Change.CHANGED,
                price=price,
                old=before.get(price),
                new=after.get(price),
            )
