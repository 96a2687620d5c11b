"""What changed between two cards is told price by price, and nothing else is."""

from gateway.settings.price_import.difference import Change, Difference, differences
from gateway.settings.schema_prices import PricesFile

PLAIN = {"input": 1, "output": 2}


def card(models, version="v1"):
    head = {"effective_from": "2026-11-23", "source": "x", "checked": "2026-11-23"}
    return PricesFile.model_validate({**head, "version": version, "models": models})


def test_versions_and_days_are_no_difference():
    assert [] == differences(card({"m": PLAIN}), card({"m": PLAIN}, "v2"))


def test_models_come_and_go_as_a_whole():
    found = differences(card({"a": PLAIN}), card({"b": {**PLAIN, "pieces": {"image": "0.04"}}}))

    assert [
        Difference(model="a", change=Change.REMOVED, old="input 1, output 2"),
        Difference(model="b", change=Change.ADDED, new="input 1, output 2, pieces.image 0.04"),
    ] == found


def test_every_kind_of_price_is_compared():
    tier = {"above_input_tokens": 200_000, "input": 2, "output": 4}
    old = {**PLAIN, "cache_read": "0.10", "fee_usd": "0.01", "tiers": (tier,)}
    new = {
        **PLAIN,
        "input": "1.5",
        "cache_read": "0.1",
        "pieces": {"web_search": "0.01"},
        "tier_percent": {"batch": 50},
        "tiers": ({**tier, "output": 5},),
        "max_output_tokens": 10,
    }

    found = [
        (each.price, each.old, each.new) for each in differences(card({"m": old}), card({"m": new}))
    ]

    assert [
        ("input", "1", "1.5"),
        ("above 200000: output", "4", "5"),
        ("fee_usd", "0.01", None),
        ("max_output_tokens", "128000", "10"),
        ("pieces.web_search", None, "0.01"),
        ("tier_percent.batch", None, "50"),
    ] == found
