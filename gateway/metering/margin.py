"""What is earned: what was charged, less what its provider bills for it.

A purchase price stands with the line of the rate card that charged a call, so it is the one of that
time. Providers bill sums of tokens, not calls: a cost is added up exactly and rounded up once.
What a call used is unknown where only its hold could be charged; there, and without a purchase
price, so is its cost, which is never taken for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from gateway.metering.pricing import PERCENT, TOKENS_PER_RATE, ModelPrice
from gateway.metering.usage import Provenance, Usage

SCALE = TOKENS_PER_RATE * PERCENT


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldSum:
    """Calls that are alike in all that a price depends on. Tokens are those of all of them, pieces
    those of each. `level`: beyond how many of the lengths asked for the input of each was."""

    provider: str
    model: str
    rate_id: str
    provenance: str
    level: int
    calls: int
    charge_ucr: int
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Of one model at one provider. `cost_ucr` is of those calls whose cost is known, which were
    charged `costed_ucr`; None: it is known of none."""

    provider: str
    model: str
    calls: int
    charge_ucr: int
    costed_ucr: int
    cost_ucr: int | None

    @property
    def margin_ucr(self) -> int | None:
        return None if self.cost_ucr is None else self.costed_ucr - self.cost_ucr


def lengths(prices: Sequence[ModelPrice]) -> Sequence[int]:
    """Of input, beyond which a purchase price differs."""
    bought = (price.purchase for price in prices if price.purchase is not None)
    return sorted({tier.above_input_tokens for price in bought for tier in price.tiers[1:]})


def margins(
    sums: Sequence[SoldSum], prices: Mapping[str, ModelPrice], *, above: Sequence[int]
) -> Sequence[Margin]:
    """Each model by itself, the one with most charges first. `prices`: by rate id."""
    alike: dict[tuple[str, str], list[SoldSum]] = {}
    for each in sums:
        alike.setdefault((each.provider, each.model), []).append(each)
    found = [_margin(name, some, prices, above) for name, some in alike.items()]
    return sorted(found, key=lambda each: (-each.charge_ucr, each.provider, each.model))


def _margin(
    name: tuple[str, str],
    sums: Sequence[SoldSum],
    prices: Mapping[str, ModelPrice],
    above: Sequence[int],
) -> Margin:
    costs = [(each, _scaled_cost(each, prices.get(each.rate_id), above)) for each in sums]
    known = [(each, cost) for each, cost in costs if cost is not None]
    return Margin(
        provider=name[0],
        model=name[1],
        calls=sum(each.calls for each in sums),
        charge_ucr=sum(each.charge_ucr for each in sums),
        costed_ucr=sum(each.charge_ucr for each, _ in known),
        cost_ucr=-(-sum(cost for _, cost in known) // SCALE) if known else None,
    )


def _scaled_cost(each: SoldSum, price: ModelPrice | None, above: Sequence[int]) -> int | None:
    """In 1/10⁸ µcr; None where it is not known."""
    bought = None if price is None else price.purchase
    if bought is None or each.provenance == Provenance.HELD or bought.unpriced(each.usage):
        return None
    rates = bought.tiers[0].rates
    for tier in bought.tiers[1:]:
        if tier.above_input_tokens not in above:
            return None
        if above.index(tier.above_input_tokens) < each.level:
            rates = tier.rates
    tokens: int = sum(map(mul, each.usage.in_order(), rates.in_order))
    pieces = sum(count * (bought.piece_rate(name) or 0) for name, count in each.usage.pieces)
    once = pieces * PERCENT + bought.fee_ucr * SCALE
    return tokens * bought.percent(each.usage.service_tier) + once * each.calls
