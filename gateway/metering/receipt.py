"""How a charge comes about, line by line: what was used, at which rate, and what it came to.

Each line is rounded down to whole microcredits. A call is rounded up once, as a whole: what the
lines lost and the call gained stands in one line of its own, so that the lines add up to the
charge exactly.
"""

from collections.abc import Sequence
from enum import StrEnum

from gateway.metering.pricing import PERCENT, TOKENS_PER_RATE, ModelPrice
from gateway.metering.usage import TokenClass, Usage
from gateway.values import call_value, maker

# An enum's members are named slowly, and these for each line of each call.
_CLASSES = tuple(token_class.value for token_class in TokenClass)
_NO_RATES: Sequence[int | None] = (None,) * len(_CLASSES)


class LineKind(StrEnum):
    TOKENS = "tokens"
    PIECES = "pieces"
    FEE = "request_fee"
    ROUNDING = "rounding"
    UNITEMISED = "unitemised"
    """A part of the charge that usage times rates does not explain: the hold itself was charged,
    the usage was that of many calls, or the rates are not known."""


@call_value
class Line:
    """`rate_ucr`: µcr per million; None where none is known. `percent`: of that rate, by the
    service tier."""

    kind: LineKind
    name: str
    quantity: int
    amount_ucr: int
    rate_ucr: int | None = None
    percent: int = PERCENT


_line = maker(Line)
# As with the classes above.
_TOKENS = LineKind.TOKENS


def receipt_lines(price: ModelPrice | None, usage: Usage, *, charge_ucr: int) -> Sequence[Line]:
    """The lines of a charge; their amounts add up to `charge_ucr`, whatever the usage.

    `price` None: the rates are not known, so nothing is said of amounts but their sum.
    """
    lines = _used(price, usage)
    if price is not None and price.fee_ucr:
        lines.append(_line(kind=LineKind.FEE, name="request", quantity=1, amount_ucr=price.fee_ucr))
    rest = charge_ucr - sum([line.amount_ucr for line in lines])
    if rest:
        # Rounding up once gains less than a microcredit over lines that lost less than one each.
        rounding = price is not None and 0 < rest <= len(lines)
        kind = LineKind.ROUNDING if rounding else LineKind.UNITEMISED
        lines.append(_line(kind=kind, name=kind.value, quantity=0, amount_ucr=rest))
    return lines


def _used(price: ModelPrice | None, usage: Usage) -> list[Line]:
    lines = []
    rates = _NO_RATES if price is None else price.rates_for(usage.input_tokens).in_order
    percent = PERCENT if price is None else price.percent(usage.service_tier)
    for name, tokens, rate in zip(_CLASSES, usage.in_order(), rates, strict=True):
        if tokens:
            amount_ucr = tokens * (rate or 0) * percent // (TOKENS_PER_RATE * PERCENT)
            lines.append(
                _line(
                    kind=_TOKENS,
                    name=name,
                    quantity=tokens,
                    amount_ucr=amount_ucr,
                    rate_ucr=rate,
                    percent=percent,
                )
            )
    for name, count in usage.pieces:
        each = None if price is None else price.piece_rate(name)
        amount_ucr = count * (each or 0) // TOKENS_PER_RATE
        lines.append(
            _line(
                kind=LineKind.PIECES,
                name=name,
                quantity=count,
                amount_ucr=amount_ucr,
                rate_ucr=each,
            )
        )
    return lines
