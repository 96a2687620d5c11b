"""Wrong keys by address: counted for a minute, forgotten when there are too many to remember."""

from gateway.access.failures import ADDRESSES_MAX, FAILURES_MAX, WINDOW_S, Failures
from gateway.errors import QuotaExceeded, Unauthenticated


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def kinds(failures: Failures, address: str, count: int) -> list[type]:
    return [type(failures.refusal(address)) for _ in range(count)]


def test_a_minute_after_the_first_failure_counting_begins_anew() -> None:
    clock = Clock()
    failures = Failures(now_s=clock)

    assert [Unauthenticated] * FAILURES_MAX == kinds(failures, "192.0.2.1", FAILURES_MAX)
    clock.now_s += WINDOW_S - 1
    refusal = failures.refusal("192.0.2.1")
    assert isinstance(refusal, QuotaExceeded)
    assert 1 == refusal.retry_after_s
    clock.now_s += 1
    assert [Unauthenticated] == kinds(failures, "192.0.2.1", 1)


def test_addresses_are_counted_apart_but_those_of_one_subscriber_together() -> None:
    failures = Failures(now_s=Clock())
    kinds(failures, "192.0.2.1", FAILURES_MAX)
    kinds(failures, "2001:db8::1", FAILURES_MAX)

    assert [Unauthenticated] == kinds(failures, "192.0.2.2", 1)
    assert [QuotaExceeded] == kinds(failures, "::ffff:192.0.2.1", 1)
    assert [QuotaExceeded] == kinds(failures, "2001:db8::ffff", 1)
    assert [Unauthenticated] == kinds(failures, "2001:db8:0:1::1", 1)


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    failures = Failures(now_s=Clock())
    kinds(failures, "192.0.2.1", FAILURES_MAX)
    for number in range(ADDRESSES_MAX):
        failures.refusal(f"address {number}")

    assert ADDRESSES_MAX == len(failures)
    assert [Unauthenticated] == kinds(failures, "192.0.2.1", 1)
