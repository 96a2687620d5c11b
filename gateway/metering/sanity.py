"""Is the usage a provider reported believable? Its number is money: it is bounded, not trusted."""

from gateway.metering.call import Call
from gateway.metering.pricing import ModelPrice
from gateway.metering.usage import Usage

# Reasoning models may exceed the card's output limit a little, and cards age: twice is absurd.
SLACK = 2
# A stream spends some 250 bytes on a token, an answer in one piece about 5. Beyond this much for
# a reported token we count ourselves before we believe (log probabilities do get there).
ANSWER_BYTES_PER_TOKEN = 2_000
ANSWER_BYTES_FREE = 16_384
# Our count and the provider's differ by framing and, for vendors with a vocabulary of their own,
# by a third: half as much again and then some is no rounding.
SHORTFALL_TOKENS = 64


def plausible(
    usage: Usage,
    *,
    call: Call,
    price: ModelPrice,
    counted_output_tokens: int | None,
    answer_bytes: int,
) -> bool:
    """Believe the report? `counted_output_tokens` is our own count, None where none was made yet.

    Refused: no input at all, more than the model can take or make, nothing produced where we
    saw output, or far less than we counted (as some servers do for n > 1). Without a count,
    False only means: count first.
    """
    if usage.input_tokens == 0 or usage.input_tokens > SLACK * price.context_tokens:
        return False
    if usage.output_tokens > SLACK * call.choices * price.max_output_tokens:
        return False
    if counted_output_tokens is None:
        expected_bytes = ANSWER_BYTES_PER_TOKEN * usage.output_tokens + ANSWER_BYTES_FREE
        return call.choices == 1 and usage.output_tokens > 0 and answer_bytes <= expected_bytes
    if usage.output_tokens == 0:
        return counted_output_tokens == 0
    return 2 * counted_output_tokens <= 3 * usage.output_tokens + 2 * SHORTFALL_TOKENS
