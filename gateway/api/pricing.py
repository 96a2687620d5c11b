"""GET /pricing: what a credit buys, model by model."""

from collections.abc import Mapping, Sequence

from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Query, Reply
from gateway.metering.admission import decimal_credits
from gateway.metering.plans import model_allowed
from gateway.metering.pricing import TOKENS_PER_RATE, UCR_PER_CREDIT, ModelPrice, Tier

NANOS = 1_000_000_000


class RatesReply(Reply):
    """Credits per million tokens by class, and what one credit buys of each."""

    above_input_tokens: int
    """These rates apply to calls whose whole input is longer than this."""
    credits_per_million_tokens: Mapping[str, str]
    tokens_per_credit: Mapping[str, int]
    """Rounded down; a class that costs nothing is left out."""


class ModelReply(Reply):
    """One model's line of the rate card."""

    model: str
    rates: Sequence[RatesReply]
    credits_per_request: str
    credits_per_million_pieces: Mapping[str, str]
    """What is sold by the piece: pictures, seconds, searches."""
    service_tier_percent: Mapping[str, int]
    """What tokens cost in another service tier, in percent of the ordinary price."""
    context_tokens: int
    max_output_tokens: int
    version: str
    """Stored with every charge that it priced."""


class PricingReply(Reply):
    """The rate card for the models this key may use."""

    usd_per_credit: str
    models: Sequence[ModelReply]


def operations(resources: Resources) -> Sequence[Operation]:
    lines = [_model(price) for _, price in sorted(resources.rate_card.models.items())]

    async def get_pricing(asked: Asked[Query]) -> PricingReply:
        plan, key = asked.holder.plan, asked.holder.key
        return PricingReply(
            usd_per_credit=_usd(resources.usd_nanos_per_credit),
            models=[
                line
                for line in lines
                if model_allowed(plan.models, line.model)
                and (not key.models or model_allowed(key.models, line.model))
            ],
        )

    return (
        Operation(
            method="GET",
            path="/pricing",
            name="getPricing",
            summary="What a credit buys, for the models this key may use",
            tag="Self-service",
            audience=Audience.KEY,
            handler=get_pricing,
            answer=PricingReply,
        ),
    )


def _model(price: ModelPrice) -> ModelReply:
    return ModelReply(
        model=price.model,
        rates=[_rates(tier) for tier in price.tiers] if price.by_token else [],
        credits_per_request=decimal_credits(price.fee_ucr),
        credits_per_million_pieces={
            name: decimal_credits(rate) for name, rate in price.pieces.items()
        },
        service_tier_percent=price.tier_percent,
        context_tokens=price.context_tokens,
        max_output_tokens=price.max_output_tokens,
        version=price.version,
    )


def _rates(tier: Tier) -> RatesReply:
    rates = tier.rates.by_class
    return RatesReply(
        above_input_tokens=tier.above_input_tokens,
        credits_per_million_tokens={
            str(name): decimal_credits(rate) for name, rate in rates.items()
        },
        tokens_per_credit={
            str(name): UCR_PER_CREDIT * TOKENS_PER_RATE // rate
            for name, rate in rates.items()
            if rate
        },
    )


def _usd(nanos: int) -> str:
    whole, fraction = divmod(nanos, NANOS)
    return f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
