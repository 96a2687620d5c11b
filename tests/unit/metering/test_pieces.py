"""The names of what is sold by the piece: a closed list, and any kinds of it."""

import pytest

from gateway.metering.pieces import (
    BESIDE_TOKENS,
    CHEAPER_TIERS,
    PIECES,
    SERVICE_TIERS,
    is_kind_of,
    valid_piece,
)


@pytest.mark.parametrize(
    "name", [*PIECES, "image.hd.1024x1792", "video_second.720x1280", "image.low", "page.annotated"]
)
def test_a_kind_of_something_known_is_valid(name):
    assert valid_piece(name)


@pytest.mark.parametrize(
    "name", ["", "images", "image.", ".image", "image..hd", "image hd", "Image", "image.a.b.c.d.e"]
)
def test_everything_else_is_not(name):
    assert not valid_piece(name)


def test_the_particular_is_a_kind_of_the_general_and_not_the_reverse():
    assert is_kind_of("image.hd", "image")
    assert is_kind_of("image", "image")
    assert not is_kind_of("image", "image.hd")
    assert not is_kind_of("web_search_preview", "web_search")


def test_a_cheaper_tier_is_a_tier():
    assert CHEAPER_TIERS < SERVICE_TIERS


def test_what_is_used_beside_tokens_is_known():
    assert set(PIECES) > BESIDE_TOKENS
