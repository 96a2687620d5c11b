"""What is earned: what was charged, less what its provider bills for it.

A purchase price stands with the line of the rate card that charged a call, so it is the one of that
time. Providers bill sums of tokens, not calls: a cost is added up exactly and rounded up once.
What a call used is unknown where only its hold could be charged; there, and without a purchase
price, so is its cost, which is never taken for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from gateway.metering.history import EndSum
from gateway.metering.pricing import PERCENT, TOKENS_PER_RATE, ModelPrice
from gateway.metering.usage import Provenance, Usage

SCALE = TOKENS_PER_RATE * PERCENT
# An enum's members are named slowly, and this one for each call.
HELD = Provenance.HELD.value


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


def scaled_cost(price: ModelPrice | None, usage: Usage, *, provenance: str) -> int | None:
    """What a provider bills for one call, in 1/10⁸ µcr; None where it is not known."""
    bought = None if price is None else price.purchase
    if bought is None or provenance == HELD:
        return None
    rates = bought.tiers[0].rates
    if len(bought.tiers) > 1:
        rates = bought.rates_for(usage.input_tokens)
    tokens: int = sum(map(mul, usage.in_order(), rates.in_order))
    if not usage.pieces and not usage.service_tier:
        return tokens * PERCENT + bought.fee_ucr * SCALE
    if bought.unpriced(usage):
        return None
    pieces = sum(count * (bought.piece_rate(name) or 0) for name, count in usage.pieces)
    return tokens * bought.percent(usage.service_tier) + pieces * PERCENT + bought.fee_ucr * SCALE


def rounded_up(scaled: int) -> int:
    """In µcr."""
    return -(-scaled // SCALE)


def margins(sums: Sequence[EndSum]) -> Sequence[Margin]:
    """Each model by itself, the one with most charges first."""
    alike: dict[tuple[str, str], list[EndSum]] = {}
    for each in sums:
        alike.setdefault((each.provider, each.model), []).append(each)
    found = [_margin(name, some) for name, some in alike.items()]
    return sorted(found, key=lambda each: (-each.charge_ucr, each.provider, each.model))


def _margin(name: tuple[str, str], sums: Sequence[EndSum]) -> Margin:
    known = any(each.costed for each in sums)
    return Margin(
        provider=name[0],
        model=name[1],
        calls=sum(each.requests for each in sums),
        charge_ucr=sum(each.charge_ucr for each in sums),
        costed_ucr=sum(each.costed_ucr for each in sums),
        cost_ucr=rounded_up(sum(each.scaled_cost for each in sums)) if known else None,
    )
