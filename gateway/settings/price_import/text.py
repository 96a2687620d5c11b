"""A rate card file as text: one line a model, ordered, the same for the same prices."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from gateway.settings.schema_prices import CLASS_KEYS, PriceBlock, PricesFile, RatesBlock, TierBlock

HEAD = """\
# yaml-language-server: $schema=../prices.schema.json
# US dollars per million tokens, and per single piece. Made by `tollkeeper prices import`.
# To charge other prices, copy this file under another name and version, edit that.
"""
PLAIN_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*[A-Za-z0-9]")


def card_text(card: PricesFile) -> str:
    lines = [
        f"version: {card.version}",
        f"effective_from: {card.effective_from}",
        f'source: "{card.source}"',
        f"checked: {card.checked}",
    ]
    if card.vendor is not None:
        lines.append(f"vendor: {card.vendor}")
    lines += ["models:", *(f"  {_key(name)}: {_line(card.models[name])}" for name in card.models)]
    return HEAD + "\n".join(lines) + "\n"


def price_text(block: PriceBlock) -> str:
    """A line's prices without its bounds, for people."""
    return ", ".join(f"{key} {value}" for key, value in prices_of(block).items())


def prices_of(block: PriceBlock) -> Mapping[str, str]:
    """Every number of a line by a dotted name, as text: what two cards are compared by."""
    found = dict(_rates(block))
    for tier in block.tiers:
        above = f"above {tier.above_input_tokens}"
        found |= {f"{above}: {key}": rate for key, rate in _rates(tier)}
    found |= {f"pieces.{name}": _number(usd) for name, usd in block.pieces.items()}
    found |= {f"tier_percent.{name}": str(value) for name, value in block.tier_percent.items()}
    if block.fee_usd is not None:
        found["fee_usd"] = _number(block.fee_usd)
    return found


def bounds_of(block: PriceBlock) -> Mapping[str, str]:
    return {
        "context_tokens": str(block.context_tokens),
        "max_output_tokens": str(block.max_output_tokens),
    }


def _rates(block: RatesBlock) -> Iterator[tuple[str, str]]:
    for key in CLASS_KEYS.values():
        if (usd := getattr(block, key)) is not None:
            yield key, _number(usd)


def _line(block: PriceBlock) -> str:
    parts = [f'{key}: "{rate}"' for key, rate in _rates(block)]
    parts += [
        f"{key}: {getattr(block, key)}"
        for key in ("context_tokens", "max_output_tokens")
        if key in block.model_fields_set
    ]
    if block.fee_usd is not None:
        parts.append(f'fee_usd: "{_number(block.fee_usd)}"')
    if block.pieces:
        pieces = ", ".join(f'{name}: "{_number(usd)}"' for name, usd in block.pieces.items())
        parts.append(f"pieces: {{{pieces}}}")
    if block.tier_percent:
        tiers = ", ".join(f"{name}: {value}" for name, value in block.tier_percent.items())
        parts.append(f"tier_percent: {{{tiers}}}")
    if block.tiers:
        parts.append(f"tiers: [{', '.join(map(_tier, block.tiers))}]")
    return f"{{{', '.join(parts)}}}"


def _tier(tier: TierBlock) -> str:
    rates = [f'{key}: "{rate}"' for key, rate in _rates(tier)]
    return f"{{{', '.join([f'above_input_tokens: {tier.above_input_tokens}', *rates])}}}"


def _number(usd: Decimal) -> str:
    return f"{usd.normalize():f}"


def _key(name: str) -> str:
    return name if PLAIN_KEY.fullmatch(name) else f'"{name}"'
