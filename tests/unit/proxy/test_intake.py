"""How many calls may begin, in a simulated worker: its loop is as late as what it does takes."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from gateway.errors import Overloaded
from gateway.proxy.intake import LOOK_S, Intake

LAG_MAX_S = 0.025
# A call that is served costs the loop half a millisecond: it saturates at 2 000 a second.
SERVED_S, REFUSED_S = 0.0005, 0.0001


@dataclass
class Worker:
    """Serves what begins at once, and looks at its loop when it comes to it."""

    rates: dict[str, float]
    """Calls a second, by account."""
    intake: Intake = field(default_factory=lambda: Intake(lag_max_s=LAG_MAX_S))
    now_s: float = 100.0
    served: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    lags_s: list[float] = field(default_factory=list)
    waiting_s: float = LOOK_S

    def run(self, seconds: float) -> None:
        draw = random.Random(1)
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            came = [
                account
                for account, rate in self.rates.items()
                for _ in range(int(rate * self.waiting_s + draw.random()))
            ]
            draw.shuffle(came)
            work_s = sum(map(self._call, came))
            self.waiting_s = max(LOOK_S, work_s)
            self.now_s += self.waiting_s
            self.lags_s.append(self.waiting_s - LOOK_S)
            self.intake.looked(self.lags_s[-1], now_s=self.now_s)

    def _call(self, account: str) -> float:
        try:
            self.intake.begin(account)
        except Overloaded:
            self.refused[account] += 1
            return REFUSED_S
        self.served[account] += 1
        return SERVED_S

    def forget(self) -> None:
        self.served.clear()
        self.refused.clear()
        self.lags_s.clear()


def test_below_what_it_can_serve_nobody_is_refused():
    worker = Worker({"busy": 1_800, "quiet": 5})
    worker.run(20)

    assert not worker.refused
    assert not worker.intake.limited


@pytest.mark.parametrize("times", [2, 4])
def test_beyond_it_the_loop_keeps_up_and_the_worker_stays_at_work(times):
    worker = Worker({"noisy": times * 2_000})
    worker.run(5)
    worker.forget()
    worker.run(30)

    assert sorted(worker.lags_s)[int(0.99 * len(worker.lags_s))] < 0.1
    # What is left of its time when all the others are refused.
    possible = (1 - times * 2_000 * REFUSED_S) / (SERVED_S - REFUSED_S)
    assert 0.8 * possible <= worker.served["noisy"] / 30


def test_whoever_sends_little_is_served_whatever_others_send():
    worker = Worker({"noisy": 3_000, "loud": 2_000, "quiet": 5, "another": 1})
    worker.run(30)

    assert {"noisy", "loud"} == set(worker.refused)
    assert 0.5 <= worker.served["noisy"] / worker.served["loud"] <= 2


def test_without_a_bound_nobody_is_refused_however_late_the_loop_is():
    worker = Worker({"noisy": 4_000}, intake=Intake())
    worker.run(1)

    assert not worker.refused


def test_what_is_late_for_another_reason_refuses_nobody():
    intake = Intake(lag_max_s=LAG_MAX_S)
    for number in range(100):
        intake.begin("quiet")
        intake.looked(0.3, now_s=100 + 0.32 * number)

    assert not intake.limited


def test_when_all_is_calm_again_nothing_is_counted_any_more():
    worker = Worker({"noisy": 6_000})
    worker.run(5)
    assert worker.intake.limited
    worker.rates = {"noisy": 10}
    worker.run(5)

    assert not worker.intake.limited
