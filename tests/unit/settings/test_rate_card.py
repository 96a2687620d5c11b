"""Prices as written become microcredits per million tokens, exactly or not at all."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.usage import TokenClass
from gateway.settings import examine
from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.rate_card import build_rate_card
from gateway.settings.reading import Card
from gateway.settings.schema_prices import CLASS_KEYS, PricesFile

NODE = Node("prices.yaml", 1, "", None)


def card(models, version="v1"):
    head = {
        "version": version,
        "effective_from": "2026-11-23",
        "source": "https://example.com/prices",
        "checked": "2026-11-23",
    }
    return Card(block=PricesFile.model_validate({**head, "models": models}), node=NODE)


def rate_card(*cards, credit_usd="0.01", problems=None):
    problems = problems or Problems()
    built = build_rate_card(cards, None, NODE, credit_usd=Decimal(credit_usd), problems=problems)
    assert 0 == len(problems)
    return built


def test_every_token_class_has_a_key_of_its_own():
    assert set(TokenClass) == set(CLASS_KEYS)
    assert len(TokenClass) == len(set(CLASS_KEYS.values()))


def test_dollars_become_microcredits_at_the_peg():
    price = rate_card(card({"m": {"input": "0.40", "cache_read": "0.1", "output": 2}})).models["m"]

    rates = price.tiers[0].rates.by_class
    # 0.40 dollars are 40 credits of a cent.
    assert 40_000_000 == rates[TokenClass.INPUT_UNCACHED]
    assert 10_000_000 == rates[TokenClass.INPUT_CACHE_READ]
    assert 40_000_000 == rates[TokenClass.INPUT_CACHE_WRITE_1H]
    assert 200_000_000 == rates[TokenClass.OUTPUT_REASONING]


def test_tiers_and_fees_are_converted():
    long = {"above_input_tokens": 200_000, "input": 2, "output": 3}
    price = rate_card(
        card({"m": {"input": 1, "output": 2, "fee_usd": "0.001", "tiers": (long,)}}),
        credit_usd="1",
    ).models["m"]

    assert 1_000 == price.fee_ucr
    assert 1_000_000 == price.rates_for(200_000).by_class[TokenClass.INPUT_UNCACHED]
    assert 2_000_000 == price.rates_for(200_001).by_class[TokenClass.INPUT_UNCACHED]


def test_a_line_names_its_source_or_inherits_it():
    own = {"input": 1, "output": 1, "source": "contract 7", "checked": "2026-01-02"}
    models = rate_card(card({"a": own, "b": {"input": 1, "output": 1}})).models

    assert ("contract 7", "2026-01-02") == (models["a"].source, models["a"].checked)
    assert ("https://example.com/prices", "2026-11-23") == (
        models["b"].source,
        models["b"].checked,
    )


def test_the_version_names_the_files_and_every_rate():
    one = {"m": {"input": 1, "output": 2}}
    other = {"m": {"input": 1, "output": 3}}
    versions = {
        rate_card(card(one)).version,
        rate_card(card(other)).version,
        rate_card(card(one), credit_usd="1").version,
        rate_card(card(one), card({"n": {"input": 1, "output": 2}}, "v2")).version,
    }

    assert 4 == len(versions)
    assert rate_card(card(one)).version == rate_card(card(one)).version
    assert {"v1", "v1+v2"} == {version.partition("@")[0] for version in versions}


@given(
    usd=st.decimals(min_value=0, max_value=1000, places=8),
    peg=st.decimals(min_value=Decimal("0.001"), max_value=10, places=3),
)
def test_a_price_is_exact_or_refused(usd, peg):
    problems = Problems()

    built = build_rate_card(
        (card({"m": {"input": usd, "output": 0}}),), None, NODE, credit_usd=peg, problems=problems
    )

    exact = Fraction(usd) * 1_000_000 / Fraction(peg)
    rate = built.models["m"].tiers[0].rates.by_class[TokenClass.INPUT_UNCACHED]
    assert (exact == rate) == (len(problems) == 0)


@pytest.mark.parametrize("name", ["openai.yaml", "anthropic.yaml", "google.yaml"])
def test_the_shipped_cards_are_valid(name, tmp_path):
    shipped = Path(__file__).parents[3] / "config" / "prices" / name
    (tmp_path / name).write_bytes(shipped.read_bytes())
    (tmp_path / "gateway.yaml").write_text(
        "providers: {a: {base_url: 'https://example.com', auth: none}}\n"
        f"models: [{{match: '*', provider: a}}]\nplans: {{p: {{}}}}\nprices: [{name}]\n"
    )

    assert () == examine(tmp_path / "gateway.yaml", {}).problems
