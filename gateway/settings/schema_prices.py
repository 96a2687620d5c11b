"""A rate card file (config/prices/*.yaml) as it is written: US dollars per million tokens, and
per single piece of what is sold by the piece.

One key a token class; `CLASS_KEYS` is the table. A class left out is charged as its parent
(`metering/pricing.py`), never free. A piece left out has no price: a call for it is refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from gateway.metering.pieces import PIECES, SERVICE_TIERS
from gateway.metering.usage import TokenClass
from gateway.settings.fields import (
    Block,
    Day,
    ModelName,
    Name,
    PieceName,
    TierName,
    Usd,
    UsdPerPiece,
    Version,
    wrong,
)

# Pydantic copies a default for each file.
NONE: dict[str, Any] = {}

PiecePrices = Annotated[
    dict[PieceName, UsdPerPiece],
    Field(json_schema_extra={"propertyNames": {"pattern": rf"^({'|'.join(PIECES)})(\.|$)"}}),
]
TierPercents = Annotated[
    dict[TierName, Annotated[int, Field(ge=1, le=1_000)]],
    Field(json_schema_extra={"propertyNames": {"enum": sorted(SERVICE_TIERS)}}),
]

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

    input: Usd | None = None
    """Input not read from a cache; null, as output, where tokens are not what is sold."""
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
    output: Usd | None = None
    """Text out."""
    reasoning: Usd | None = None
    """Reasoning; null: as output."""
    output_audio: Usd | None = None
    """Audio out; null: as output."""
    output_image: Usd | None = None
    """Images out; null: as output."""

    @property
    def stated(self) -> frozenset[str]:
        """The keys of the classes that have a price here."""
        return frozenset(key for key in CLASS_KEYS.values() if getattr(self, key) is not None)


class TierBlock(RatesBlock):
    """Rates of a call whose whole input is longer; must state every class the model states."""

    above_input_tokens: Annotated[int, Field(ge=1, le=100_000_000)]
    """These rates apply to the whole call when its input is longer than this."""


class PriceBlock(RatesBlock):
    """One model's price: US dollars per million tokens, per single piece, per request."""

    tiers: tuple[TierBlock, ...] = ()
    """Long-context rates, ascending."""
    pieces: PiecePrices = NONE
    """US dollars per single piece, before those of the file: image.hd.1024x1792, or image for
    every other kind of it. "0": it costs nothing beside its tokens."""
    tier_percent: TierPercents = NONE
    """By service tier, what its tokens cost in percent of the rates here, before those of the
    file. Without one, batch and flex cost the same, and a dearer tier is refused."""
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

    @model_validator(mode="after")
    def _prices_something(self) -> Self:
        """Tokens by input and output at least, or no tokens and something else."""
        stated = self.stated
        if {"input", "output"} <= stated:
            return self
        if not stated and not self.tiers and (self.pieces or self.fee_usd is not None):
            return self
        missing = " and ".join(key for key in ("input", "output") if key not in stated)
        raise wrong(
            "input and output, or neither and pieces or fee_usd",
            f"Add {missing}, or price it by the piece or request only.",
            came=f"{', '.join(sorted(stated))} alone" if stated else "none of them",
        )


class PricesFile(Block):
    """A rate card of Tollkeeper, in US dollars per million tokens and per single piece."""

    version: Version
    """Names these prices; stored with every charge. Never change prices under one version."""
    effective_from: Day
    """The day these prices began to apply; a record, not a switch."""
    source: Annotated[str, Field(min_length=1, max_length=500)]
    """Where the prices were read."""
    checked: Day
    """When they were last compared with the source."""
    vendor: Name | None = None
    """Whose prices these are. Files of one vendor share their pieces and tier_percent, and may
    share a model's line: its tokens here, its pieces there. null: the file stands alone."""
    pieces: PiecePrices = NONE
    """US dollars per single piece, for every model of the vendor that has no price of its own."""
    tier_percent: TierPercents = NONE
    """By service tier, percent of the ordinary rates, for every model of the vendor that states
    none of its own."""
    models: dict[ModelName, PriceBlock] = NONE
    """Prices by the exact name the provider uses; may be empty in a file of a vendor's pieces."""
