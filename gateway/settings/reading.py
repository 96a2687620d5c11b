"""All files of a configuration, read and validated one by one.

`declared` names are taken before validation: what refers to a plan that is there but wrong is
not a second mistake.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.schema import GatewayFile
from gateway.settings.schema_plans import PlanBlock, PlansFile
from gateway.settings.schema_prices import PricesFile
from gateway.settings.sources import Sources
from gateway.settings.validation import validated


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """`node` is the mapping of plans, wherever it stands."""

    blocks: dict[str, PlanBlock]
    node: Node
    declared: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`provider`: the one it holds for; empty for all."""

    block: PricesFile
    node: Node
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A whole configuration as written. `plans` None: not readable, so not to be judged by.
    `priced`: by provider, every name with a line for it alone, and under "" for all; None when a
    card could not be read."""

    main: GatewayFile
    node: Node
    providers: frozenset[str]
    plans: Plans | None
    cards: tuple[Card, ...]
    costs: tuple[Card, ...]
    """What providers bill."""
    priced: Mapping[str, frozenset[str]] | None


def read_files(path: Path, sources: Sources, problems: Problems) -> Files | None:
    """The configuration at `path`; None when the main file yields nothing to go on with."""
    asked_by = Node(str(path), 1, "", None)
    root = sources.document(path, asked_by=asked_by)
    if root is None:
        return None
    providers = frozenset(root.at("providers").keys())
    inline_plans = frozenset(root.at("plans").keys())
    main = validated(root, GatewayFile, problems)
    if main is None:
        return None
    cards, priced = _cards(_named_cards(main, root), sources, problems=problems)
    costs, _ = _cards(_named_costs(main, root), sources, problems=problems)
    return Files(
        main=main,
        node=root,
        providers=providers,
        plans=_plans(main, root, sources, problems=problems, inline=inline_plans),
        cards=cards,
        costs=costs,
        priced=priced,
    )


def _plans(
    main: GatewayFile,
    root: Node,
    sources: Sources,
    *,
    problems: Problems,
    inline: frozenset[str],
) -> Plans | None:
    asked_by = root.at("plans")
    if not isinstance(main.plans, str):
        return Plans(blocks=main.plans, node=asked_by, declared=inline)
    document = sources.document(sources.beside(main.plans), asked_by=asked_by)
    if document is None:
        return None
    declared = frozenset(document.at("plans").keys())
    file = validated(document, PlansFile, problems)
    if file is None:
        return None
    return Plans(blocks=file.plans, node=document.at("plans"), declared=declared)


def _cards(
    named: Iterable[tuple[str, str, Node]], sources: Sources, *, problems: Problems
) -> tuple[tuple[Card, ...], Mapping[str, frozenset[str]] | None]:
    cards: list[Card] = []
    priced: dict[str, set[str]] = {}
    complete = True
    for provider, name, asked_by in named:
        document = sources.document(sources.beside(name), asked_by=asked_by)
        if document is None:
            complete = False
            continue
        priced.setdefault(provider, set()).update(document.at("models").keys())
        card = validated(document, PricesFile, problems)
        if card is None:
            complete = False
        else:
            cards.append(Card(block=card, node=document, provider=provider))
    names = {provider: frozenset(models) for provider, models in priced.items()}
    return tuple(cards), names if complete else None


def _named_cards(main: GatewayFile, root: Node) -> Iterator[tuple[str, str, Node]]:
    """The provider a card is for (or none), the file, and where that is written."""
    for index, name in enumerate(main.prices):
        yield "", name, root.at("prices", index)
    for provider, block in main.providers.items():
        for index, name in enumerate(block.prices):
            yield provider, name, root.at("providers", provider, "prices", index)


def _named_costs(main: GatewayFile, root: Node) -> Iterator[tuple[str, str, Node]]:
    for provider, block in main.providers.items():
        for index, name in enumerate(block.costs):
            yield provider, name, root.at("providers", provider, "costs", index)
