"""Is the usage a provider reported believable? Its number is money: it is bounded, not trusted."""

from gateway.metering.call import Call
from gateway.metering.pricing import ModelPrice
from gateway.metering.usage import Usage

# Reasoning models may exceed the card's output limit a little, and cards age: twice is absurd.
SLACK = 2
# Our count and the provider's differ by framing; a shortfall must exceed both to be disbelieved.
SHORTFALL_TOKENS = 64
SHORTFALL_FACTOR = 2


def plausible(
    usage: Usage, *, call: Call, price: ModelPrice, counted_output_tokens: int | None
) -> bool:
    """Believe the report? `counted_output_tokens` is our own count, None where none was made.

    Refused: no input at all, more than the model can take or make, nothing produced where we
    saw output, or far less than we counted (as some servers do for n > 1).
    """
    if usage.input_tokens == 0:
        return False
    if usage.input_tokens > SLACK * price.context_tokens:
        return False
    if usage.output_tokens > SLACK * call.choices * price.max_output_tokens:
        return False
    if counted_output_tokens is None:
        return usage.output_tokens > 0
    if usage.output_tokens == 0:
        return counted_output_tokens == 0
    return counted_output_tokens <= usage.output_tokens * SHORTFALL_FACTOR + SHORTFALL_TOKENS
