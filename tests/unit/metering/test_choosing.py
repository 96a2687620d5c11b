"""Which of several upstreams is taken: properties of the choice, whatever their state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.choosing import IN_SERVICE, Standing, choose
from gateway.metering.routes import Route

DRAWS = st.floats(0, 1, exclude_max=True)
UPSTREAMS = st.lists(
    st.tuples(
        st.builds(
            Route,
            match=st.just("m"),
            provider=st.text("abc", min_size=1, max_size=1),
            weight=st.integers(1, 9),
            priority=st.integers(1, 3),
            by_latency=st.just(value=False),
        ),
        st.builds(
            Standing,
            back_s=st.sampled_from([0.0, 0.0, 3.0, 60.0]),
            full=st.booleans(),
            latency_s=st.sampled_from([0.0, 0.1, 5.0]),
        ),
    ),
    min_size=1,
    max_size=6,
)


def route(name: str, *, weight: int = 1, priority: int = 1, by_latency: bool = False) -> Route:
    return Route(match="m", provider=name, weight=weight, priority=priority, by_latency=by_latency)


def shares(routes, standings):
    """How often each is taken, over draws that are spread evenly."""
    draws = 1000
    taken = [0] * len(routes)
    for number in range(draws):
        taken[choose(routes, standings, draw=number / draws, last_resort=True)] += 1
    return [round(count / draws, 2) for count in taken]


@given(UPSTREAMS, DRAWS, st.booleans())
def test_the_one_taken_may_be_taken_and_nobody_before_it_could(upstreams, draw, last_resort):
    routes, standings = zip(*upstreams, strict=True)

    index = choose(routes, standings, draw=draw, last_resort=last_resort)

    serving = [each for each, standing in upstreams if not standing.full and standing.back_s == 0]
    if index is None:
        assert not serving
        assert not last_resort or all(standing.full for standing in standings)
        return
    assert not standings[index].full
    if serving:
        assert 0 == standings[index].back_s
        assert min(each.priority for each in serving) == routes[index].priority
    else:
        assert last_resort
        soonest = min(standing.back_s for standing in standings if not standing.full)
        assert soonest == standings[index].back_s


def test_weights_are_shares():
    routes = [route("a", weight=3), route("b"), route("c", priority=2, weight=9)]

    assert [0.75, 0.25, 0.0] == shares(routes, [IN_SERVICE] * 3)


@pytest.mark.parametrize(
    ("latencies_s", "expected"),
    [
        ((0.0, 0.0), [0.5, 0.5]),
        ((1.0, 1.0), [0.5, 0.5]),
        ((1.0, 3.0), [0.75, 0.25]),
        # However slow, it is asked now and then.
        ((0.01, 100.0), [0.91, 0.09]),
        # What was never measured counts as the fastest.
        ((2.0, 0.0), [0.5, 0.5]),
    ],
)
def test_by_latency_the_slower_gets_less(latencies_s, expected):
    routes = [route("a", by_latency=True), route("b", by_latency=True)]

    assert expected == shares(routes, [Standing(latency_s=each) for each in latencies_s])
