"""Prices as written become microcredits per million tokens, exactly or not at all."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.pricing import charge_ucr
from gateway.metering.usage import TokenClass, Usage
from gateway.settings import examine
from gateway.settings.documents import Node
from gateway.settings.problems import Problems
from gateway.settings.rate_card import build_rate_card
from gateway.settings.reading import Card
from gateway.settings.schema_prices import CLASS_KEYS, PricesFile
from gateway.stores.stored_price import price_of, price_text

NODE = Node("prices.yaml", 1, "", None)


def card(models, version="v1", *, provider="", **others):
    head = {
        "version": version,
        "effective_from": "2026-11-23",
        "source": "https://example.com/prices",
        "checked": "2026-11-23",
    }
    block = PricesFile.model_validate({**head, "models": models, **others})
    return Card(block=block, node=NODE, provider=provider)


def rate_card(*cards, credit_usd="0.01", problems=None):
    problems = problems or Problems()
    built = build_rate_card(cards, {}, credit_usd=Decimal(credit_usd), problems=problems)
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


def test_the_version_names_the_file_and_every_rate():
    def version(*cards, **others):
        return rate_card(*cards, **others).models["m"].version

    one = {"m": {"input": 1, "output": 2}}
    variants = [
        card(one),
        card({"m": {"input": 1, "output": 3}}),
        card({"m": {"input": 1, "output": 2, "fee_usd": 1}}),
        card({"m": {"input": 1, "output": 2, "pieces": {"web_search": 1}}}),
        card(one, pieces={"web_search": 2}),
        card(one, tier_percent={"batch": 50}),
        card({"m": {"pieces": {"web_search": 1}}}),
    ]
    versions = [version(variant) for variant in variants]
    versions.append(version(card(one), credit_usd="1"))
    versions.append(version(card(one), card({"n": {"input": 1, "output": 2}}, "v2")))

    assert len(versions) == len(set(versions))
    assert version(card(one)) == versions[0]
    assert {"v1"} == {each.partition("@")[0] for each in versions}


def test_files_of_one_vendor_share_their_pieces_and_tiers():
    lines = card({"m": {"input": 1, "output": 2}}, vendor="openai")
    shared = card(
        {}, "v2", vendor="openai", pieces={"web_search": "0.01"}, tier_percent={"batch": 50}
    )
    other = card({"n": {"input": 1, "output": 2}}, "v3", vendor="google")
    models = rate_card(lines, shared, other).models

    # A cent is a credit, a million microcredits; the rate is for a million searches.
    assert {"web_search": 10**12} == models["m"].pieces
    assert {"batch": 50} == models["m"].tier_percent
    assert models["m"].version.startswith("v1+v2@")
    assert ({}, {}) == (models["n"].pieces, models["n"].tier_percent)


def test_files_of_one_vendor_may_divide_a_models_line():
    tokens = {**PLAIN, "pieces": {"web_search": 1}, "tier_percent": {"batch": 50}}
    beside = {"pieces": {"image": "0.04"}, "tier_percent": {"priority": 200}}
    model = rate_card(
        # In whichever order they are named.
        card({"m": beside}, "v2", vendor="openai", pieces={"image.hd": 1, "file_search": 1}),
        card({"m": tokens}, vendor="openai"),
    ).models["m"]

    assert model.by_token
    assert {"web_search", "image", "file_search"} == set(model.pieces)
    assert {"batch": 50, "priority": 200} == model.tier_percent
    assert model.version.startswith("v2+v1@")


def test_a_file_without_a_vendor_keeps_its_pieces_to_itself():
    one = card({"m": {"input": 1, "output": 2}}, pieces={"web_search": 1})
    models = rate_card(one, card({"n": {"input": 1, "output": 2}}, "v2")).models

    assert ["web_search"] == [*models["m"].pieces]
    assert {} == models["n"].pieces


def test_a_models_own_price_replaces_every_kind_the_file_prices():
    shared = {"image": 1, "image.hd": 2, "web_search": 3}
    own = {"input": 1, "output": 2, "pieces": {"image": "0.5"}, "tier_percent": {"batch": 40}}
    model = rate_card(
        card({"m": own}, pieces=shared, tier_percent={"batch": 50, "priority": 200})
    ).models["m"]

    assert {"image", "web_search"} == set(model.pieces)
    assert 50 * 10**12 == model.piece_rate("image.hd.1024x1792")
    assert {"batch": 40, "priority": 200} == model.tier_percent


def test_a_model_may_be_sold_by_the_piece_or_request_only():
    models = rate_card(
        card({"a": {"pieces": {"image": "0.04"}}, "b": {"fee_usd": "0.01"}, "c": PLAIN})
    ).models

    assert [False, False, True] == [models[name].by_token for name in "abc"]
    assert (0, 4_000_000) == (models["a"].fee_ucr, charge_ucr(models["a"], PICTURE))


PLAIN = {"input": 1, "output": 2}
PICTURE = Usage(input_uncached=50, pieces=(("image.hd", 1),))


def test_a_provider_may_have_cards_of_its_own():
    built = rate_card(card({"m": PLAIN}), card({"m": {**PLAIN, "fee_usd": 1}}, "v2", provider="x"))

    assert 0 == built.price("m", provider="y").fee_ucr
    assert 100_000_000 == built.price("m", provider="x").fee_ucr


@given(
    usd=st.decimals(min_value=0, max_value=1000, places=12),
    peg=st.decimals(min_value=Decimal("0.001"), max_value=10, places=3),
)
def test_a_piece_costs_exactly_what_stands_in_the_file_or_is_refused(usd, peg):
    problems = Problems()
    lines = card({"m": {"pieces": {"character": usd}}})

    built = build_rate_card((lines,), {}, credit_usd=peg, problems=problems)

    exact = Fraction(usd) * 10**12 / Fraction(peg)
    assert (exact == built.models["m"].piece_rate("character")) == (len(problems) == 0)


@given(
    usd=st.decimals(min_value=0, max_value=1000, places=8),
    peg=st.decimals(min_value=Decimal("0.001"), max_value=10, places=3),
)
def test_a_price_is_exact_or_refused(usd, peg):
    problems = Problems()

    built = build_rate_card(
        (card({"m": {"input": usd, "output": 0}}),), {}, credit_usd=peg, problems=problems
    )

    exact = Fraction(usd) * 1_000_000 / Fraction(peg)
    rate = built.models["m"].tiers[0].rates.by_class[TokenClass.INPUT_UNCACHED]
    assert (exact == rate) == (len(problems) == 0)


SHIPPED = Path(__file__).parents[3] / "config" / "prices"


def shipped():
    """The newest cards of each vendor, and the older ones alone."""
    families: dict[str, list[str]] = {}
    for path in sorted(SHIPPED.iterdir()):
        vendor = path.name.partition("-")[0]
        newest = path.stem.endswith("2026-11-26")
        families.setdefault(vendor if newest else path.stem, []).append(path.name)
    return families


@pytest.mark.parametrize("family", shipped())
def test_the_shipped_cards_are_valid_together(family, tmp_path):
    names = shipped()[family]
    for name in names:
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    (tmp_path / "gateway.yaml").write_text(
        "providers: {a: {base_url: 'https://example.com', auth: none}}\n"
        f"models: [{{match: '*', provider: a}}]\nplans: {{p: {{}}}}\nprices: {names}\n"
    )

    assert () == examine(tmp_path / "gateway.yaml", {}).problems


def test_what_a_provider_bills_stands_with_the_line_that_is_sold_there() -> None:
    sold = card({"m": {"input": 2, "output": 4}})
    bills = card({"m": {"input": 1, "output": 3}, "not-sold": {"input": 1, "output": 3}}, "bills")
    problems = Problems()
    built = build_rate_card(
        [sold],
        {},
        costs=[replace(bills, provider="p")],
        credit_usd=Decimal("0.01"),
        problems=problems,
    )
    used = Usage(input_uncached=1_000_000)
    mine, others = built.price("m", provider="p"), built.price("m", provider="other")

    assert charge_ucr(mine, used) == charge_ucr(others, used) == 200_000_000
    assert 100_000_000 == charge_ucr(mine.purchase, used)
    assert others.purchase is None
    assert mine.rate_id != others.rate_id
    assert built.price("not-sold", provider="p") is None
    assert mine.purchase.tiers == price_of(price_text(mine)).purchase.tiers
