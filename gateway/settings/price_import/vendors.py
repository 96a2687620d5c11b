"""Whose prices are imported, under which names, and what the package does not say of them.

The output bounds come from the vendors' model pages, which the package does not carry:
https://platform.openai.com/docs/models, https://docs.claude.com/en/docs/about-claude/models and
https://ai.google.dev/gemini-api/docs/models. Names the package matches by a pattern only are
listed here as the vendors' SDKs list them (openai 3.57, anthropic 2.14; read 2026-11-26).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ANY = re.compile(r"[^:]+(:(?!free)[a-z]+)?")
REGIONS = ("us.", "eu.", "apac.", "jp.", "au.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """`package_id` is its name in the package, `names` what its API takes."""

    name: str
    package_id: str
    names: re.Pattern[str] = ANY
    more_names: tuple[str, ...] = ()
    """Beside those the package spells out; kept if the package knows a price for them."""
    search: str = "web_search"
    """The piece that the package's web searches are."""
    searches: tuple[tuple[re.Pattern[str], str, str], ...] = ()
    """Before that, by model: the piece, and another that is told beside it and costs nothing."""
    caches_media: bool = False
    """Its formats tell how much of the input was cached, whatever it was: sound and images too."""
    limits: Mapping[str, tuple[int | None, int]] = field(default_factory=dict)
    """Prefix → context and output tokens."""
    beside_tokens: tuple[tuple[re.Pattern[str], str], ...] = ()
    """Pieces that cost nothing, because those models sell them by their tokens."""

    def search_pieces(self, model: str) -> tuple[str, str | None]:
        """What a search of that model is, and what costs nothing beside it."""
        return next(
            ((piece, free) for match, piece, free in self.searches if match.fullmatch(model)),
            (self.search, None),
        )

    def limits_of(self, model: str) -> tuple[int | None, int | None]:
        prefixes = sorted(self.limits, key=len, reverse=True)
        return next(
            (self.limits[prefix] for prefix in prefixes if model.startswith(prefix)), (None, None)
        )


def bedrock_names(listed: Iterable[str]) -> list[str]:
    """As inference profiles are called: the region before the model. The package says `regional.`
    where the price differs from the global one."""
    spelled = []
    for name in listed:
        if name.startswith("regional."):
            rest = name.removeprefix("regional.")
            stems = {rest, rest.removesuffix("-v1:0")}
            spelled += [f"{region}{stem}" for region in ("", *REGIONS) for stem in stems]
        elif name.startswith(("amazon.nova", "meta.")):
            spelled += [f"{region}{name}" for region in ("us.", "eu.", "apac.")]
    return spelled


VENDORS = (
    Vendor(
        name="openai",
        package_id="openai",
        caches_media=True,
        # Not gpt-5-2 and gpt-35: other platforms' spellings of gpt-5.2 and gpt-3.5. Not what the
        # package took from OpenRouter, and not what it prices in part: the sound of the older
        # audio models, the searches of the search models.
        names=re.compile(
            r"(?!gpt-\d-\d(?!\d))(?!gpt-35)(?!gpt-oss)(?!gpt-\d(\.\d)?-image)(?!.*-$)"
            r"(?!.*(audio-preview|vision|search))"
            r"(gpt-|chatgpt-|o[134](?!\d)|codex-mini-latest|computer-use-preview|text-embedding-\d"
            r"|text-embedding-ada-002|tts-1|whisper-1|babbage-002|davinci-002|chat-latest|ft:gpt)"
            r"[a-z0-9.-]*"
        ),
        more_names=(
            "computer-use-preview",
            "computer-use-preview-2025-03-11",
            "gpt-4o-mini-realtime-preview-2024-12-17",
            "gpt-4o-mini-transcribe-2025-12-15",
            "gpt-4o-mini-tts-2025-12-15",
            "gpt-4o-realtime-preview-2024-12-17",
            "gpt-4o-realtime-preview-2025-06-03",
            "gpt-5-nano-2025-08-07",
        ),
        limits={
            "gpt-3.5": (None, 4_096),
            "gpt-4-turbo": (None, 4_096),
            "gpt-4-0125-preview": (None, 4_096),
            "gpt-4-1106-preview": (None, 4_096),
            "gpt-4": (None, 8_192),
            "gpt-4.5": (None, 16_384),
            "gpt-4.1": (1_047_576, 32_768),
            "gpt-4o": (None, 16_384),
            "chatgpt-4o": (None, 16_384),
            "gpt-4o-transcribe": (16_000, 2_000),
            "gpt-4o-mini-transcribe": (16_000, 2_000),
            "gpt-4o-realtime": (32_000, 4_096),
            "gpt-4o-mini-realtime": (16_000, 4_096),
            "gpt-audio": (None, 16_384),
            "gpt-image": (None, 16_384),
            "chatgpt-image": (None, 16_384),
            "gpt-realtime": (32_000, 4_096),
            "gpt-realtime-2": (128_000, 32_000),
            "o1-mini": (None, 65_536),
            "o1-preview": (None, 32_768),
            "o1": (None, 100_000),
            "o3": (None, 100_000),
            "o4": (None, 100_000),
            "codex-mini": (None, 100_000),
            "text-embedding": (8_192, 1),
        },
        beside_tokens=(
            (re.compile(r"(gpt|chatgpt)-image.*"), "image"),
            (re.compile(r".*-transcribe.*"), "audio_second"),
            (re.compile(r".*-tts.*"), "character"),
        ),
    ),
    Vendor(
        name="anthropic",
        package_id="anthropic",
        names=re.compile(r"claude-(3-|fable|haiku|mythos|opus|sonnet)[a-z0-9-]*"),
        more_names=(
            "claude-3-5-haiku-20241022",
            "claude-3-7-sonnet-20250219",
            "claude-3-haiku-20240307",
            "claude-haiku-4-5-20251001",
            "claude-opus-4-1-20250805",
            "claude-opus-4-5-20251101",
            "claude-sonnet-4-20250514",
            "claude-sonnet-4-5-20250929",
        ),
        limits={
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
        name="google",
        package_id="google",
        names=re.compile(r"gem(ini|ma)-(?!1|pro$|pro-1|flash-1|.*vision)[a-z0-9.-]*"),
        more_names=(
            "gemini-2.0-flash-001",
            "gemini-2.0-flash-lite-001",
            "gemini-2.5-flash-lite-preview-09-2025",
            "gemini-3.1-flash-lite-preview",
        ),
        # Billed by the grounded prompt up to Gemini 2.5, by the query since.
        searches=(
            (re.compile(r"gemini-2\..*"), "grounding", "grounding_query"),
            (re.compile(r".*"), "grounding_query", "grounding"),
        ),
        limits={
            "gemini-2.0": (None, 8_192),
            "gemini-embedding": (None, 1),
            "gemini-": (1_048_576, 65_536),
        },
    ),
    # A deployment has the name its owner gave it: the routes say by `price_as` what it is.
    Vendor(
        name="azure",
        package_id="azure",
        names=re.compile(r"(o[134]|phi|text-embedding-\d|text-embedding-ada-002)[a-z0-9.-]*"),
        limits={"text-embedding": (8_192, 1)},
    ),
    Vendor(
        name="bedrock",
        package_id="aws",
        names=re.compile(r"(?!regional)([a-z]+\.)?[a-z0-9]+\.[a-z0-9.:-]+"),
        more_names=tuple(
            f"{region}anthropic.{model}"
            for region in ("", *REGIONS, "global.")
            for model in (
                "claude-opus-4-5-20251101-v1:0",
                "claude-opus-4-6-v1",
                "claude-opus-4-7",
                "claude-opus-4-8",
                "claude-sonnet-4-6",
            )
        ),
    ),
    Vendor(name="cerebras", package_id="cerebras"),
    Vendor(name="cohere", package_id="cohere"),
    Vendor(
        name="deepseek",
        package_id="deepseek",
        names=re.compile(r"deepseek-(chat|reasoner|flash|v4-flash|v4-pro)"),
    ),
    Vendor(name="fireworks", package_id="fireworks", names=re.compile(r"accounts/.*")),
    Vendor(name="groq", package_id="groq"),
    Vendor(
        name="mistral",
        package_id="mistral",
        more_names=("magistral-medium-latest", "magistral-small-latest"),
    ),
    Vendor(name="moonshot", package_id="moonshotai"),
    Vendor(
        name="openrouter",
        package_id="openrouter",
        names=re.compile(r"[a-z0-9-]+/[^:/]+(:(?!free)[a-z]+)?"),
    ),
    Vendor(name="perplexity", package_id="perplexity"),
    Vendor(name="together", package_id="together"),
    Vendor(name="voyage", package_id="voyageai"),
    Vendor(name="xai", package_id="x-ai", names=re.compile(r"grok-[a-z0-9.-]*")),
)
BY_NAME: Mapping[str, Vendor] = {vendor.name: vendor for vendor in VENDORS}
