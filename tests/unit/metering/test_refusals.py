"""Counting what came to nothing: by account and of everybody, bounded, and once."""

from gateway.metering import refusals
from gateway.metering.history import Dimension
from gateway.metering.refusals import (
    EVERYBODY,
    MODEL_CHARS_MAX,
    RefusalSum,
    Tally,
    Turned,
    summed,
)


def test_what_is_counted_is_taken_once_by_account_and_of_everybody() -> None:
    tally = Tally()
    for account, reason in [("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")]:
        tally.add(account, Turned(reason, f"key of {account}", "m"))

    assert {
        "a": {Turned("x", "key of a", "m"): 2, Turned("y", "key of a", "m"): 1},
        "b": {Turned("x", "key of b", "m"): 1},
        EVERYBODY: {Turned("x", "", "m"): 3, Turned("y", "", "m"): 1},
    } == tally.take()
    assert {} == tally.take()


def test_when_too_much_waits_reasons_are_counted_and_at_last_nothing_new(monkeypatch) -> None:
    monkeypatch.setattr(refusals, "TALLIES_MAX", 2)
    tally = Tally()
    for account, model in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4"), ("c", "5"), ("a", "1")]:
        tally.add(account, Turned("x", "k", model))
    taken = tally.take()

    assert {("1", 2), ("2", 1), ("", 1)} == {(each.model, n) for each, n in taken["a"].items()}
    assert {Turned("x"): 1} == taken["b"]
    assert "c" not in taken


def test_a_model_is_kept_as_far_as_it_can_be_written_down() -> None:
    tally = Tally()
    tally.add("a", Turned("x", "k", "\ud800" + "m" * 200))

    assert {Turned("x", "k", "?" + "m" * (MODEL_CHARS_MAX - 1)): 1} == tally.take()["a"]


def test_sums_are_of_what_is_asked_for() -> None:
    sums = [
        RefusalSum(bucket_ms=0, reason="x", key_id=key, model=model, count=count)
        for key, model, count in (("k1", "m1", 1), ("k1", "m2", 2), ("k2", "m1", 4))
    ]

    def told(**asked):
        return [(each.key_id, each.model, each.count) for each in summed(sums, **asked)]

    assert [("", "", 7)] == told()
    assert [("", "m1", 5), ("", "m2", 2)] == told(by=[Dimension.MODEL])
    assert [("k1", "", 1), ("k2", "", 4)] == told(by=[Dimension.KEY], models=["m1"])
    assert [("", "", 3)] == told(keys=["k1"])
