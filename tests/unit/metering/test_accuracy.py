"""Whose count was charged."""

from typing import Any

from gateway.metering.accuracy import accuracy
from gateway.metering.history import EndSum


def summed(**fields: Any) -> EndSum:
    plain = {
        "provider": "openai",
        "model": "gpt",
        "provenance": "reported",
        "end": "completed",
        "kind": "settled",
        "entries": 1,
        "charge_ucr": 10,
        "beyond_ucr": 0,
        "requests": 1,
        "costed": 0,
        "costed_ucr": 0,
        "scaled_cost": 0,
    }
    return EndSum(**plain | fields)


def test_each_call_is_counted_by_one_of_the_three() -> None:
    [found] = accuracy(
        [
            summed(entries=5, charge_ucr=50),
            summed(provenance="counted", end="client_left", entries=2, charge_ucr=7),
            summed(provenance="held", end="upstream_failed", charge_ucr=3, beyond_ucr=1),
        ]
    )

    assert (8, 5, 2, 1) == (found.calls, found.reported, found.counted, found.held)
    assert (60, 10, 1) == (found.charge_ucr, found.unreported_ucr, found.over_ucr)
    assert 3 == found.broken


def test_a_late_settlement_adds_to_its_call_and_is_none_of_its_own() -> None:
    [found] = accuracy(
        [
            summed(kind="expired", provenance="counted", end="hold_expired", charge_ucr=4),
            summed(kind="late", charge_ucr=6),
        ]
    )

    assert (1, 1, 1) == (found.calls, found.expired, found.late)
    assert (10, 4) == (found.charge_ucr, found.unreported_ucr)


def test_what_rests_most_on_our_own_count_comes_first() -> None:
    found = accuracy(
        [
            summed(model="a", charge_ucr=1000),
            summed(model="b", provenance="counted", charge_ucr=2),
            summed(model="c", provenance="counted", charge_ucr=3),
        ]
    )

    assert ["c", "b", "a"] == [each.model for each in found]
