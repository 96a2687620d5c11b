"""When a call may be sent twice, after how long, and whose word decides."""

import pytest

from gateway.metering.call import Call, Many
from gateway.metering.failover import FailoverPolicy, Unanswered
from gateway.metering.hedging import KNOWN_MIN, HedgePolicy, decides

STREAM = Call(model="m", stream=True)
FAILOVER = FailoverPolicy(retry_on=frozenset({"reset", 503}), attempts_max=3, deadline_s=60)


@pytest.mark.parametrize(
    "call",
    [
        Call(model="m", stream=True, deferred=True),
        Call(model="m", stream=True, others=(STREAM,)),
        Call(model="m", stream=True, turns=4),
        Call(model="m", stream=True, many=Many(calls=2, input_tokens=1, longest_input_tokens=1)),
    ],
    ids=["a job", "several models", "tools of the provider's own", "a batch"],
)
def test_what_does_more_than_use_tokens_is_never_sent_twice(call):
    assert not HedgePolicy(after_s=1, streams_only=False).applies(call)


def test_what_is_not_streamed_is_only_where_that_is_said():
    whole = Call(model="m")

    assert HedgePolicy(after_s=1).applies(STREAM)
    assert not HedgePolicy(after_s=1).applies(whole)
    assert HedgePolicy(after_s=1, streams_only=False).applies(whole)


def test_a_percentile_waits_until_enough_is_known():
    policy = HedgePolicy(percentile=95)

    assert policy.wait_s([1.0] * (KNOWN_MIN - 1)) is None
    assert 1.0 == policy.wait_s([1.0] * KNOWN_MIN)


@pytest.mark.parametrize(
    ("percentile", "waits_s"), [(50, 50), (95, 95), (95.5, 96), (99, 99), (99.9, 100)]
)
def test_a_percentile_is_of_the_nearest_rank(percentile, waits_s):
    assert waits_s == HedgePolicy(percentile=percentile).wait_s(range(1, 101))


def test_of_two_times_the_longer_one_counts():
    known_s = [0.2] * 50

    assert 0.8 == HedgePolicy(after_s=0.8, percentile=95).wait_s(known_s)
    assert 0.2 == HedgePolicy(after_s=0.1, percentile=95).wait_s(known_s)
    assert 0.8 == HedgePolicy(after_s=0.8).wait_s(())


@pytest.mark.parametrize("outcome", [200, 201, 302, 400, 401, 500])
def test_an_answer_of_the_first_that_no_other_would_better_is_the_calls(outcome):
    assert decides(outcome, FAILOVER)


@pytest.mark.parametrize("outcome", [503, *Unanswered])
def test_where_failover_would_ask_another_the_other_stands(outcome):
    assert not decides(outcome, FAILOVER)
