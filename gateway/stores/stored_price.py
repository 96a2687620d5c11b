"""A line of a rate card as stores keep it: orjson's object of what charges, and the way back."""

from typing import Any

import orjson

from gateway.metering.pricing import ModelPrice, Rates, Tier
from gateway.metering.usage import TokenClass


def price_text(price: ModelPrice) -> str:
    """What a receipt needs, whatever becomes of the files it came from."""
    return orjson.dumps(_content(price)).decode()


def _content(price: ModelPrice) -> dict[str, Any]:
    tiers = [
        [tier.above_input_tokens, {name.value: rate for name, rate in tier.rates.by_class.items()}]
        for tier in price.tiers
    ]
    return {
        "model": price.model,
        "version": price.version,
        "rate_id": price.rate_id,
        "by_token": price.by_token,
        "fee_ucr": price.fee_ucr,
        "tiers": tiers,
        "pieces": dict(price.pieces),
        "tier_percent": dict(price.tier_percent),
        "purchase": None if price.purchase is None else _content(price.purchase),
    }


def price_of(text: str | bytes) -> ModelPrice:
    return _price(orjson.loads(text))


def _price(content: dict[str, Any]) -> ModelPrice:
    return ModelPrice(
        model=content["model"],
        version=content["version"],
        rate_id=content["rate_id"],
        by_token=content["by_token"],
        fee_ucr=content["fee_ucr"],
        tiers=tuple(Tier(above, _rates(rates)) for above, rates in content["tiers"]),
        pieces=content["pieces"],
        tier_percent=content["tier_percent"],
        purchase=None if content["purchase"] is None else _price(content["purchase"]),
    )


def _rates(content: dict[str, Any]) -> Rates:
    """A class that a later version named and this one does not know has no place here."""
    return Rates.of({name: content[name] for name in TokenClass if name.value in content})
