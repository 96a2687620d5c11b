"""Is the usage a provider reports believable? Its number is money: it is bounded, not trusted. And
how long may an answer be, before whoever sends it cannot mean what was asked?"""

from typing import NamedTuple

from gateway.metering.call import Call
from gateway.metering.pricing import ModelPrice
from gateway.metering.usage import Usage

# Reasoning models may exceed the card's output limit a little, and cards age: twice is absurd.
SLACK = 2
# What an answer may spend on a reported token before we count ourselves and then believe. A stream
# spends some 250 bytes on one of text, an answer in one piece about 5 (log probabilities do get
# beyond); uncompressed speech in base64 3 200; a picture with its previews up to 50 000.
TEXT_BYTES_PER_TOKEN = 2_000
AUDIO_BYTES_PER_TOKEN = 8_000
IMAGE_BYTES_PER_TOKEN = 100_000
ANSWER_BYTES_FREE = 16_384
# Our count and the provider's differ by framing and, for vendors with a vocabulary of their own,
# by a third: half as much again and then some is no rounding.
SHORTFALL_TOKENS = 64
# Whatever surrounds the words: no answer that is read at once may be longer.
BYTES_FREE = 64 * 1024 * 1024


class Ceiling(NamedTuple):
    """What no honest answer is longer than."""

    tokens: int
    bytes: int


UNBOUNDED = Ceiling(2**62, 2**62)


def ceiling(call: Call, price: ModelPrice) -> Ceiling:
    """Of an answer in words: twice what was asked for, since servers count in their own way. What
    is told in bytes or pieces (sound, pictures, vectors, batches) is bounded by its own kind."""
    in_words = call.by_piece is None and call.many is None and not call.terms.media
    if not in_words or call.whole or call.deferred or not price.max_output_tokens:
        return UNBOUNDED
    cap = call.max_output_tokens
    if cap == 0:
        return UNBOUNDED
    each = price.max_output_tokens if cap is None else min(cap, price.max_output_tokens)
    most = SLACK * each * call.choices * call.prompts * call.turns + SHORTFALL_TOKENS
    return Ceiling(most, BYTES_FREE + TEXT_BYTES_PER_TOKEN * most)


def plausible(
    usage: Usage,
    *,
    call: Call,
    price: ModelPrice,
    most_tokens: int,
    counted: Usage | None,
    answer_bytes: int,
) -> bool:
    """Believe the report? `most_tokens`: the call's `ceiling`. `counted` is our own count of the
    output, None where none was made yet.

    Refused: no input at all (unless it is told in pieces), more than the model can take or make,
    nothing produced where we saw output, or far less than we counted (as some servers do for
    n > 1). Without a count, False only means: count first.
    """
    read, made = usage.input_tokens, usage.output_tokens
    if (
        (not read and not usage.pieces)
        or read > SLACK * call.prompts * call.turns * price.context_tokens
        or made > SLACK * call.choices * call.prompts * price.max_output_tokens
        or made > most_tokens
    ):
        return False
    if call.max_output_tokens == 0:
        # Embeddings, or what is told in pieces: no bytes of theirs are tokens.
        return True
    if counted is None:
        return call.choices == 1 and made > 0 and answer_bytes <= _most_bytes(usage)
    if made == 0:
        return counted.output_tokens == 0
    # Pictures differ by model more than any table of ours can follow: theirs is the better count.
    seen = counted.output_tokens - counted.output_image
    return 2 * seen <= 3 * made + 2 * SHORTFALL_TOKENS


def _most_bytes(usage: Usage) -> int:
    return (
        ANSWER_BYTES_FREE
        + TEXT_BYTES_PER_TOKEN * (usage.output_text + usage.output_reasoning)
        + AUDIO_BYTES_PER_TOKEN * usage.output_audio
        + IMAGE_BYTES_PER_TOKEN * usage.output_image
    )
