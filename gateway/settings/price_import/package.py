"""Reads the package: each vendor's prices in force on a day, as a rate card file.

A model is taken whole or not at all: priced by anything a card cannot say (film by the token,
citations, messages), charging the rest alone would undercharge. What was left out is listed.

Two things are simplified. Cached sound and cached images have rates of their own in the package;
here they are cached input, at the dearest of the rates where the vendor's format counts them so. A
tier is one percentage, the dearest of its classes but the cached.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, Decimal
from importlib.metadata import version
from math import ceil
from typing import Any

from gateway.errors import ConfigError
from gateway.settings.price_import.vendors import Vendor, bedrock_names
from gateway.settings.schema_prices import PricesFile

# The package's keys and ours: dollars per million tokens.
CLASSES = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
}
# What a tier is compared by.
MAIN_CLASSES = ("input_mtok", "input_audio_mtok", "input_image_mtok", "output_mtok")
# The package's keys, our pieces, and how many of them its price is for.
PIECES = {
    "web_searches_kcount": ("web_search", 1_000),
    "storage_searches_kcount": ("file_search", 1_000),
    "rerank_searches_kcount": ("search_unit", 1_000),
    "audio_hours": ("audio_second", 3_600),
    "input_audio_hours": ("audio_second", 3_600),
    "input_mchars": ("character", 1_000_000),
    "input_document_kpages": ("page", 1_000),
    "input_annotated_document_kpages": ("page.annotated", 1_000),
}
SEARCHES = "web_searches_kcount"
FEE = "requests_kcount"
CACHED = "cache_read_mtok"
CACHED_MEDIA = frozenset({"cache_audio_read_mtok", "cache_image_read_mtok"})
# Tokens of film are counted as those of images, so they must cost the same.
FILM, IMAGE = "input_video_mtok", "input_image_mtok"
# How the package's contexts spell our tiers.
TIERS = {
    "batch": ("processing", "batch"),
    "fast": ("service_tier", "fast"),
    "flex": ("service_tier", "flex"),
    "priority": ("service_tier", "priority"),
    "scale": ("service_tier", "scale"),
}
FAST_MODE = ("speed", "fast")
# Of models without a price for output: these have none.
SILENT = ("embed", "voyage", "decider", "rerank")
# A third of a price, or a second of an hour's, has no end of decimals: it is rounded up to these.
SMALLEST_RATE_USD = Decimal("1e-6")
SMALLEST_PIECE_USD = Decimal("1e-9")
OUTPUT_TOKENS_MAX = 128_000


@dataclass(frozen=True, slots=True)
class Imported:
    """A vendor's card; `left_out`: model → why no card can price it."""

    vendor: str
    card: PricesFile
    left_out: Mapping[str, str]


class _Unpriceable(Exception):
    """A card cannot say what this model costs."""


def import_prices(vendors: Iterable[Vendor], as_of: date) -> list[Imported]:
    """The prices in force on that day. Raises ConfigError when the package is not installed."""
    providers = {provider.id: provider for provider in _snapshot().providers}
    moment = datetime.combine(as_of, time(), UTC)
    return [_Reader(vendor, providers[vendor.package_id], moment).read() for vendor in vendors]


def known_names(vendors: Iterable[Vendor]) -> frozenset[str]:
    """Every name of theirs that the package spells out; none when it is not installed."""
    try:
        providers = {provider.id: provider for provider in _snapshot().providers}
    except ConfigError:
        return frozenset()
    return frozenset(
        name
        for vendor in vendors
        for model in providers[vendor.package_id].models
        for name in (*_names(model.match), model.id)
        if vendor.names.fullmatch(name)
    )


def _snapshot() -> Any:  # noqa: ANN401 - untyped package
    try:
        # Imported here: an extra that no running gateway needs.
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "The price package is not installed. Install it with: pip install 'tollkeeper[prices]'"
        ) from None
    return get_snapshot()


class _Reader:
    """One vendor's models on one day. The package is untyped."""

    def __init__(self, vendor: Vendor, provider: Any, moment: datetime) -> None:  # noqa: ANN401
        self._vendor = vendor
        self._provider = provider
        self._moment = moment

    def read(self) -> Imported:
        day = self._moment.date().isoformat()
        lines: dict[str, dict[str, object]] = {}
        left_out: dict[str, str] = {}
        for model in self._provider.models:
            names = sorted(self._official_names(model))
            try:
                line = self._line(model)
            except _Unpriceable as reason:
                left_out.update(dict.fromkeys(names, str(reason)))
                continue
            lines.update({name: line | self._limits(name, model, line) for name in names})
        for name, line in lines.items():
            self._add_free_pieces(name, line)
        card = {
            "version": f"{self._vendor.name}-{day}",
            "effective_from": day,
            "source": f"genai-prices {version('genai-prices')}, {self._provider.pricing_urls[0]}",
            "checked": day,
            "vendor": self._vendor.name,
            "models": dict(sorted(lines.items())),
        }
        return Imported(self._vendor.name, PricesFile.model_validate(card), left_out)

    def _official_names(self, model: Any) -> set[str]:  # noqa: ANN401
        listed = {*_names(model.match), model.id}
        spelled = {*listed, *self._vendor.more_names}
        if self._vendor.name == "bedrock":
            spelled |= set(bedrock_names(listed))
        # A name that is spelled out belongs to its model; of the others the first match decides.
        return {
            name
            for name in spelled
            if self._vendor.names.fullmatch(name) and (name in listed or self._found(name) is model)
        }

    def _found(self, name: str) -> Any:  # noqa: ANN401
        return next((each for each in self._provider.models if each.is_match(name)), None)

    def _line(self, model: Any) -> dict[str, object]:  # noqa: ANN401
        prices = self._prices(model, {})
        self._refuse_foreign(model, prices)
        if self._vendor.caches_media and (media := CACHED_MEDIA & prices.keys()):
            prices[CACHED] = max(prices[key] for key in {CACHED, *media} & prices.keys())
        line: dict[str, object] = {}
        if "input_mtok" in prices:
            line |= _rates(prices)
        if FEE in prices:
            line["fee_usd"] = prices[FEE] / 1_000
        search, free = self._vendor.search_pieces(model.id)
        pieces = {
            search if key == SEARCHES else piece: _each(prices[key], count)
            for key, (piece, count) in PIECES.items()
            if key in prices
        }
        if free is not None and search in pieces:
            pieces[free] = Decimal()
        if pieces:
            line["pieces"] = dict(sorted(pieces.items()))
        if percents := dict(self._percents(model, prices)):
            line["tier_percent"] = percents
        return line

    def _prices(self, model: Any, context: Mapping[str, str]) -> dict[str, Any]:  # noqa: ANN401
        found = vars(model.get_prices(self._moment, context))
        return {key: price for key, price in found.items() if price is not None}

    def _refuse_foreign(self, model: Any, prices: Mapping[str, Any]) -> None:  # noqa: ANN401
        if not prices:
            raise _Unpriceable("no price")
        foreign = prices.keys() - CLASSES.keys() - PIECES.keys() - CACHED_MEDIA - {FEE}
        if FILM in foreign and prices[FILM] == prices.get(IMAGE, prices.get("input_mtok")):
            foreign -= {FILM}
        if foreign:
            raise _Unpriceable(", ".join(sorted(foreign)))
        if "input_mtok" in prices and "output_mtok" not in prices:
            if not any(word in model.id for word in SILENT):
                raise _Unpriceable("no price for output")
        elif "output_mtok" in prices and "input_mtok" not in prices:
            raise _Unpriceable("no price for input")

    def _percents(
        self,
        model: Any,  # noqa: ANN401
        prices: Mapping[str, Any],
    ) -> Iterator[tuple[str, int]]:
        contexts = [(tier, *context) for tier, context in TIERS.items()]
        contexts.append(("fast", *FAST_MODE))
        for tier, key, value in contexts:
            if not any(variant.when == {key: value} for variant in model.price_variants or ()):
                continue
            tiered = self._prices(model, {key: value})
            ratios = [
                _at(tiered[name], start) / _at(prices[name], start)
                for name in MAIN_CLASSES
                if name in prices
                for start in (0, *_starts(prices))
                if _at(prices[name], start)
            ]
            percent = ceil(max(ratios, default=Decimal(1)) * 100)
            if percent != 100 or tier not in ("batch", "flex"):  # noqa: PLR2004 - as the rates
                yield tier, percent

    def _limits(self, name: str, model: Any, line: Mapping[str, object]) -> dict[str, int]:  # noqa: ANN401
        if "input" not in line:
            return {}
        context, output = self._vendor.limits_of(name)
        context = context or model.context_window
        if output is None and context is not None and context < OUTPUT_TOKENS_MAX:
            output = context
        found = {"context_tokens": context, "max_output_tokens": output}
        return {key: tokens for key, tokens in found.items() if tokens is not None}

    def _add_free_pieces(self, name: str, line: dict[str, object]) -> None:
        if "input" not in line:
            return
        free = {
            piece: Decimal()
            for pattern, piece in self._vendor.beside_tokens
            if pattern.fullmatch(name)
        }
        stated = line.get("pieces", {})
        assert isinstance(stated, dict)
        if free.keys() - stated.keys():
            line["pieces"] = dict(sorted((free | stated).items()))


def _rates(prices: Mapping[str, Any]) -> dict[str, object]:
    """The classes, and the tiers if there are any."""
    ours = {ours: prices[theirs] for theirs, ours in CLASSES.items() if theirs in prices}
    ours.setdefault("output", Decimal())
    rates: dict[str, object] = {key: _rate(price, 0) for key, price in ours.items()}
    tiers = tuple(
        {"above_input_tokens": start} | {key: _rate(price, start) for key, price in ours.items()}
        for start in _starts(prices)
    )
    return rates | ({"tiers": tiers} if tiers else {})


def _starts(prices: Mapping[str, Any]) -> list[int]:
    return sorted({tier.start for key in CLASSES for tier in getattr(prices.get(key), "tiers", ())})


def _at(price: Any, start: int) -> Decimal:  # noqa: ANN401
    """The rate above `start` input tokens: of the last tier that begins no later."""
    if isinstance(price, Decimal):
        return price
    begun: list[Decimal] = [tier.price for tier in price.tiers if start and tier.start <= start]
    base: Decimal = price.base
    return begun[-1] if begun else base


def _rate(price: Any, start: int) -> Decimal:  # noqa: ANN401
    return _ended(_at(price, start), SMALLEST_RATE_USD)


def _ended(usd: Decimal, smallest: Decimal) -> Decimal:
    return usd.quantize(smallest, rounding=ROUND_CEILING).normalize()


def _each(price: Decimal, count: int) -> Decimal:
    return _ended(price / count, SMALLEST_PIECE_USD)


def _names(match: Any) -> set[str]:  # noqa: ANN401
    """The exact names among a model's match rules."""
    if hasattr(match, "equals"):
        return {match.equals}
    return {name for rule in getattr(match, "or_", ()) for name in _names(rule)}
