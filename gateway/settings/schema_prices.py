"""A rate card file (config/prices/*.yaml) as it is written: US dollars per million tokens.

One key a token class; `CLASS_KEYS` is the table. A class left out is charged as its parent
(`metering/pricing.py`), never free.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from gateway.metering.usage import TokenClass
from gateway.settings.fields import Block, Day, ModelName, Usd, Version

CLASS_KEYS = {
    TokenClass.INPUT_UNCACHED: "input",
    TokenClass.INPUT_CACHE_READ: "cache_read",
    TokenClass.INPUT_CACHE_WRITE_5M: "cache_write_5m",
    TokenClass.INPUT_CACHE_WRITE_1H: "cache_write_1h",
    TokenClass.INPUT_AUDIO: "input_audio",
    TokenClass.INPUT_IMAGE: "input_image",
    TokenClass.OUTPUT_TEXT: "output",
    TokenClass.OUTPUT_REASONING: "reasoning",
    TokenClass.OUTPUT_AUDIO: "output_audio",
    TokenClass.OUTPUT_IMAGE: "output_image",
}


class RatesBlock(Block):
    """US dollars per million tokens."""

    elsewhere_called: ClassVar[Mapping[str, str]] = {
        **{token_class.value: key for token_class, key in CLASS_KEYS.items()},
        "prompt": "input",
        "completion": "output",
        "cached": "cache_read",
        "cached_input": "cache_read",
        "cache_write": "cache_write_5m",
    }

    input: Usd
    """Input not read from a cache."""
    cache_read: Usd | None = None
    """Input read from a cache; null: as input."""
    cache_write_5m: Usd | None = None
    """Input written to a cache (for 5 minutes, where the vendor tells); null: as input."""
    cache_write_1h: Usd | None = None
    """Input written to a cache for an hour; null: as cache_write_5m."""
    input_audio: Usd | None = None
    """Audio in; null: as input."""
    input_image: Usd | None = None
    """Images in, where they are priced apart; null: as input."""
    output: Usd
    """Text out."""
    reasoning: Usd | None = None
    """Reasoning; null: as output."""
    output_audio: Usd | None = None
    """Audio out; null: as output."""
    output_image: Usd | None = None
    """Images out; null: as output."""


class TierBlock(RatesBlock):
    """Rates of a call whose whole input is longer; must state every class the model states."""

    above_input_tokens: Annotated[int, Field(ge=1, le=100_000_000)]
    """These rates apply to the whole call when its input is longer than this."""


class PriceBlock(RatesBlock):
    """One model's price, in US dollars per million tokens."""

    tiers: tuple[TierBlock, ...] = ()
    """Long-context rates, ascending."""
    fee_usd: Usd | None = None
    """US dollars per request, on top; null for none."""
    context_tokens: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    """The model's context window: the bound for inputs that cannot be seen."""
    max_output_tokens: Annotated[int, Field(ge=1, le=100_000_000)] = 128_000
    """The most the model can put out: the bound for callers who set none."""
    source: Annotated[str, Field(max_length=500)] | None = None
    """Where this price was read; null: the file's."""
    checked: Day | None = None
    """When it was last compared with the source; null: the file's."""


class PricesFile(Block):
    """A rate card of Tollkeeper, in US dollars per million tokens."""

    version: Version
    """Names these prices; stored with every charge. Never change prices under one version."""
    effective_from: Day
    """The day these prices began to apply; a record, not a switch."""
    source: Annotated[str, Field(min_length=1, max_length=500)]
    """Where the prices were read."""
    checked: Day
    """When they were last compared with the source."""
    models: Annotated[dict[ModelName, PriceBlock], Field(min_length=1)]
    """Prices by the exact name the provider uses."""
