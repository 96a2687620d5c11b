"""Dated cards in a directory: the newest is found, none is overwritten, all can be read back."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.metering.pieces import SERVICE_TIERS
from gateway.settings.price_import.files import newest, read_card, vendors_in, write_new
from gateway.settings.price_import.text import card_text
from gateway.settings.schema_prices import CLASS_KEYS, PricesFile

CARD = """\
version: {version}
effective_from: 2026-11-23
source: x
checked: 2026-11-23
models:
  m: {{input: 1, output: 2}}
"""
DAY = date(2026, 11, 26)


def write(directory, *names):
    for name in names:
        version = name.removesuffix(".yaml")
        (directory / name).write_text(CARD.format(version=version), "utf-8")


def test_the_newest_card_of_a_vendor_is_the_one_with_the_latest_day(tmp_path):
    write(tmp_path, "openai-2026-10-01.yaml", "openai-2026-11-23.yaml", "openai-2026-12-01.yaml")
    write(tmp_path, "openai-pieces-2026-11-25.yaml", "google-2026-11-24.yaml", "openai.yaml")

    assert "openai-2026-11-23" == newest(tmp_path, "openai", up_to=DAY).card.version
    assert "google-2026-11-24" == newest(tmp_path, "google", up_to=DAY).card.version
    assert newest(tmp_path, "openai", up_to=date(2026, 1, 1)) is None
    assert newest(tmp_path, "xai", up_to=DAY) is None


def test_the_vendors_of_a_directory_are_those_with_a_dated_card(tmp_path):
    write(tmp_path, "openai-2026-10-01.yaml", "x-ai-2026-10-01.yaml", "other.yaml")

    assert {"openai", "x-ai"} == vendors_in(tmp_path)


def test_a_broken_card_is_told_as_anywhere(tmp_path):
    (tmp_path / "openai-2026-10-01.yaml").write_text("models: {m: {input: 1}}")

    with pytest.raises(ConfigError, match="expected input and output") as refused:
        newest(tmp_path, "openai", up_to=DAY)

    assert "version: this key is required" in refused.value.message


def test_a_dated_card_is_written_once(tmp_path):
    path = tmp_path / "openai-2026-11-26.yaml"

    assert write_new(path, "a\n")
    assert not write_new(path, "a\n")
    with pytest.raises(ConfigError, match="never overwritten"):
        write_new(path, "b\n")
    assert path.read_text() == "a\n"


USD = st.decimals(min_value=0, max_value=1000, places=6)
NAMES = st.from_regex(r"[a-z0-9@~][a-z0-9./:@-]{0,20}", fullmatch=True)
RATES = st.fixed_dictionaries(
    {"input": USD, "output": USD},
    optional={key: USD for key in CLASS_KEYS.values() if key not in ("input", "output")},
)


@st.composite
def lines(draw):
    rates = draw(RATES)
    line = dict(rates)
    if draw(st.booleans()):
        line["tiers"] = ({**rates, "above_input_tokens": draw(st.integers(1, 1_000_000))},)
    if draw(st.booleans()):
        line["fee_usd"] = draw(USD)
    line["pieces"] = draw(
        st.dictionaries(st.sampled_from(["image", "image.hd.1024x1792", "web_search"]), USD)
    )
    line["tier_percent"] = draw(
        st.dictionaries(st.sampled_from(sorted(SERVICE_TIERS)), st.integers(1, 1000))
    )
    line["max_output_tokens"] = draw(st.integers(1, 1_000_000))
    return line


@given(models=st.dictionaries(NAMES, lines() | st.just({"pieces": {"image": 1}}), min_size=1))
def test_what_is_written_reads_back_the_same(models, tmp_path_factory):
    card = PricesFile.model_validate(
        {
            "version": "v1",
            "effective_from": "2026-11-23",
            "source": "genai-prices 0.2.3, https://example.com/#a: b",
            "checked": "2026-11-23",
            "vendor": "openai",
            "models": models,
        }
    )
    path = tmp_path_factory.mktemp("cards") / "card.yaml"
    path.write_text(card_text(card), "utf-8")

    assert card == read_card(path)
