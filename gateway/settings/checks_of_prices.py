"""Rules between rate cards: whatever has a price has it in one place.

A vendor's files complete each other: one has a model's tokens, another what it sells by the piece,
as long as none says again what another says. Between vendors a model's name is taken once; a
provider's own files are apart from the common ones.
"""

from collections.abc import Iterator

from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.reading import Card, Files
from gateway.settings.schema_prices import PriceBlock, PricesFile

Place = tuple[str, ...]


def check_prices(files: Files, problems: Problems) -> None:
    told: dict[Place, Node] = {}
    sellers: dict[tuple[str, str], tuple[str | None, Node]] = {}
    for card in files.cards:
        if card.block.vendor is None and card.node.child("models") is None:
            problems.add(
                card.node,
                "a file without models and without a vendor prices nothing",
                suggestion="Add models, or the vendor whose models its pieces are for.",
            )
        _check_sellers(card, sellers, problems)
        for place, node in _said_once(card):
            # Two providers may be priced by one file.
            if place in told and (place[0] != "version" or told[place].file != node.file):
                _elsewhere(node, place[-1], told[place], problems)
            told.setdefault(place, node)


def _check_sellers(
    card: Card, sellers: dict[tuple[str, str], tuple[str | None, Node]], problems: Problems
) -> None:
    for model in card.block.models:
        here = card.node.at("models", model)
        vendor, first = sellers.setdefault((card.provider, model), (card.block.vendor, here))
        if first is not here and (vendor is None or vendor != card.block.vendor):
            _elsewhere(here, model, first, problems)


def _said_once(card: Card) -> Iterator[tuple[Place, Node]]:
    """What may stand in one file only, and where it stands in this one."""
    block, at = card.block, card.node.at
    yield ("version", block.version), at("version")
    if block.vendor is None:
        return
    for *steps, name in _stated(block):
        yield (card.provider, block.vendor, *steps, name), at(*steps, name)
    for model, line in block.models.items():
        for *steps, name in (*_stated(line), *_tokens(line)):
            place = (card.provider, "models", model, *steps, name)
            yield place, at("models", model, *steps, name)


def _stated(block: PricesFile | PriceBlock) -> Iterator[Place]:
    for name in block.pieces:
        yield "pieces", name
    for name in block.tier_percent:
        yield "tier_percent", name


def _tokens(line: PriceBlock) -> Iterator[Place]:
    """One of the classes stands for all: they are priced together."""
    if line.input is not None:
        yield ("input",)
    if line.fee_usd is not None:
        yield ("fee_usd",)


def _elsewhere(node: Node, name: str, first: Node, problems: Problems) -> None:
    problems.add(
        node,
        f"{name!r} stands in {first.file}:{first.line} as well",
        suggestion="Keep it in one rate card only.",
    )
