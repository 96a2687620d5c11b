"""What a worker keeps of the calls that may be sent twice: a budget, and how long answers took."""

from gateway.metering.hedging import HedgePolicy
from gateway.proxy.hedging import SAVED_MAX, TIMES_KEPT, Hedging


def taken(hedging: Hedging, *, calls: int) -> int:
    """How many of so many slow calls were sent twice."""
    count = 0
    for _ in range(calls):
        hedging.called()
        count += hedging.take()
    return count


def test_the_budget_is_a_part_of_the_calls():
    hedging = Hedging(HedgePolicy(after_s=1, budget_percent=5))

    # One may be at once.
    assert 1 + 50 == taken(hedging, calls=1_000)


def test_what_a_quiet_time_saves_is_bounded():
    hedging = Hedging(HedgePolicy(after_s=1, budget_percent=100))
    for _ in range(1_000):
        hedging.called()

    assert SAVED_MAX == sum(hedging.take() for _ in range(1_000))


def test_only_the_newest_times_count_and_each_provider_has_its_own():
    hedging = Hedging(HedgePolicy(percentile=50))
    for _ in range(TIMES_KEPT):
        hedging.took("slow", 9.0)
        hedging.took("fast", 0.1)
    assert (9.0, 0.1) == (hedging.wait_s("slow"), hedging.wait_s("fast"))
    for number in range(TIMES_KEPT):
        hedging.took("slow", float(number))

    assert TIMES_KEPT / 2 - 1 == hedging.wait_s("slow")
    assert hedging.wait_s("unknown") is None
