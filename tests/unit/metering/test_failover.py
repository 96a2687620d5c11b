"""What a provider asks for by Retry-After, and how long it is left alone."""

import pytest

from gateway.metering.failover import (
    FailoverPolicy,
    HealthPolicy,
    ProbeEnd,
    Unanswered,
    is_failure,
    probe_end,
    retry_after_s,
)

# 2026-11-24 10:00:00 UTC.
NOW_S = 1_795_514_400


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({b"retry-after": b"20"}, 20),
        ({b"retry-after": b"0"}, 0),
        ({b"retry-after": b"1.5"}, 1.5),
        ({b"retry-after-ms": b"250", b"retry-after": b"1"}, 0.25),
        ({b"retry-after-ms": b"soon", b"retry-after": b"1"}, 1),
        ({b"retry-after": b"Tue, 24 Nov 2026 10:01:30 GMT"}, 90),
        ({b"retry-after": b"Tue, 24 Nov 2026 09:59:00 GMT"}, 0),
        ({b"retry-after": b"-5"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"1e300"}, None),
        ({b"retry-after": b"\xff\xfe"}, None),
        ({b"retry-after": b"Tue, 99 Nov 2026 99:99:99 GMT"}, None),
    ],
)
def test_retry_after_is_read_as_it_is_written(headers, expected):
    assert expected == retry_after_s(headers, now_s=NOW_S)


def test_an_ejection_doubles_up_to_its_bound():
    policy = HealthPolicy(ejection_s=30, ejection_longest_s=300)

    assert [30, 60, 120, 240, 300, 300] == [policy.ejected_s(times) for times in range(1, 7)]
    assert 300 == policy.ejected_s(10_000)


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (200, ProbeEnd.WELL),
        (304, ProbeEnd.WELL),
        (401, ProbeEnd.UNCLEAR),
        (404, ProbeEnd.UNCLEAR),
        (429, ProbeEnd.UNCLEAR),
        (503, ProbeEnd.FAILED),
        (Unanswered.TIMEOUT, ProbeEnd.FAILED),
        (Unanswered.BUSY, ProbeEnd.UNCLEAR),
    ],
)
def test_a_probe_says_only_what_it_can_know(outcome, end):
    assert end is probe_end(outcome)


def test_pauses_double_up_to_a_bound_and_half_of_them_is_drawn():
    policy = FailoverPolicy(retry_on=frozenset(), attempts_max=9, deadline_s=60, round_pause_s=2)

    assert [1, 2, 4] == [policy.pause_s(number, draw=0) for number in (2, 3, 4)]
    assert 1.5 == policy.pause_s(2, draw=0.5)
    assert 5 == policy.pause_s(1000, draw=0)


def test_cooling_follows_the_provider_up_to_a_bound():
    policy = HealthPolicy(cooling_s=5, cooling_longest_s=120)

    assert [5, 0, 20, 120] == [policy.cooled_s(asked_s) for asked_s in (None, 0, 20, 86_400)]


@pytest.mark.parametrize(
    ("outcome", "failure"),
    [
        (200, False),
        (400, False),
        (401, False),
        (408, False),
        (429, False),
        (500, True),
        (503, True),
        (529, True),
        (Unanswered.CONNECT, True),
        (Unanswered.RESET, True),
        (Unanswered.TIMEOUT, True),
        # Our own pool was the limit.
        (Unanswered.BUSY, False),
    ],
)
def test_what_counts_against_a_provider_is_its_own_trouble(outcome, failure):
    assert failure == is_failure(outcome)
