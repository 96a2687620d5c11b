"""The shipped rate cards are what the price package says, and nothing a card cannot price."""

from datetime import date
from pathlib import Path

import pytest

from gateway.settings.prices_source import build_prices

PRICES = Path(__file__).parents[3] / "config" / "prices"
AS_OF = date(2026, 11, 23)


@pytest.fixture(scope="module")
def built():
    pytest.importorskip("genai_prices")
    return build_prices(AS_OF)


def test_the_committed_cards_are_what_the_package_gives(built):
    committed = {path.name: path.read_text("utf-8") for path in PRICES.glob("*.yaml")}

    assert built == committed


def test_the_day_asked_for_decides_the_price(built):
    line = '  gpt-5.6-sol: {input: "4",'
    before_the_cut = build_prices(date(2026, 8, 20))["openai.yaml"]

    assert line in built["openai.yaml"]
    assert line.replace('"4"', '"5"') in before_the_cut


@pytest.mark.parametrize("name", ["whisper-1", "tts-1", "gpt-realtime", "gpt-image-1", "gpt-5-2"])
def test_what_tokens_cannot_price_is_left_out(built, name):
    assert f"\n  {name}:" not in built["openai.yaml"]
