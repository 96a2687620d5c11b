"""Tables for people, JSON for machines."""

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from gateway.cli.output import credit, credit_text, json_text, moment, show_one, table

# 2026-11-23 23:15:00 UTC
NOW_MS = 1_795_475_700_000


@pytest.mark.parametrize(
    ("ucr", "text"),
    [
        (0, "0"),
        (1, "0.000001"),
        (12_500_000, "12.5"),
        (100_000_000, "100"),
        (-1_500_000, "-1.5"),
        (2**53 - 1, "9007199254.740991"),
    ],
)
def test_credits_are_exact_and_have_no_trailing_zeros(ucr, text) -> None:
    assert text == credit_text(ucr)


def test_credits_of_a_column_are_aligned_at_the_point() -> None:
    rows = [{"who": "a", "left": credit(100_000_000)}, {"who": "b", "left": credit(250_000)}]

    assert ["who    left", "---  ------", "a    100.00", "b      0.25"] == table(rows).split("\n")


def test_wide_and_combining_characters_keep_the_columns_straight() -> None:
    rows = [
        {"name": "漢字", "calls": 1},
        {"name": "e\u0301cole", "calls": 22},
        {"name": "plain", "calls": 333},
    ]

    assert [
        "name   calls",
        "-----  -----",
        "漢字       1",
        "e\u0301cole     22",
        "plain    333",
    ] == table(rows).split("\n")


def test_what_is_not_known_is_a_dash_and_keeps_numbers_on_the_right() -> None:
    rows = [{"limit": None, "models": []}, {"limit": 5, "models": ["a*", "b"]}]

    assert ["limit  models", "-----  ------", "    —  —", "    5  a*, b"] == table(rows).split("\n")


def test_a_name_cannot_break_the_line_or_speak_to_the_terminal(capsys) -> None:
    show_one({"name": "a\nb\x1b[31m", "on": True}, as_json=False)

    assert "name  a�b�[31m\non    yes\n" == capsys.readouterr().out


def test_machines_get_exact_text_and_moments_of_rfc_3339() -> None:
    row = {"left": credit(12_500_000), "at": moment(NOW_MS), "never": moment(0), "repeated": False}

    assert {
        "left": "12.5",
        "at": "2026-11-23T23:15:00Z",
        "never": None,
        "repeated": False,
    } == orjson.loads(json_text(row))


def test_moments_beyond_the_calendar_are_its_last() -> None:
    assert datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) == moment(999_999_999_999_999)


def test_large_credits_are_not_written_with_an_exponent() -> None:
    assert '"9007199254"' == json_text(credit(9_007_199_254_000_000))
    assert Decimal(9_007_199_254) == credit(9_007_199_254_000_000)
