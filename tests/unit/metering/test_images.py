"""Image tokens by the vendor's formulas, checked against published examples and real bills."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.call import ImageInput
from gateway.metering.images import FAMILIES, Patches, Tiles, image_tokens


def tokens(model, width, height, detail="high"):
    return image_tokens(model, ImageInput(width=width, height=height, detail=detail))


@pytest.mark.parametrize(
    ("model", "width", "height", "detail", "expected"),
    [
        # Examples of the guide.
        ("gpt-4o", 1_024, 1_024, "high", 765),
        ("gpt-4o", 2_048, 4_096, "high", 1_105),
        ("gpt-4o", 4_096, 8_192, "low", 85),
        # 1 024 patches, and 1 452 after shrinking to 1 056 x 1 408; times 1.62.
        ("gpt-4.1-mini", 1_024, 1_024, "high", 1_659),
        ("gpt-4.1-mini", 1_800, 2_400, "high", 2_353),
        # What bills showed: sizes around a rounding edge, and no enlarging.
        ("gpt-4.1", 2_049, 513, "high", 1_445),
        ("gpt-4.1", 2_050, 513, "high", 765),
        ("gpt-4o", 128, 64, "high", 255),
        ("gpt-4o-mini", 128, 64, "high", 8_500),
        ("gpt-4o-mini", 128, 64, "low", 2_833),
        ("o4-mini", 128, 64, "low", 14),
        ("gpt-6-astra", 1_024, 1_024, "high", 1_229),
        ("gpt-6-astra", 4_032, 3_024, "auto", 14_364),
        ("gpt-6-astra", 4_032, 3_024, "high", 2_942),
        ("gpt-6-astra", 2_560, 1_440, "high", 2_931),
        ("gpt-5.5", 4_032, 3_024, "auto", 11_868),
    ],
)
def test_published_and_billed_sizes_are_met(model, width, height, detail, expected):
    assert expected == tokens(model, width, height, detail)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5", 630),
        ("gpt-5-chat-latest", 630),
        ("gpt-5-mini", 1_659),
        ("gpt-5-nano", 2_520),
        ("gpt-5.2", 1_229),
        ("gpt-5.4", 1_229),
        ("gpt-5.4-nano-2026-03-27", 2_520),
        ("gpt-4-turbo", 765),
        ("chatgpt-4o-latest", 765),
        ("o1-pro", 675),
        ("o3", 675),
        ("o4-mini", 1_762),
        ("computer-use-preview", 581),
        ("gpt-4o-mini-2024-07-18", 25_501),
        ("openai/gpt-4o", 765),
        ("ft:gpt-4o-2024-08-06:acme::abc", 765),
    ],
)
def test_each_family_has_its_formula(model, expected):
    assert expected == tokens(model, 1_024, 1_024)


def test_an_unknown_model_counts_as_the_dearest_of_all():
    assert tokens("somebodys-model", 1_024, 1_024) == tokens("gpt-4o-mini", 1_024, 1_024)
    # No formula is the dearest for every image: some do not heed low detail.
    assert tokens("somebodys-model", 32, 32, "low") == tokens("gpt-4o-mini", 32, 32, "low")
    assert tokens("somebodys-model", 4_032, 3_024, "low") == tokens("gpt-4.1-nano", 4_032, 3_024)


@pytest.mark.parametrize(
    ("model", "detail", "expected"),
    [
        ("gpt-4o", "high", 85 + 8 * 170),
        ("gpt-4o", "auto", 85 + 8 * 170),
        ("gpt-4o", "low", 85),
        ("gpt-4.1-mini", "high", 2_489),
        ("gpt-5.4", "auto", 3_000),
        ("gpt-5.4", "original", 12_000),
        ("gpt-5.5", "auto", 12_000),
        ("gpt-6-astra", "auto", 36_000),
        ("gpt-6-astra", "low", 308),
        ("gpt-6-astra", "no such detail", 36_000),
    ],
)
def test_an_image_of_unknown_size_counts_as_the_largest(model, detail, expected):
    assert expected == tokens(model, None, None, detail)


SIDES = st.one_of(
    st.integers(min_value=1, max_value=70_000), st.sampled_from([1, 31, 32, 512, 768, 2_048])
)
MODELS = st.sampled_from([match.replace("*", "") for match, _ in FAMILIES])
DETAILS = st.sampled_from(["low", "high", "original", "auto"])


@given(model=MODELS, width=SIDES, height=SIDES, detail=DETAILS)
def test_no_size_costs_more_than_an_unknown_one_or_nothing(model, width, height, detail):
    assert 0 < tokens(model, width, height, detail) <= tokens(model, None, None, detail)


@given(model=MODELS, width=SIDES, height=SIDES, detail=DETAILS)
def test_turning_an_image_does_not_change_its_price(model, width, height, detail):
    assert tokens(model, width, height, detail) == tokens(model, height, width, detail)


@given(model=MODELS, width=SIDES, height=SIDES)
def test_an_unknown_model_is_never_the_cheaper_one(model, width, height):
    assert tokens(model, width, height) <= tokens("somebodys-model", width, height)


@pytest.mark.parametrize("size", [(0, 5), (-3, 7), (None, 9)])
def test_an_impossible_size_counts_as_unknown(size):
    assert tokens("gpt-4o", None, None) == tokens("gpt-4o", *size)
    assert tokens("gpt-5.5", None, None) == tokens("gpt-5.5", *size)


def test_a_size_no_image_has_is_counted_all_the_same():
    assert tokens("gpt-5.5", 10**400, 3) == tokens("gpt-5.5", None, None, "high")
    assert tokens("gpt-4o", 10**400, 3) == 85 + 4 * 170


def test_no_family_is_hidden_by_one_above_it():
    for index, (match, formula) in enumerate(FAMILIES):
        name = match.replace("*", "")
        found = next(other for pattern, other in FAMILIES if name.startswith(pattern[:-1]))
        assert found is formula, f"row {index}: {match}"


def test_every_formula_is_one_of_the_two_schemes():
    assert {type(formula) for _, formula in FAMILIES} == {Tiles, Patches}
