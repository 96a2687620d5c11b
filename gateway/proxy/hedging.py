"""What one worker knows of the calls to one entry of `models` that may be sent twice.

How long its providers take to begin an answer, and how many calls may yet be sent a second time.
As with providers' health, each worker learns for itself.
"""

from bisect import bisect_left, insort
from collections import deque

from gateway.metering.hedging import HedgePolicy

# Of the newest so many answers: enough for a percentile, few enough to notice a change of weather.
TIMES_KEPT = 256
# What a quiet time saves up for a bad moment.
SAVED_MAX = 10.0


class Times:
    """The newest of some times, in order."""

    __slots__ = ("_newest", "ascending_s")

    def __init__(self) -> None:
        self._newest: deque[float] = deque()
        self.ascending_s: list[float] = []

    def add(self, time_s: float) -> None:
        if len(self._newest) >= TIMES_KEPT:
            del self.ascending_s[bisect_left(self.ascending_s, self._newest.popleft())]
        self._newest.append(time_s)
        insort(self.ascending_s, time_s)


class Hedging:
    __slots__ = ("_earned", "_saved", "_times", "policy")

    def __init__(self, policy: HedgePolicy) -> None:
        self.policy = policy
        self._earned = policy.budget_percent / 100
        # The first slow call need not wait for twenty others.
        self._saved = 1.0
        self._times: dict[str, Times] = {}

    def called(self) -> None:
        """A call that may be sent twice begins."""
        self._saved = min(SAVED_MAX, self._saved + self._earned)

    def take(self) -> bool:
        """Send one a second time; False: the budget is used up."""
        # A sum of many small parts is a little less than it should be.
        if self._saved < 1 - 1e-9:
            return False
        self._saved -= 1
        return True

    def wait_s(self, provider: str) -> float | None:
        """How long this one is waited for before another is asked; None: as long as it takes."""
        times = self._times.get(provider)
        return self.policy.wait_s(() if times is None else times.ascending_s)

    def took(self, provider: str, time_s: float) -> None:
        """It began to answer after this time, or was cut off then."""
        if self.policy.percentile is not None:
            self._times.setdefault(provider, Times()).add(time_s)
