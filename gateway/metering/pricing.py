"""The rate card: what a call costs, in integer microcredits.

1 credit = 1 000 000 microcredits (µcr). Rates are µcr per *million* tokens of a class, so a
charge is Σ tokens x rate ÷ 10⁶, rounded up once per call. Pieces (pictures, seconds, searches) are
rated per million as well; a service tier multiplies the tokens' part only, as vendors do. No
floats: Python's integers do not overflow, and the ledger's bound (2⁵³) is checked where the amount
leaves this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul

from gateway.metering.call import TEXT_ONLY, Terms
from gateway.metering.pieces import (
    BESIDE_TOKENS,
    CHEAPER_TIERS,
    TIER_JOIN,
    is_kind_of,
    piece_kind,
)
from gateway.metering.usage import Pieces, TokenClass, Usage

UCR_PER_CREDIT = 1_000_000
TOKENS_PER_RATE = 1_000_000
PERCENT = 100
# Lua numbers are doubles: integers beyond this are not exact in the ledger's scripts.
AMOUNT_MAX_UCR = 2**53 - 1

# A class without a rate of its own is charged as its parent.
PARENT = {
    TokenClass.INPUT_CACHE_READ: TokenClass.INPUT_UNCACHED,
    TokenClass.INPUT_CACHE_WRITE_5M: TokenClass.INPUT_UNCACHED,
    TokenClass.INPUT_CACHE_WRITE_1H: TokenClass.INPUT_CACHE_WRITE_5M,
    TokenClass.INPUT_AUDIO: TokenClass.INPUT_UNCACHED,
    TokenClass.INPUT_IMAGE: TokenClass.INPUT_UNCACHED,
    TokenClass.OUTPUT_REASONING: TokenClass.OUTPUT_TEXT,
    TokenClass.OUTPUT_AUDIO: TokenClass.OUTPUT_TEXT,
    TokenClass.OUTPUT_IMAGE: TokenClass.OUTPUT_TEXT,
}

# A prompt's text may turn out to be cached or to be written to a cache: the dearest counts.
TEXT_INPUT = (
    TokenClass.INPUT_UNCACHED,
    TokenClass.INPUT_CACHE_READ,
    TokenClass.INPUT_CACHE_WRITE_5M,
    TokenClass.INPUT_CACHE_WRITE_1H,
)
TEXT_OUTPUT = (TokenClass.OUTPUT_TEXT, TokenClass.OUTPUT_REASONING)
MEDIA_INPUT = (TokenClass.INPUT_AUDIO, TokenClass.INPUT_IMAGE)
MEDIA_OUTPUT = (TokenClass.OUTPUT_AUDIO, TokenClass.OUTPUT_IMAGE)


@dataclass(frozen=True, slots=True)
class Rates:
    """µcr per million tokens for every class, parents already filled in; made by `of`.

    `dearest_text` and `dearest_any` are the highest input and output rate among the text classes
    and among all: each admission asks for them.
    """

    by_class: Mapping[TokenClass, int]
    in_order: tuple[int, ...]
    """The same in the order of `Usage.in_order`."""
    dearest_text: tuple[int, int]
    dearest_any: tuple[int, int]

    @classmethod
    def of(cls, given: Mapping[TokenClass, int]) -> "Rates":
        """Fill each missing class from its parent; INPUT_UNCACHED and OUTPUT_TEXT default to 0."""
        rates = {token_class: _rate(token_class, given) for token_class in TokenClass}
        return cls(
            rates,
            in_order=tuple(rates.values()),
            dearest_text=(_dearest(rates, TEXT_INPUT), _dearest(rates, TEXT_OUTPUT)),
            dearest_any=(
                _dearest(rates, TEXT_INPUT + MEDIA_INPUT),
                _dearest(rates, TEXT_OUTPUT + MEDIA_OUTPUT),
            ),
        )


def _dearest(rates: Mapping[TokenClass, int], classes: tuple[TokenClass, ...]) -> int:
    return max(rates[token_class] for token_class in classes)


def _rate(token_class: TokenClass, given: Mapping[TokenClass, int]) -> int:
    while token_class not in given:
        if token_class not in PARENT:
            return 0
        token_class = PARENT[token_class]
    return given[token_class]


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates of a call whose whole input is above `above_input_tokens` (long-context prices)."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """One model's line on the card. `tiers` ascend and start at 0. `version` is stored with each
    charge: the dated files the line comes from, and the digest of the card."""

    model: str
    tiers: tuple[Tier, ...]
    version: str = ""
    rate_id: str = ""
    """Digest of all that this line charges: what a receipt finds it by, for ever."""
    by_token: bool = True
    """False: sold by the piece only; whatever tokens it uses cost nothing."""
    fee_ucr: int = 0
    pieces: Mapping[str, int] = field(default_factory=dict)
    """µcr per million pieces, by name."""
    tier_percent: Mapping[str, int] = field(default_factory=dict)
    """By service tier, what its tokens cost in percent of the ordinary price."""
    context_tokens: int = 1_000_000
    max_output_tokens: int = 128_000
    source: str = ""
    checked: str = ""
    purchase: "ModelPrice | None" = None
    """What the provider bills for it, where the operator says so: never what is charged."""

    def rates_for(self, input_tokens: int) -> Rates:
        rates = self.tiers[0].rates
        for tier in self.tiers[1:]:
            if input_tokens > tier.above_input_tokens:
                rates = tier.rates
        return rates

    def piece_rate(self, name: str) -> int | None:
        """µcr per million of `name`, or of what it is a kind of; None when neither has a price."""
        while name:
            if name in self.pieces:
                return self.pieces[name]
            name = name.rpartition(".")[0]
        return None

    def dearest_piece_rate(self, name: str) -> int:
        """The same for the dearest kind of `name` that is priced; 0 without any."""
        kinds = (rate for known, rate in self.pieces.items() if is_kind_of(known, name))
        return max(self.piece_rate(name) or 0, *kinds, 0)

    def unpriced(self, used: Terms | Usage) -> tuple[str, ...]:
        """The pieces without a price, and the service tier if it may be dearer and has none."""
        if not used.pieces and not used.service_tier:
            return ()
        names = [name for name, _ in used.pieces if self.piece_rate(name) is None]
        if used.service_tier:
            names += [
                tier
                for tier in used.service_tier.split(TIER_JOIN)
                if tier not in CHEAPER_TIERS and tier not in self.tier_percent
            ]
        return tuple(names)

    @property
    def charges_tokens(self) -> bool:
        return self.by_token and max(self.tiers[0].rates.dearest_any) > 0

    def charges_for(self, terms: Terms) -> bool:
        """Whether this line can charge for such a call: no, if it is sold by the piece and the
        call uses none but a model's tools. A line that bears a tool's own name sells just that."""
        return (
            self.by_token
            or self.fee_ucr > 0
            or any(
                piece_kind(name) not in BESIDE_TOKENS or name == self.model
                for name, _ in terms.pieces
            )
        )

    def percent(self, service_tier: str) -> int:
        """Of the ordinary price; a tier without one of its own costs the same (see `unpriced`).
        Tiers that apply together multiply, rounded up."""
        if TIER_JOIN not in service_tier:
            return self.tier_percent.get(service_tier, PERCENT)
        percent = PERCENT
        for tier in service_tier.split(TIER_JOIN):
            percent = -(-percent * self.tier_percent.get(tier, PERCENT) // PERCENT)
        return percent


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCard:
    """A dated, immutable set of prices; its digest changes with any of them."""

    digest: str
    models: Mapping[str, ModelPrice] = field(default_factory=dict)
    by_provider: Mapping[str, Mapping[str, ModelPrice]] = field(default_factory=dict)
    """Lines that hold at one provider only, and there before the others."""
    default: ModelPrice | None = None
    """Used for models without a line of their own; None refuses them."""

    def price(self, model: str, *, provider: str) -> ModelPrice | None:
        own = self.by_provider.get(provider)
        if own is not None and model in own:
            return own[model]
        return self.models.get(model, self.default)

    def priced_at(self, provider: str) -> frozenset[str]:
        """The models with a line at that provider."""
        return frozenset(self.models) | frozenset(self.by_provider.get(provider, ()))

    @property
    def lines(self) -> Sequence[ModelPrice]:
        """All of them, whoever serves them."""
        found = [*self.models.values()]
        for lines in self.by_provider.values():
            found += lines.values()
        return found if self.default is None else [*found, self.default]

    @property
    def model_names(self) -> tuple[str, ...]:
        """Every name with a line somewhere."""
        names = dict.fromkeys(self.models)
        for lines in self.by_provider.values():
            names.update(dict.fromkeys(lines))
        return tuple(names)


def charge_ucr(price: ModelPrice, usage: Usage) -> int:
    """What the usage costs, rounded up once, the request fee included.

    What has no price costs nothing here: whoever admits or settles it must ask `unpriced`.
    """
    rates = price.tiers[0].rates
    if len(price.tiers) > 1:
        rates = price.rates_for(usage.input_tokens)
    total: int = sum(map(mul, usage.in_order(), rates.in_order))
    if not usage.pieces and not usage.service_tier:
        return price.fee_ucr - (-total // TOKENS_PER_RATE)
    scaled = total * price.percent(usage.service_tier) + _pieces_total(price, usage.pieces)
    return price.fee_ucr - (-scaled // (TOKENS_PER_RATE * PERCENT))


def worst_case_ucr(
    price: ModelPrice, *, input_tokens: int, output_tokens: int, terms: Terms = TEXT_ONLY
) -> int:
    """An upper bound for a call up to that size, whatever classes its tokens turn out to be.

    Text classes only, unless `terms.media`: then the audio and image rates count as well. A tier
    that is cheaper than the ordinary one may not be granted, so it lowers nothing. A piece may
    turn out to be the dearest of its kind.
    """
    if len(price.tiers) == 1:
        rates = price.tiers[0].rates
        rate_in, rate_out = rates.dearest_any if terms.media else rates.dearest_text
        total = input_tokens * rate_in + output_tokens * rate_out
    else:
        total = max(
            tokens * rate_in + output_tokens * rate_out
            for tokens, rate_in, rate_out in _worst_prompts(price, input_tokens, media=terms.media)
        )
    if terms is TEXT_ONLY:
        return price.fee_ucr - (-total // TOKENS_PER_RATE)
    scaled = total * _worst_percent(price, terms) + _worst_pieces_total(price, terms.pieces)
    return price.fee_ucr - (-scaled // (TOKENS_PER_RATE * PERCENT))


def affordable_output_tokens(
    price: ModelPrice, *, available_ucr: int, input_tokens: int, terms: Terms = TEXT_ONLY
) -> int:
    """The largest `output_tokens` whose worst case still fits into `available_ucr`; at least 0.

    The model's maximum where output costs nothing.
    """
    # Rounding up to whole µcr fits exactly if the unrounded sum does.
    funds = (available_ucr - price.fee_ucr) * TOKENS_PER_RATE * PERCENT
    funds -= _worst_pieces_total(price, terms.pieces)
    percent = _worst_percent(price, terms)
    affordable: list[int] = []
    for tokens, rate_in, rate_out in _worst_prompts(price, input_tokens, media=terms.media):
        room = funds - tokens * rate_in * percent
        if room < 0:
            return 0
        if rate_out:
            affordable.append(room // (rate_out * percent))
    return min(affordable, default=price.max_output_tokens)


def _pieces_total(price: ModelPrice, pieces: Pieces) -> int:
    """In 1/10⁸ µcr, as `charge_ucr` sums."""
    return sum(count * (price.piece_rate(name) or 0) for name, count in pieces) * PERCENT


def _worst_pieces_total(price: ModelPrice, pieces: Pieces) -> int:
    return sum(count * price.dearest_piece_rate(name) for name, count in pieces) * PERCENT


def _worst_percent(price: ModelPrice, terms: Terms) -> int:
    return max(PERCENT, price.percent(terms.service_tier))


def _worst_prompts(
    price: ModelPrice, input_tokens: int, *, media: bool
) -> Iterator[tuple[int, int, int]]:
    """For each tier the call may end up in: the largest prompt there, its input and output rate.

    A bound above a threshold does not mean that the prompt is, and nothing makes a card's long
    prompts dearer than its short ones, so the last tier alone would not be a bound.
    """
    last = len(price.tiers) - 1
    for index, tier in enumerate(price.tiers):
        if index and tier.above_input_tokens >= input_tokens:
            return
        end = price.tiers[index + 1].above_input_tokens if index < last else input_tokens
        rate_in, rate_out = tier.rates.dearest_any if media else tier.rates.dearest_text
        yield min(end, input_tokens), rate_in, rate_out
