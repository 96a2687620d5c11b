import pytest

from gateway.dialects.anthropic_images import image_tokens
from gateway.metering.call import ImageInput


def tokens(model, width, height):
    return image_tokens(model, ImageInput(width=width, height=height, detail="auto"))


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (28, 28, 1),
        (29, 28, 2),
        (256, 256, 100),
        (1000, 1000, 1296),
        (1024, 1024, 1369),
        (1568, 28, 56),
        # Scaled down: as many patches as there may be at most.
        (1920, 1080, 1568),
        (8000, 8000, 1568),
        # A thin one, scaled by its long edge.
        (3136, 56, 56),
    ],
)
def test_an_image_costs_its_patches(width, height, expected):
    assert expected == tokens("claude-haiku-4-5", width, height)
    assert expected == tokens("claude-haiku-4-5", height, width)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1000, 1000, 1296), (1920, 1080, 2691), (4032, 3024, 4784)],
)
def test_newer_models_read_a_higher_resolution(width, height, expected):
    assert expected == tokens("claude-opus-4-8", width, height)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-3-5-sonnet-20241022", 1568),
        ("claude-sonnet-4-6", 1568),
        ("claude-opus-4-20250514", 1568),
        ("claude-opus-4-6", 1568),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 1568),
        ("claude-opus-4@20250514", 1568),
        ("claude-opus-4-7", 4784),
        ("claude-sonnet-5-5", 4784),
        ("claude-fable-5", 4784),
        ("anything", 4784),
    ],
)
def test_what_is_unknown_costs_the_most(model, expected):
    assert expected == tokens(model, None, None)
