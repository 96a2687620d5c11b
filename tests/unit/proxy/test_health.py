"""A provider's health as one worker sees it, by a clock of the test's own."""

import pytest

from gateway.metering.choosing import IN_SERVICE
from gateway.metering.failover import Budget, HealthPolicy, ProbeEnd, Unanswered
from gateway.proxy.health import Health, Turn

POLICY = HealthPolicy(failures_max=3, ejection_s=30, ejection_longest_s=100, cooling_s=5)
M = "gpt-5"


class Watched:
    """A provider's health, what was told of it, and a clock."""

    def __init__(self, policy: HealthPolicy = POLICY, budget: Budget | None = None) -> None:
        self.told: list[tuple[Turn, str, float]] = []
        self.health = Health(policy, budget or Budget(), tell=lambda *turn: self.told.append(turn))
        self.now_s = 1000.0

    def call(self, outcome) -> None:
        trial = self.health.begin(now_s=self.now_s)
        self.health.told(outcome, latency_s=0.5, now_s=self.now_s)
        if outcome == 200:
            self.health.completed()
        self.health.end(trial=trial)

    def fail(self, times: int) -> None:
        for _ in range(times):
            self.call(500)

    def back_s(self, model: str = M) -> float:
        return self.health.standing(model, now_s=self.now_s).back_s


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_one_that_nothing_is_known_of_is_in_service(watched):
    assert watched.health.standing(M, now_s=0) is IN_SERVICE


@pytest.mark.parametrize("outcome", [500, 529, *set(Unanswered) - {Unanswered.BUSY}])
def test_failures_in_a_row_eject(watched, outcome):
    for _ in range(2):
        watched.call(outcome)
    assert 0 == watched.back_s()
    watched.call(outcome)

    assert 30 == watched.back_s()
    assert [(Turn.EJECTED, "", 30)] == watched.told


def test_a_complete_answer_in_between_begins_the_count_anew(watched):
    watched.fail(2)
    watched.call(200)
    watched.fail(2)

    assert 0 == watched.back_s()


@pytest.mark.parametrize("outcome", [400, 401, 404, 429, Unanswered.BUSY])
def test_what_is_not_its_own_trouble_ejects_nobody(watched, outcome):
    for _ in range(10):
        watched.call(outcome)

    assert 0 == watched.back_s()


def test_a_stream_that_breaks_off_counts_as_a_failure(watched):
    for _ in range(3):
        trial = watched.health.begin(now_s=watched.now_s)
        watched.health.told(200, latency_s=0.1, now_s=watched.now_s)
        watched.health.failed(now_s=watched.now_s)
        watched.health.end(trial=trial)

    assert 30 == watched.back_s()


def test_after_its_time_one_call_at_once_is_let_through(watched):
    watched.fail(3)
    watched.now_s += 30
    assert 0 == watched.back_s()
    trial = watched.health.begin(now_s=watched.now_s)

    assert trial
    assert 0 < watched.back_s()
    watched.health.end(trial=trial)
    # Its client left: it told nothing, and the next may try.
    assert 0 == watched.back_s()


def test_a_good_answer_brings_it_back(watched):
    watched.fail(3)
    watched.now_s += 30
    watched.call(200)
    watched.fail(2)

    assert 0 == watched.back_s()
    assert Turn.RETURNED == watched.told[-1][0]
    assert not watched.health.ejected


def test_each_trial_that_fails_doubles_the_time(watched):
    watched.fail(3)
    for expected_s in (60, 100, 100):
        watched.now_s += watched.back_s()
        watched.fail(1)
        assert expected_s == watched.back_s()


def test_trouble_soon_after_its_return_goes_on_with_the_longer_time(watched):
    watched.fail(3)
    watched.now_s += 30
    watched.call(200)
    watched.now_s += 99
    watched.fail(3)

    assert 60 == watched.back_s()


def test_old_trouble_is_forgotten(watched):
    watched.fail(3)
    watched.now_s += 30
    watched.call(200)
    watched.now_s += 101
    watched.fail(3)

    assert 30 == watched.back_s()


def test_failures_while_it_is_ejected_do_not_count_again(watched):
    watched.fail(50)

    assert 30 == watched.back_s()
    assert 1 == len(watched.told)


def test_a_model_cools_and_the_others_go_on(watched):
    watched.health.cool(M, 429, 20, now_s=watched.now_s)

    assert (20, 0) == (watched.back_s(), watched.back_s("gpt-5-mini"))
    watched.now_s += 20
    assert 0 == watched.back_s()


@pytest.mark.parametrize(
    ("outcome", "asked_s", "expected_s"),
    [(429, None, 5), (429, 1000, 120), (503, 7, 7), (529, 7, 7), (503, None, 0), (500, 7, 0)],
)
def test_it_cools_for_as_long_as_it_says_within_a_bound(watched, outcome, asked_s, expected_s):
    watched.health.cool(M, outcome, asked_s, now_s=watched.now_s)

    assert expected_s == watched.back_s()


def test_a_second_429_is_not_told_again(watched):
    watched.health.cool(M, 429, 20, now_s=watched.now_s)
    watched.health.cool(M, 429, 20, now_s=watched.now_s + 1)

    assert [(Turn.COOLED, M, 20)] == watched.told


def test_the_models_that_cool_are_bounded(watched):
    for number in range(5000):
        watched.health.cool(f"m{number}", 429, 20, now_s=watched.now_s)

    assert 20 == watched.back_s("m4999")
    assert len(watched.health._cooled) <= 1000


def test_a_probe_that_is_answered_makes_the_next_call_its_trial(watched):
    watched.fail(3)
    watched.health.probed(ProbeEnd.UNCLEAR, now_s=watched.now_s)
    assert 30 == watched.back_s()
    watched.health.probed(ProbeEnd.WELL, now_s=watched.now_s)

    assert 0 == watched.back_s()
    assert watched.health.ejected
    watched.call(200)
    assert not watched.health.ejected


def test_a_provider_that_answers_probes_and_fails_calls_is_left_alone_for_longer(watched):
    watched.fail(3)
    watched.health.probed(ProbeEnd.WELL, now_s=watched.now_s)
    watched.call(500)

    assert [30, 60] == [for_s for turn, _, for_s in watched.told if turn is Turn.EJECTED]


def test_probes_that_fail_in_a_row_eject(watched):
    for _ in range(3):
        watched.health.probed(ProbeEnd.FAILED, now_s=watched.now_s)

    assert watched.health.ejected


def test_so_many_calls_at_a_time_and_no_more():
    watched = Watched(budget=Budget(calls_max=2))
    running = [watched.health.begin(now_s=0) for _ in range(2)]

    assert watched.health.standing(M, now_s=0).full
    watched.health.end(trial=running[0])
    assert not watched.health.standing(M, now_s=0).full


def test_so_many_calls_a_minute_and_no_more():
    watched = Watched(budget=Budget(calls_per_minute=60))
    taken = 0
    for tenth in range(1200):
        now_s = 1000 + tenth / 10
        while not watched.health.wait_s(now_s):
            watched.health.end(trial=watched.health.begin(now_s=now_s))
            taken += 1
        assert watched.health.wait_s(now_s) <= 1.0

    # Sixty at once, and one a second for two minutes.
    assert 60 + 119 <= taken <= 60 + 120


def test_latency_follows_slowly(watched):
    watched.call(200)
    assert 0.5 == watched.health.standing(M, now_s=0).latency_s
    watched.health.told(200, latency_s=1.5, now_s=0)

    assert 0.6 == pytest.approx(watched.health.standing(M, now_s=0).latency_s)


def test_one_that_was_outrun_is_slower_than_known_and_has_not_failed(watched):
    watched.call(200)
    for _ in range(10):
        watched.health.outrun(latency_s=4.5)
    # It was given a moment only: nothing is known of how fast it would have been.
    watched.health.outrun(latency_s=0.01)

    assert 3 < watched.health.standing(M, now_s=watched.now_s).latency_s < 4.5
    assert [] == watched.told
