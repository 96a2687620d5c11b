"""From prices as written (US dollars) to the rate card (microcredits).

Exact, or refused: a price that is no whole number of microcredits per million tokens or pieces
would be charged as something else than what stands in the file.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from gateway.metering.pieces import is_kind_of
from gateway.metering.pricing import (
    TOKENS_PER_RATE,
    UCR_PER_CREDIT,
    ModelPrice,
    RateCard,
    Rates,
    Tier,
)
from gateway.metering.usage import TokenClass
from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.reading import Card
from gateway.settings.schema_prices import CLASS_KEYS, PriceBlock, PricesFile, RatesBlock

DEFAULT_NAME = "default"
# Enough to tell any two cards apart that bear the same versions.
DIGEST_CHARS = 8
# And any two lines of all cards an installation will ever have.
LINE_DIGEST_CHARS = 16

Lines = dict[str, ModelPrice]


def build_rate_card(
    cards: Sequence[Card],
    own_lines: Mapping[str, "Part"],
    *,
    costs: Sequence[Card] = (),
    credit_usd: Decimal,
    problems: Problems,
) -> RateCard:
    """One card of all files and the lines of the main file, of which DEFAULT_NAME prices models
    without one. A line's version names the files it comes from and a digest of every
    rate, so that a receipt names exactly what priced it even if a file was edited under an old
    version. `costs`: what providers bill, which stands with the line that is sold."""
    converter = _Converter(credit_usd, problems)
    lines: dict[str, Lines] = {"": {}, **_lines(cards, converter)}
    for name, part in own_lines.items():
        lines[""][name] = converter.price(name, [part], shared=Shared([name]))
    fallback = lines[""].pop(DEFAULT_NAME, None)
    for provider, bought in _lines(costs, converter).items():
        for name, purchase in bought.items():
            sold = lines.get(provider, {}).get(name) or lines[""].get(name)
            if sold is not None:
                lines.setdefault(provider, {})[name] = replace(sold, purchase=purchase)
    digest = _digest(lines, fallback)
    return RateCard(
        digest=digest,
        models=_versioned(lines.pop(""), digest),
        by_provider={name: _versioned(own, digest) for name, own in lines.items()},
        default=fallback and _dated(fallback, digest),
    )


def _lines(cards: Sequence[Card], converter: "_Converter") -> dict[str, Lines]:
    """By provider and model."""
    shared, lines = _shared(cards, converter), dict[str, Lines]()
    for (provider, name), parts in _parts(cards).items():
        price = converter.price(name, parts, shared=shared[parts[0].seller])
        lines.setdefault(provider, {})[name] = price
    return lines


@dataclass(frozen=True, slots=True)
class Part:
    """What one file says of a model."""

    block: PriceBlock
    node: Node
    file: PricesFile | None = None
    seller: tuple[str, str] = ("", "")


def _parts(cards: Sequence[Card]) -> dict[tuple[str, str], list[Part]]:
    """By provider and model; of different sellers the first, the others were told of already."""
    found: dict[tuple[str, str], list[Part]] = {}
    for card in cards:
        for name, block in card.block.models.items():
            part = Part(block, card.node.at("models", name), card.block, _seller(card))
            parts = found.setdefault((card.provider, name), [])
            if not parts or parts[0].seller == part.seller:
                parts.append(part)
    return found


@dataclass(slots=True)
class Shared:
    """What holds for all models of a vendor at one provider, unless they say otherwise."""

    versions: list[str] = field(default_factory=list)
    pieces: dict[str, int] = field(default_factory=dict)
    tier_percent: dict[str, int] = field(default_factory=dict)


def _shared(cards: Sequence[Card], converter: "_Converter") -> dict[tuple[str, str], Shared]:
    found: dict[tuple[str, str], Shared] = {}
    for card in cards:
        shared = found.setdefault(_seller(card), Shared())
        shared.versions.append(card.block.version)
        shared.pieces.update(converter.pieces(card.block, card.node))
        shared.tier_percent.update(card.block.tier_percent)
    return found


def _seller(card: Card) -> tuple[str, str]:
    """Whose defaults hold in it: those of the vendor, or its own (no two have one version)."""
    return card.provider, card.block.vendor or f"\0{card.block.version}"


def _versioned(lines: Lines, digest: str) -> Lines:
    return {name: _dated(price, digest) for name, price in lines.items()}


def _dated(price: ModelPrice, digest: str) -> ModelPrice:
    text = "\n".join(_texts("", price))
    line = hashlib.sha256(text.encode()).hexdigest()[:LINE_DIGEST_CHARS]
    return replace(price, version=f"{price.version}@{digest}", rate_id=line)


class _Converter:
    """Converts at one peg, adding what cannot be converted to the problems."""

    def __init__(self, credit_usd: Decimal, problems: Problems) -> None:
        self._ucr_per_usd = UCR_PER_CREDIT / Fraction(credit_usd)
        self._credit_usd = credit_usd
        self._problems = problems

    def price(self, name: str, parts: Sequence[Part], *, shared: Shared) -> ModelPrice:
        # The part that prices tokens says what the model is; without one, any does.
        main = next((part for part in parts if part.block.input is not None), parts[0])
        block, file = main.block, main.file
        own = {
            piece: rate
            for part in parts
            for piece, rate in self.pieces(part.block, part.node).items()
        }
        inherited = {
            piece: rate
            for piece, rate in shared.pieces.items()
            if not any(is_kind_of(piece, stated) for stated in own)
        }
        tier_percent = dict(shared.tier_percent)
        for part in parts:
            tier_percent |= part.block.tier_percent
        return ModelPrice(
            model=name,
            version="+".join(shared.versions),
            tiers=self._tiers(block, main.node),
            by_token=block.input is not None,
            fee_ucr=sum(self._fee(part) for part in parts),
            pieces=inherited | own,
            tier_percent=tier_percent,
            context_tokens=block.context_tokens,
            max_output_tokens=block.max_output_tokens,
            source=block.source or (file.source if file else ""),
            checked=block.checked or (file.checked if file else ""),
        )

    def _fee(self, part: Part) -> int:
        fee = part.block.fee_usd
        return 0 if fee is None else self._ucr(fee, part.node.at("fee_usd"))

    def pieces(self, block: PriceBlock | PricesFile, node: Node) -> dict[str, int]:
        return {
            piece: self._ucr(usd, node.at("pieces", piece), times=TOKENS_PER_RATE)
            for piece, usd in block.pieces.items()
        }

    def _tiers(self, block: PriceBlock, node: Node) -> tuple[Tier, ...]:
        tiers = [Tier(0, self._rates(block, node))]
        for index, long in enumerate(block.tiers):
            here = node.at("tiers", index)
            if long.above_input_tokens <= tiers[-1].above_input_tokens:
                self._problems.add(
                    here.at("above_input_tokens"),
                    f"expected more than {tiers[-1].above_input_tokens}, the tier before, "
                    f"came {long.above_input_tokens}",
                    suggestion="Order the tiers by length.",
                )
            if missing := sorted(block.stated - long.stated):
                self._problems.add(
                    here,
                    f"the model has a price for {', '.join(missing)}, this tier has none",
                    suggestion="State every class again in each tier.",
                )
            tiers.append(Tier(long.above_input_tokens, self._rates(long, here)))
        return tuple(tiers)

    def _rates(self, block: RatesBlock, node: Node) -> Rates:
        return Rates.of(
            {
                token_class: self._ucr(usd, node.at(key))
                for token_class, key in CLASS_KEYS.items()
                if (usd := getattr(block, key)) is not None
            }
        )

    def _ucr(self, usd: Decimal, node: Node, *, times: int = 1) -> int:
        """Microcredits of `times` such prices."""
        exact = Fraction(usd) * times * self._ucr_per_usd
        if exact.denominator != 1:
            self._problems.add(
                node,
                f"{usd} US dollars are no whole number of microcredits "
                f"at {self._credit_usd} US dollars a credit",
                suggestion="Round the price up, or choose a credit_usd that divides it.",
            )
        return -(-exact.numerator // exact.denominator)


def _digest(lines: Mapping[str, Lines], fallback: ModelPrice | None) -> str:
    texts = [
        text
        for provider in sorted(lines)
        for model in sorted(lines[provider])
        for text in _texts(provider, lines[provider][model])
    ]
    texts += _texts("", fallback) if fallback else ()
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:DIGEST_CHARS]


def _texts(provider: str, price: ModelPrice) -> Iterator[str]:
    yield f"{provider} {price.model} {price.by_token} {price.fee_ucr}"
    for tier in price.tiers:
        yield f"{tier.above_input_tokens} {_pairs(tier.rates.by_class)}"
    yield _pairs(price.pieces)
    yield _pairs(price.tier_percent)
    if price.purchase is not None:
        yield from _texts(f"{provider} bills", price.purchase)


def _pairs(rates: Mapping[str, int] | Mapping[TokenClass, int]) -> str:
    return " ".join(f"{name}={rate}" for name, rate in sorted(rates.items()))
