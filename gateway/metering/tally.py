"""What many calls of one model used together, each priced by its own size.

A price may rise with the length of a prompt, and a thousand short prompts are no long one. So it
is their charges that are added, exactly, and rounded up once for all of them.
"""

from operator import mul

from gateway.metering.call import Many
from gateway.metering.pricing import (
    PERCENT,
    TOKENS_PER_RATE,
    ModelPrice,
    Rates,
)
from gateway.metering.usage import NOTHING, Pieces, Usage

UNIT = TOKENS_PER_RATE * PERCENT


class Tally:
    """A running sum at one price."""

    def __init__(self, price: ModelPrice) -> None:
        self.price = price
        # In 1/10⁸ µcr: what a rate and a percentage are multiplied to.
        self._exact = 0
        self.usage = NOTHING

    def add(self, usage: Usage, *, calls: int = 1) -> None:
        """The usage of one call; or of several together, priced as their average is. That is exact
        where `one_price` holds for the longest of them."""
        rates = self.price.rates_for(usage.input_tokens // max(1, calls))
        self._exact += _exact(self.price, usage, rates=rates)
        self._exact += calls * self.price.fee_ucr * UNIT
        self.usage = self.usage + usage

    @property
    def charge_ucr(self) -> int:
        return _rounded_up(self._exact)


def one_price(price: ModelPrice, *, longest_input_tokens: int) -> bool:
    """Whether calls with prompts up to that size all have the same rates, so that the sum of
    their tokens is enough to charge them."""
    return price.rates_for(longest_input_tokens) is price.tiers[0].rates


def worst_case_of_many_ucr(
    price: ModelPrice, many: Many, *, input_tokens: int, output_tokens: int, pieces: Pieces
) -> int:
    """An upper bound for calls that need `input_tokens` and `output_tokens` together.

    Their service tier is granted for certain, or nothing is served: its discount counts.
    """
    percent = price.percent(many.service_tier)
    dearest = 0
    longest = many.longest(price.context_tokens)
    for tier in price.tiers:
        if tier.above_input_tokens and tier.above_input_tokens >= longest:
            break
        rate_in, rate_out = tier.rates.dearest_any if many.media else tier.rates.dearest_text
        dearest = max(dearest, input_tokens * rate_in + output_tokens * rate_out)
    exact = dearest * percent + many.calls * price.fee_ucr * UNIT
    exact += sum(count * price.dearest_piece_rate(name) for name, count in pieces) * PERCENT
    return _rounded_up(exact)


def _exact(price: ModelPrice, usage: Usage, *, rates: Rates) -> int:
    tokens: int = sum(map(mul, usage.in_order(), rates.in_order))
    pieces = sum(count * (price.piece_rate(name) or 0) for name, count in usage.pieces)
    return tokens * price.percent(usage.service_tier) + pieces * PERCENT


def _rounded_up(exact: int) -> int:
    return -(-exact // UNIT)
