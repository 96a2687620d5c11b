"""Amounts as people type them."""

import pytest

from gateway.cli.money import _grant_id, _ucr
from gateway.errors import BadCall


@pytest.mark.parametrize(
    ("text", "ucr"),
    [
        ("100", 100_000_000),
        ("0.5", 500_000),
        ("0.000001", 1),
        ("007.10", 7_100_000),
        ("9007199254.740991", 2**53 - 1),
    ],
)
def test_credits_are_read_exactly(text, ucr) -> None:
    assert ucr == _ucr(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "+5",
        "1e3",
        "1_000",
        "1,5",
        "NaN",
        "inf",
        " 5",
        "5.",
        ".5",
        "0.0000001",
        "٣",
        "5\n",
    ],
)
def test_what_is_no_amount_is_named(text) -> None:
    with pytest.raises(BadCall, match="Expected a number of credits") as caught:
        _ucr(text)

    assert repr(text) in caught.value.message


def test_a_grant_is_more_than_nothing() -> None:
    with pytest.raises(BadCall, match="more than 0"):
        _ucr("0.000000")


@pytest.mark.parametrize("text", ["9007199254.740992", "9" * 30])
def test_more_than_the_ledger_can_count_is_refused(text) -> None:
    with pytest.raises(BadCall, match=r"at most 9007199254\.740991 credits"):
        _ucr(text)


def test_a_grant_id_is_a_plain_name_and_made_when_none_is_given() -> None:
    assert "invoice-17" == _grant_id("invoice-17")
    assert _grant_id(None) != _grant_id(None)
    for bad in ("", "two words", "a" * 65, "a/b"):
        with pytest.raises(BadCall, match="cannot be a grant id"):
            _grant_id(bad)
