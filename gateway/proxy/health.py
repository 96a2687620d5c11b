"""How each provider has been doing, as this worker has seen it: passive outlier detection.

Each worker learns for itself, from the calls it serves and, where they are switched on, from
probes (`probing`): no call ever waits for a lock or a question to the store. A provider that failed
several times in a row is ejected for a while, which doubles each time it comes back to the same;
then one call is let through, and its answer decides. A model at a provider that says 429 cools for
as long as it asks for; its other models go on, because vendors' limits are per model.
"""

from collections.abc import Callable
from enum import StrEnum

from gateway.metering.choosing import IN_SERVICE, Standing
from gateway.metering.failover import (
    COOLING,
    NO_BUDGET,
    TOO_MANY_REQUESTS,
    AttemptEnd,
    Budget,
    HealthPolicy,
    ProbeEnd,
    Unanswered,
    is_failure,
)

MINUTE_S = 60.0
# A float that was added to and subtracted from is not exact.
ROUNDING_S = 1e-6
# Names of models come from callers.
COOLED_MODELS_MAX = 1_000
# What a new latency counts: the mean of about the last ten.
NEWEST_PART = 0.1
# Until a trial that runs has told: soon.
TRIAL_S = 1.0

FULL = Standing(full=True)


class Turn(StrEnum):
    """What becomes of a provider."""

    EJECTED = "ejected"
    COOLED = "cooled"
    RETURNED = "returned"


Tell = Callable[[Turn, str, float], None]
"""Is told the turn, the model (empty: all of them) and for how many seconds."""


class Pace:
    """So many calls a minute, all at once or spread."""

    def __init__(self, per_minute: int) -> None:
        self._each_s = MINUTE_S / per_minute
        self._spent_until_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Until there is room for one more; 0: there is."""
        wait_s = self._spent_until_s - now_s - (MINUTE_S - self._each_s)
        return wait_s if wait_s > ROUNDING_S else 0.0

    def take(self, now_s: float) -> None:
        self._spent_until_s = max(self._spent_until_s, now_s) + self._each_s


class Health:
    """One provider. Times are of a monotonic clock, given by whoever asks."""

    __slots__ = (
        "_calls_max",
        "_cooled",
        "_ejected_until_s",
        "_ejections",
        "_failures",
        "_latency_s",
        "_pace",
        "_policy",
        "_returned_s",
        "_tell",
        "_trial",
        "bounded",
        "running",
    )

    def __init__(self, policy: HealthPolicy, budget: Budget, *, tell: Tell) -> None:
        self._policy = policy
        self._calls_max = budget.calls_max
        self._pace = None if budget.calls_per_minute is None else Pace(budget.calls_per_minute)
        self.bounded = budget != NO_BUDGET
        """It has a budget at all."""
        self._tell = tell
        self._failures = 0
        self._ejections = 0
        self._ejected_until_s = 0.0
        self._returned_s = 0.0
        self._trial = False
        self._cooled: dict[str, float] = {}
        self._latency_s = 0.0
        self.running = 0
        """Metered calls at it now."""

    @property
    def ejected(self) -> bool:
        return self._ejected_until_s > 0

    def wait_s(self, now_s: float) -> float:
        """Until its budget may have room again; 0: it has."""
        if self._calls_max is not None and self.running >= self._calls_max:
            return 1.0
        return 0.0 if self._pace is None else self._pace.wait_s(now_s)

    def standing(self, model: str, *, now_s: float) -> Standing:
        if self.bounded and self.wait_s(now_s):
            return FULL
        back_s = self._cooled.get(model, 0.0) - now_s if self._cooled else 0.0
        if self._ejected_until_s:
            trial_s = TRIAL_S if self._trial else 0.0
            back_s = max(back_s, self._ejected_until_s - now_s, trial_s)
        if back_s <= 0 and not self._latency_s:
            return IN_SERVICE
        return Standing(back_s=max(0.0, back_s), latency_s=self._latency_s)

    def begin(self, *, now_s: float) -> bool:
        """A call goes to it; True: its answer decides whether the provider is back. `end` follows,
        with what this answered."""
        self.running += 1
        if self._pace is not None:
            self._pace.take(now_s)
        if not self._ejected_until_s or self._trial:
            return False
        self._trial = True
        return True

    def end(self, *, trial: bool) -> None:
        self.running -= 1
        if trial:
            self._trial = False

    def told(self, outcome: AttemptEnd, *, latency_s: float, now_s: float) -> None:
        """What the call came to, as far as its head tells."""
        if is_failure(outcome):
            self.failed(now_s=now_s)
        elif outcome not in (TOO_MANY_REQUESTS, Unanswered.BUSY):
            self.served(latency_s=latency_s, now_s=now_s)

    def served(self, *, latency_s: float, now_s: float) -> None:
        """It answered, which is what it is there for."""
        if self._ejected_until_s:
            self._return(now_s)
        self._measured(latency_s)

    def outrun(self, *, latency_s: float) -> None:
        """Another one answered the call, so that it was cut off after this time. It failed in
        nothing, but would have taken longer than that."""
        if latency_s > self._latency_s:
            self._measured(latency_s)

    def completed(self) -> None:
        """An answer came to its end."""
        self._failures = 0

    def failed(self, *, now_s: float) -> None:
        """It did not answer, said that it is in trouble, or broke an answer off."""
        self._failures += 1
        waiting = self._ejected_until_s > now_s
        if waiting or (self._failures < self._policy.failures_max and not self._ejected_until_s):
            return
        # Trouble that was long ago says nothing of this one.
        if now_s - self._returned_s > self._policy.ejection_longest_s and not self.ejected:
            self._ejections = 0
        self._ejections += 1
        for_s = self._policy.ejected_s(self._ejections)
        self._ejected_until_s = now_s + for_s
        self._tell(Turn.EJECTED, "", for_s)

    def probed(self, end: ProbeEnd, *, now_s: float) -> None:
        """A request of our own came to this. One that answers it has the next call as its trial,
        however long it was to be left alone."""
        if end is ProbeEnd.FAILED:
            self.failed(now_s=now_s)
        elif end is ProbeEnd.WELL and self._ejected_until_s > now_s:
            self._ejected_until_s = now_s

    def cool(self, model: str, outcome: AttemptEnd, asked_s: float | None, *, now_s: float) -> None:
        """It said that this model of it was asked too often; `asked_s`: for how long not to."""
        if outcome not in COOLING or (outcome != TOO_MANY_REQUESTS and asked_s is None):
            return
        if len(self._cooled) >= COOLED_MODELS_MAX:
            self._cooled.clear()
        for_s = self._policy.cooled_s(asked_s)
        known = self._cooled.get(model, 0.0) > now_s
        self._cooled[model] = now_s + for_s
        if not known:
            self._tell(Turn.COOLED, model, for_s)

    def _measured(self, latency_s: float) -> None:
        before_s = self._latency_s or latency_s
        self._latency_s = before_s + NEWEST_PART * (latency_s - before_s)

    def _return(self, now_s: float) -> None:
        self._ejected_until_s = 0.0
        self._failures = 0
        self._returned_s = now_s
        self._tell(Turn.RETURNED, "", 0.0)
