"""A circuit breaker for each sink: while it does not answer, only one attempt at a time is made,
ever more rarely. Pure but for chance; the clock is an argument."""

import random

# So many failures one after the other open the circuit.
FAILURES_TO_OPEN = 3
PAUSE_FIRST_S = 0.25
PAUSE_MAX_S = 60.0
# However long a receiver asks us to stay away, we look again after this.
RETRY_AFTER_MAX_S = 3600.0


class Breaker:
    """Lanes of one sink in one process ask it before each attempt and tell it how that went."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_until_s = 0.0
        self._trying = False
        self.disabled = False
        self.paused = False
        """By an operator, for all processes."""

    @property
    def open(self) -> bool:
        return self.disabled or self._failures >= FAILURES_TO_OPEN

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next attempt; 0 means go, and then tell how it went."""
        if now_s < self._closed_until_s:
            return self._closed_until_s - now_s
        if self.open and self._trying:
            return PAUSE_FIRST_S
        self._trying = True
        return 0.0

    def reset(self) -> None:
        """As if nothing had been tried yet: somebody mended the other side."""
        self.disabled = False
        self._failures, self._closed_until_s = 0, 0.0

    def gave_up(self) -> None:
        """The attempt told nothing of the other side: it was broken off."""
        self._trying = False

    def succeeded(self) -> bool:
        """Answers whether the sink had been failing."""
        was_open = self.open
        self._failures, self._trying, self._closed_until_s = 0, False, 0.0
        return was_open

    def failed(self, now_s: float, *, retry_after_s: float | None) -> bool:
        """Answers whether this failure opened the circuit."""
        was_open = self.open
        self._failures += 1
        self._trying = False
        pause_s = min(PAUSE_FIRST_S * 2.0 ** min(self._failures - 1, 16), PAUSE_MAX_S)
        # Jitter keeps the processes of an installation from coming back in step.
        pause_s *= random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if retry_after_s is not None:
            pause_s = max(pause_s, min(retry_after_s, RETRY_AFTER_MAX_S))
        self._closed_until_s = now_s + pause_s
        return self.open and not was_open
