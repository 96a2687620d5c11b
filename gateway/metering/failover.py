"""When another upstream is asked for the same call, and when one is left alone for a while.

Only what was not answered is asked again, and only before a byte of an answer has gone to the
client. The rules of ejection are Envoy's outlier detection: so many failures in a row, a time that
doubles with each return to the same trouble. `Retry-After`: RFC 9110, section 10.2.3;
`retry-after-ms` is Azure's and OpenAI's, whose own SDKs look at it first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from math import inf

HTTP_ERRORS = 400
"""They begin here."""
TOO_MANY_REQUESTS = 429
# What says that the provider is in trouble, not the request. 529 is Anthropic's "overloaded".
FAILURES = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
# With a Retry-After these say for how long not to ask.
COOLING = frozenset({TOO_MANY_REQUESTS, 503, 529})
# A caller that waits for longer would rather ask again itself.
PAUSE_LONGEST_S = 10.0


class Unanswered(StrEnum):
    """Why there was no answer at all."""

    BUSY = "busy"
    """All connections to it were taken for as long as a call waits for one."""
    CONNECT = "connect"
    """It was not reached: it cannot have begun to work."""
    RESET = "reset"
    """It had the request, and broke off before the head of its answer was there."""
    TIMEOUT = "timeout"
    """It had the request, and did not begin to answer in time: it may work on, and bill it."""


AttemptEnd = Unanswered | int
"""How an attempt ended: without an answer, or with this HTTP status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverPolicy:
    retry_on: frozenset[AttemptEnd]
    attempts_max: int
    deadline_s: float
    """After so long, no further attempt is begun."""
    rounds: int = 1
    """How often each upstream may be asked."""
    round_pause_s: float = 0.5
    answer_deadline_s: float = inf
    """After so long no answer is waited for that has not begun, whoever was asked."""
    total_deadline_s: float = inf
    """After so long an answer is broken off."""

    def pause_s(self, round_number: int, *, draw: float) -> float:
        """Before the round of that number, from 2 on. `draw` in [0, 1): calls that failed together
        are not to come back together."""
        doubled = self.round_pause_s * (1 << min(round_number - 2, 20))
        return min(PAUSE_LONGEST_S, doubled) * (1 + draw) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    failures_max: int = 5
    ejection_s: float = 30.0
    ejection_longest_s: float = 300.0
    cooling_s: float = 5.0
    cooling_longest_s: float = 120.0

    def ejected_s(self, times: int) -> float:
        """How long the provider is left alone that was ejected for the `times`th time in a row."""
        # Far beyond any longest time, and no number grows without a bound.
        doubled = self.ejection_s * (1 << min(times - 1, 20))
        return min(self.ejection_longest_s, doubled)

    def cooled_s(self, asked_s: float | None) -> float:
        """The same for one that was asked too often; `asked_s`: what it said of that itself."""
        return self.cooling_s if asked_s is None else min(self.cooling_longest_s, asked_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePolicy:
    """A free request of our own, made regularly to see whether a provider answers."""

    path: str
    interval_s: float
    timeout_s: float


class ProbeEnd(StrEnum):
    """What a probe says of the provider."""

    WELL = "well"
    FAILED = "failed"
    UNCLEAR = "unclear"
    """Neither: it answered, and refused us (our credential, its limits, a wrong path)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one worker may ask of a provider; None is no bound."""

    calls_max: int | None = None
    """Metered calls at a time."""
    calls_per_minute: int | None = None


NO_BUDGET = Budget()


def is_failure(outcome: AttemptEnd) -> bool:
    """Whether it counts against the provider."""
    if isinstance(outcome, Unanswered):
        return outcome is not Unanswered.BUSY
    return outcome in FAILURES


def probe_end(outcome: AttemptEnd) -> ProbeEnd:
    if is_failure(outcome):
        return ProbeEnd.FAILED
    well = isinstance(outcome, int) and outcome < HTTP_ERRORS
    return ProbeEnd.WELL if well else ProbeEnd.UNCLEAR


def retry_after_s(headers: Mapping[bytes, bytes], *, now_s: float) -> float | None:
    """How long the provider wants to be left alone; None if it does not say. `headers` by their
    names in lower case; `now_s`: since 1970, for a date."""
    millis = _number(headers.get(b"retry-after-ms", b""))
    if millis is not None:
        return millis / 1000
    given = headers.get(b"retry-after", b"")
    seconds = _number(given)
    return _until(given, now_s=now_s) if given and seconds is None else seconds


def _number(text: bytes) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # Neither negative nor "nan" nor "inf".
    return number if 0 <= number < 1e9 else None  # noqa: PLR2004  longer than anybody waits


def _until(date: bytes, *, now_s: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date.decode("latin-1"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_s)
