"""The shipped rate cards are what the price package says, and nothing a card cannot price."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.settings.price_import.package import import_prices, known_names
from gateway.settings.price_import.text import card_text
from gateway.settings.price_import.vendors import BY_NAME, VENDORS

PRICES = Path(__file__).parents[4] / "config" / "prices"
AS_OF = date(2026, 11, 26)


@pytest.fixture(scope="module")
def imported():
    pytest.importorskip("genai_prices")
    return {each.vendor: each for each in import_prices(VENDORS, AS_OF)}


@pytest.fixture(scope="module")
def openai(imported):
    return imported["openai"].card.models


@pytest.mark.parametrize("vendor", BY_NAME)
def test_the_committed_cards_are_what_the_package_gives(imported, vendor):
    committed = (PRICES / f"{vendor}-{AS_OF}.yaml").read_text("utf-8")

    assert card_text(imported[vendor].card) == committed


def test_the_day_asked_for_decides_the_price(openai):
    [before] = import_prices([BY_NAME["openai"]], date(2026, 8, 20))

    assert Decimal(4) == openai["gpt-5.6-sol"].input
    assert Decimal(5) == before.card.models["gpt-5.6-sol"].input


@pytest.mark.parametrize(
    ("vendor", "model", "pieces"),
    [
        ("openai", "whisper-1", {"audio_second": "0.0001"}),
        # Three dollars an hour, rounded up to a billionth.
        ("openai", "gpt-live-1", {"audio_second": "0.000833334"}),
        ("openai", "tts-1", {"character": "0.000015"}),
        ("openai", "gpt-5", {"file_search": "0.0025", "web_search": "0.01"}),
        ("anthropic", "claude-opus-4-5", {"web_search": "0.01"}),
        ("google", "gemini-2.5-pro", {"grounding": "0.035", "grounding_query": "0"}),
        ("google", "gemini-3-pro-preview", {"grounding": "0", "grounding_query": "0.014"}),
        ("mistral", "mistral-ocr-2505", {"page": "0.001", "page.annotated": "0.003"}),
        ("groq", "whisper-large-v3-turbo", {"audio_second": "0.000011112"}),
    ],
)
def test_what_is_sold_by_the_piece_is_priced_by_the_piece(imported, vendor, model, pieces):
    assert {name: Decimal(usd) for name, usd in pieces.items()} == (
        imported[vendor].card.models[model].pieces
    )


@pytest.mark.parametrize(
    ("model", "piece"),
    [
        ("gpt-image-1", "image"),
        ("gpt-4o-transcribe", "audio_second"),
        ("gpt-4o-mini-tts", "character"),
    ],
)
def test_a_piece_that_is_sold_by_its_tokens_costs_nothing_beside_them(openai, model, piece):
    assert openai[model].input
    assert Decimal() == openai[model].pieces[piece]


def test_cached_media_is_never_cheaper_than_its_vendor_sells_it(openai, imported):
    assert Decimal("2.5") == openai["gpt-image-1"].cache_read
    assert Decimal("0.3") == openai["gpt-realtime-mini"].cache_read
    # Gemini's format tells cached sound apart: it is charged as sound.
    assert Decimal("0.03") == imported["google"].card.models["gemini-2.5-flash"].cache_read


def test_tiers_are_a_percentage_of_the_ordinary_price(openai, imported):
    assert {"batch": 50, "fast": 200, "flex": 50, "priority": 200} == openai["gpt-5"].tier_percent
    assert {"batch": 50, "fast": 175, "priority": 175} == openai["gpt-4.1"].tier_percent
    fable = imported["anthropic"].card.models["claude-fable-5-2"]
    assert {"batch": 50, "fast": 200} == fable.tier_percent


def test_long_contexts_and_request_fees_are_imported(imported):
    pro = imported["google"].card.models["gemini-2.5-pro"]
    sonar = imported["perplexity"].card.models["sonar"]

    assert [(200_000, Decimal("2.5"))] == [
        (tier.above_input_tokens, tier.input) for tier in pro.tiers
    ]
    assert Decimal("0.012") == sonar.fee_usd


@pytest.mark.parametrize(
    ("vendor", "model", "reason"),
    [
        ("google", "gemini-omni-1.1-flash", "output_video_mtok"),
        ("google", "gemma-4-31b-it", "no price"),
        ("perplexity", "sonar-deep-research", "output_citation_mtok"),
        ("xai", "grok-voice-latest", "input_text_messages_kcount"),
        ("azure", "text-embedding-ada-002", "no price for output"),
    ],
)
def test_what_a_card_cannot_price_is_left_out_and_named(imported, vendor, model, reason):
    assert model not in imported[vendor].card.models
    assert reason == imported[vendor].left_out[model]


@pytest.mark.parametrize(
    "model",
    ["gpt-5-2", "gpt-35-turbo", "gpt-4o-audio-preview", "gpt-4o-search-preview", "gpt-5-image"],
)
def test_names_that_are_not_official_or_half_priced_are_left_out(openai, model):
    assert model not in openai


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("anthropic", "claude-haiku-4-5-20251001"),
        ("openai", "computer-use-preview"),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("bedrock", "global.anthropic.claude-opus-4-5-20251101-v1:0"),
        ("bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
    ],
)
def test_names_the_package_matches_by_pattern_are_spelled_out(imported, vendor, model):
    assert model in imported[vendor].card.models


def test_a_region_that_costs_more_has_its_own_price(imported):
    models = imported["bedrock"].card.models

    assert models["us.anthropic.claude-opus-5"].input == Decimal("5.5")
    assert models["global.anthropic.claude-opus-5"].input == Decimal(5)


def test_names_are_known_even_where_they_cannot_be_priced():
    pytest.importorskip("genai_prices")

    assert {"gpt-5", "whisper-1", "gpt-image-1"} <= known_names([BY_NAME["openai"]])
    assert "gemini-omni-1.1-flash" in known_names([BY_NAME["google"]])
