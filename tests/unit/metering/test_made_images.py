import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.made_images import given_image_tokens, made_image_tokens, parse_size

SQUARE, UPRIGHT, WIDE = "1024x1024", "1024x1536", "1536x1024"


@pytest.mark.parametrize(
    ("model", "quality", "size", "tokens"),
    [
        # The table of OpenAI's guide.
        ("gpt-image-1", "low", SQUARE, 272),
        ("gpt-image-1", "low", UPRIGHT, 408),
        ("gpt-image-1-mini", "medium", WIDE, 1_568),
        ("gpt-image-1.5-2025-12-16", "high", UPRIGHT, 6_240),
        ("openai/gpt-image-1", "high", WIDE, 6_208),
        # Left to the model: the dearest.
        ("gpt-image-1", "", "", 6_240),
        ("gpt-image-1", "auto", "auto", 6_240),
        # What users read off OpenAI's calculator.
        ("gpt-image-2", "high", SQUARE, 7_024),
        ("gpt-image-2-2026-04-21", "high", WIDE, 5_488),
        ("gpt-image-2.5-flare", "high", "1792x1024", 5_063),
        ("gpt-image-2", "high", "3584x2048", 12_329),
        ("gpt-image-2", "auto", "auto", 7_024),
        # Unknown here: whichever is more.
        ("pictures", "high", SQUARE, 7_024),
        ("pictures", "high", WIDE, 6_208),
    ],
)
def test_a_made_picture_has_the_published_number_of_tokens(model, quality, size, tokens):
    assert tokens == made_image_tokens(model, quality=quality, size=size)


@given(
    st.sampled_from(["gpt-image-2", "m"]),
    st.integers(16, 3_840),
    st.integers(16, 3_840),
)
def test_more_quality_takes_more_tokens(model, width, height):
    tokens = [
        made_image_tokens(model, quality=quality, size=f"{width}x{height}")
        for quality in ("low", "medium", "high", "xhigh", "max")
    ]

    assert sorted(tokens) == tokens
    assert tokens[0] >= 0


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ("1024x1536", (1_024, 1_536)),
        ("auto", None),
        ("", None),
        ("x", None),
        ("0x5", None),
        ("-5x5", None),
        ("9999999x1", None),
        ("8193x1", None),
        ("\u0661x5", None),
        ("5x5x5", None),
    ],
)
def test_a_size_is_two_numbers(size, sides):
    assert sides == parse_size(size)


@pytest.mark.parametrize(
    ("model", "sides", "detail", "tokens"),
    [
        ("gpt-image-1", (512, 512), "low", 65 + 129),
        ("gpt-image-1", (1_024, 1_024), "auto", 65 + 129),
        ("gpt-image-1", (1_536, 1_024), "low", 65 + 2 * 129),
        ("gpt-image-1", (1_024, 1_024), "high", 65 + 129 + 4_160),
        ("gpt-image-1", (1_024, 1_536), "high", 65 + 2 * 129 + 6_240),
        ("gpt-image-1", (None, None), "low", 65 + 4 * 129),
        ("gpt-image-1", (100, 20_000), "low", 65 + 4 * 129),
        ("gpt-image-2", (1_024, 1_024), "low", 65 + 129 + 4_160),
        ("gpt-image-2", (None, None), "auto", 65 + 4 * 129 + 6_240),
    ],
)
def test_a_given_picture_is_counted_by_its_tiles_and_its_detail(model, sides, detail, tokens):
    width, height = sides

    assert tokens == given_image_tokens(model, width=width, height=height, detail=detail)
