"""How many calls a worker lets begin, so that its event loop keeps up: early shedding.

A worker that begins more calls than it can serve makes all of them slow, those that stream already
too. What tells is how late its event loop is. Once every look for two windows of time found it too
late (the least of several delays is what CoDel judges by, RFC 8289), only so many calls may begin
from one look to the next: fewer after each window in which the loop was late, more after one in
which it was not, and as many as come again when none had to be refused for a while.

Fair as `fairness` is: an account begins another while it has begun fewer than are left. So one
that sends a thousand a second is held to half, and one that sends a few is served.
"""

import asyncio
from collections.abc import Callable
from math import inf

from gateway.errors import Overloaded

RETRY_AFTER_S = 1.0
LOOK_S = 0.02
WINDOW_S = 0.1
# A burst ends by itself.
LATE_WINDOWS = 2
# How late the loop is, in parts of what it may be: up to there, this factor. Tried at twice what
# a worker can serve: growing faster made it late again and again, more slowly left it idle.
STEPS = ((0.25, 1.1), (1.0, 1.03), (2.0, 0.9), (inf, 0.75))
# A look that comes late brings the room of so many looks at the most.
LOOKS_MADE_UP = 3
# Calls in a look. Whatever makes the loop late then is not the calls that begin.
ROOM_MIN = 2.0
CALM_WINDOWS = 20


class Intake:
    """That of one worker. Unlimited until its loop is late."""

    def __init__(self, *, lag_max_s: float = inf) -> None:
        self._lag_max_s = lag_max_s
        self._room = inf
        self._left = inf
        self._begun_by: dict[str, int] = {}
        self._begun = 0
        self._refused = 0
        self._least_lag_s = inf
        self._most_lag_s = 0.0
        self._late_windows = 0
        self._calm_windows = 0
        self._window_s = 0.0

    @property
    def limited(self) -> bool:
        return self._room < inf

    def begin(self, account_id: str) -> None:
        """One more call of this account's. Raises Overloaded where it has its share."""
        if self._room < inf:
            mine = self._begun_by.get(account_id, 0)
            if mine >= self._left:
                self._refused += 1
                raise Overloaded(
                    "The gateway is busy, and this account has its share of it. Send the call "
                    "again.",
                    retry_after_s=RETRY_AFTER_S,
                )
            self._begun_by[account_id] = mine + 1
            self._left -= 1
        self._begun += 1

    def looked(self, lag_s: float, *, now_s: float) -> None:
        """The loop was so late just now."""
        self._least_lag_s = min(self._least_lag_s, lag_s)
        self._most_lag_s = max(self._most_lag_s, lag_s)
        elapsed_s = now_s - self._window_s
        if elapsed_s >= WINDOW_S:
            self._next_window(begun=self._begun * LOOK_S / elapsed_s)
            self._window_s = now_s
        self._left = self._room * min(LOOKS_MADE_UP, 1 + lag_s / LOOK_S)
        self._begun_by.clear()

    def _next_window(self, *, begun: float) -> None:
        """`begun`: calls in the time of a look."""
        # To begin with it, all looks must have been late; afterwards each should be in time.
        lag_s = self._most_lag_s if self.limited else self._least_lag_s
        late_by = lag_s / self._lag_max_s
        self._late_windows = self._late_windows + 1 if late_by > 1 else 0
        if not self.limited:
            if self._late_windows >= LATE_WINDOWS and begun >= ROOM_MIN:
                self._room = begun
        elif self._refused or late_by > 1:
            factor = next(factor for most, factor in STEPS if late_by <= most)
            self._room = max(ROOM_MIN, self._room * factor)
        self._calm_windows = 0 if self._refused or late_by > 1 else self._calm_windows + 1
        if self._calm_windows >= CALM_WINDOWS:
            self._room = inf
        self._begun = self._refused = 0
        self._least_lag_s, self._most_lag_s = inf, 0.0


async def watch(intake: Intake, *, clock_s: Callable[[], float]) -> None:
    """Looks at the loop until cancelled; `clock_s` is its clock."""
    while True:
        due_s = clock_s() + LOOK_S
        await asyncio.sleep(LOOK_S)
        now_s = clock_s()
        intake.looked(max(0.0, now_s - due_s), now_s=now_s)
