"""Builds rate card files from the PyPI package `genai-prices` (extra `prices`), offline.

A starting point for operators, made by a command and committed; nothing here runs while serving.
Same package, same date, same text. Left out: what a card in tokens cannot price fully (audio by
the hour, speech by the character, video, searches built into a model), and names no official API
takes. Web search fees of a call are not on the card.

The output bounds come from the vendors' model pages, which the package does not carry:
https://platform.openai.com/docs/models, https://docs.claude.com/en/docs/about-claude/models and
https://ai.google.dev/gemini-api/docs/models.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from gateway.errors import ConfigError

# The package's price keys and ours. Cached audio and images count as cached input.
PRICE_KEYS = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "output_mtok": "output",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
}
# Priced by something else than our token classes: charging the rest alone would undercharge.
FOREIGN_UNITS = frozenset(
    {"audio_hours", "input_audio_hours", "input_mchars", "input_video_mtok", "output_video_mtok"}
)


@dataclass(frozen=True, slots=True)
class Vendor:
    """`names`: what its API takes; `limits`: prefix → context and output tokens, longest first."""

    provider: str
    names: re.Pattern[str]
    limits: Mapping[str, tuple[int | None, int]]


VENDORS = (
    Vendor(
        "openai",
        # Not gpt-5-2 and gpt-35: other platforms' spellings of gpt-5.2 and gpt-3.5.
        re.compile(
            r"(?!gpt-\d-\d(?!\d))(?!gpt-35)(gpt-\d|gpt-audio|gpt-chat-latest|o[134]|chatgpt-4o-latest"
            r"|codex-mini-latest|text-embedding-\d|text-embedding-ada-002)"
            r"(?!.*(realtime|transcribe|tts|image|search|research|audio-preview|vision|cyber|-$))[a-z0-9.-]*"
        ),
        {
            "gpt-3.5": (None, 4_096),
            "gpt-4-turbo": (None, 4_096),
            "gpt-4-0125-preview": (None, 4_096),
            "gpt-4-1106-preview": (None, 4_096),
            "gpt-4": (None, 8_192),
            "gpt-4.5": (None, 16_384),
            "gpt-4.1": (1_047_576, 32_768),
            "gpt-4o": (None, 16_384),
            "chatgpt-4o": (None, 16_384),
            "gpt-audio": (None, 16_384),
            "o1-mini": (None, 65_536),
            "o1-preview": (None, 32_768),
            "o1": (None, 100_000),
            "o3": (None, 100_000),
            "o4": (None, 100_000),
            "codex-mini": (None, 100_000),
            "text-embedding": (8_192, 1),
        },
    ),
    Vendor(
        "anthropic",
        re.compile(r"claude-(3|fable|haiku|mythos|opus|sonnet)[a-z0-9-]*"),
        {
            "claude-3-5": (None, 8_192),
            "claude-3-7": (None, 128_000),
            "claude-3-": (None, 4_096),
            "claude-opus-4-0": (None, 32_000),
            "claude-opus-4-1": (None, 32_000),
            "claude-opus-4-5": (None, 64_000),
            "claude-sonnet-4-": (None, 64_000),
            "claude-haiku-4-5": (None, 64_000),
        },
    ),
    Vendor(
        "google",
        re.compile(r"gemini-[2-9](?!.*(tts|live|image|audio|preview-0))[a-z0-9.-]*"),
        {"gemini-2.0": (None, 8_192), "gemini-": (1_048_576, 65_536)},
    ),
)


def build_prices(as_of: date) -> dict[str, str]:
    """File name → text of a rate card, with the prices in force on that day.

    Raises ConfigError when the package is not installed.
    """
    try:
        # Imported here: an extra that no running gateway needs.
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "The price package is not installed. Install it with: pip install 'tollkeeper[prices]'"
        ) from None
    providers = {provider.id: provider for provider in get_snapshot().providers}
    package = f"genai-prices {version('genai-prices')}"
    return {
        f"{vendor.provider}.yaml": _card(vendor, providers[vendor.provider], as_of, package=package)
        for vendor in VENDORS
    }


def _card(vendor: Vendor, provider: Any, as_of: date, *, package: str) -> str:  # noqa: ANN401 - untyped package
    lines = dict(_lines(vendor, provider, as_of))
    return "\n".join(
        [
            "# yaml-language-server: $schema=../prices.schema.json",
            "# US dollars per million tokens. Made by `tollkeeper prices import`.",
            "# To charge other prices, copy this file under another name and version, edit that.",
            f"version: {vendor.provider}-{as_of}",
            f"effective_from: {as_of}",
            f'source: "{package}, {provider.pricing_urls[0]}"',
            f"checked: {as_of}",
            "models:",
            *(f"  {name}: {{{lines[name]}}}" for name in sorted(lines)),
            "",
        ]
    )


def _lines(vendor: Vendor, provider: Any, as_of: date) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - untyped package
    """Each name and the inside of its line."""
    moment = datetime.combine(as_of, time(), UTC)
    for model in provider.models:
        prices = {
            key: price for key, price in vars(model.get_prices(moment)).items() if price is not None
        }
        if "input_mtok" not in prices or FOREIGN_UNITS & prices.keys():
            continue
        rates = _rates(prices)
        for name in _names(model.match) | {model.id}:
            if vendor.names.fullmatch(name):
                limits = _limits(vendor, name, model.context_window)
                yield name, f"{rates[0]}{limits}{rates[1]}"


def _rates(prices: Mapping[str, Any]) -> tuple[str, str]:
    """The base rates, and the tiers if there are any, as YAML."""
    ours = {ours: prices[theirs] for theirs, ours in PRICE_KEYS.items() if theirs in prices}
    ours.setdefault("output", Decimal())
    starts = sorted({tier.start for price in ours.values() for tier in getattr(price, "tiers", ())})
    tiers = [
        f"{{above_input_tokens: {start}, {_join({key: _at(p, start) for key, p in ours.items()})}}}"
        for start in starts
    ]
    base = _join({key: getattr(price, "base", price) for key, price in ours.items()})
    return base, f", tiers: [{', '.join(tiers)}]" if tiers else ""


def _at(price: Any, start: int) -> Decimal:  # noqa: ANN401 - untyped package
    """The rate above `start` input tokens: of the last tier that begins no later."""
    if isinstance(price, Decimal):
        return price
    begun: list[Decimal] = [tier.price for tier in price.tiers if tier.start <= start]
    base: Decimal = price.base
    return begun[-1] if begun else base


def _join(rates: Mapping[str, Decimal]) -> str:
    return ", ".join(f'{key}: "{rate.normalize():f}"' for key, rate in rates.items())


def _limits(vendor: Vendor, name: str, context_tokens: int | None) -> str:
    prefixes = sorted(vendor.limits, key=len, reverse=True)
    known = next((vendor.limits[prefix] for prefix in prefixes if name.startswith(prefix)), None)
    context_tokens = (known and known[0]) or context_tokens
    text = f", context_tokens: {context_tokens}" if context_tokens else ""
    return f"{text}, max_output_tokens: {known[1]}" if known else text


def _names(match: Any) -> set[str]:  # noqa: ANN401 - untyped package
    """The exact names among a model's match rules."""
    if hasattr(match, "equals"):
        return {match.equals}
    return {name for rule in getattr(match, "or_", ()) for name in _names(rule)}
