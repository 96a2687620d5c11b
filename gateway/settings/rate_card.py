"""From prices as written (US dollars per million tokens) to the rate card (microcredits).

Exact, or refused: a price that is no whole number of microcredits per million tokens would be
charged as something else than what stands in the file.
"""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from gateway.metering.pricing import UCR_PER_CREDIT, ModelPrice, RateCard, Rates, Tier
from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.reading import Card
from gateway.settings.schema_prices import CLASS_KEYS, PriceBlock, PricesFile, RatesBlock

DEFAULT_NAME = "default"
# Enough to tell any two cards apart that bear the same versions.
DIGEST_CHARS = 8


def build_rate_card(
    cards: Sequence[Card],
    default: PriceBlock | None,
    default_node: Node,
    *,
    credit_usd: Decimal,
    problems: Problems,
) -> RateCard:
    """One card of all files. Its version joins theirs, and a digest of every rate, so that a
    receipt names exactly what priced it even if a file was edited under an old version."""
    converter = _Converter(credit_usd, problems)
    models: dict[str, ModelPrice] = {}
    for card in cards:
        for name, block in card.block.models.items():
            node = card.node.at("models", name)
            models.setdefault(name, converter.price(name, block, node, card.block))
    fallback = None
    if default is not None:
        fallback = converter.price(DEFAULT_NAME, default, default_node, None)
    versions = "+".join(card.block.version for card in cards) or DEFAULT_NAME
    return RateCard(
        version=f"{versions}@{_digest(models, fallback)}", models=models, default=fallback
    )


class _Converter:
    """Converts at one peg, adding what cannot be converted to the problems."""

    def __init__(self, credit_usd: Decimal, problems: Problems) -> None:
        self._ucr_per_usd = UCR_PER_CREDIT / Fraction(credit_usd)
        self._credit_usd = credit_usd
        self._problems = problems

    def price(
        self, name: str, block: PriceBlock, node: Node, file: PricesFile | None
    ) -> ModelPrice:
        fee = block.fee_usd
        return ModelPrice(
            model=name,
            tiers=self._tiers(block, node),
            fee_ucr=0 if fee is None else self._ucr(fee, node.at("fee_usd")),
            context_tokens=block.context_tokens,
            max_output_tokens=block.max_output_tokens,
            source=block.source or (file.source if file else ""),
            checked=block.checked or (file.checked if file else ""),
        )

    def _tiers(self, block: PriceBlock, node: Node) -> tuple[Tier, ...]:
        tiers = [Tier(0, self._rates(block, node))]
        stated = _stated(block)
        for index, long in enumerate(block.tiers):
            here = node.at("tiers", index)
            if long.above_input_tokens <= tiers[-1].above_input_tokens:
                self._problems.add(
                    here.at("above_input_tokens"),
                    f"expected more than {tiers[-1].above_input_tokens}, the tier before, "
                    f"came {long.above_input_tokens}",
                    suggestion="Order the tiers by length.",
                )
            if missing := sorted(stated - _stated(long)):
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

    def _ucr(self, usd: Decimal, node: Node) -> int:
        exact = Fraction(usd) * self._ucr_per_usd
        if exact.denominator != 1:
            self._problems.add(
                node,
                f"{usd} US dollars are no whole number of microcredits "
                f"at {self._credit_usd} US dollars a credit",
                suggestion="Round the price up, or choose a credit_usd that divides it.",
            )
        return -(-exact.numerator // exact.denominator)


def _stated(block: RatesBlock) -> set[str]:
    return {key for key in CLASS_KEYS.values() if getattr(block, key) is not None}


def _digest(models: Mapping[str, ModelPrice], fallback: ModelPrice | None) -> str:
    lines = [
        f"{price.model} {price.fee_ucr} {tier.above_input_tokens} "
        + " ".join(f"{name}={rate}" for name, rate in sorted(tier.rates.by_class.items()))
        for price in [*(models[name] for name in sorted(models)), *([fallback] if fallback else [])]
        for tier in price.tiers
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGEST_CHARS]
