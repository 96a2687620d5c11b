"""Work that a provider goes on with after the call that began it was answered: a job.

Its hold is kept until the provider tells what was used, and in between it stands in the ledger
together with everything that is needed to settle it, by whichever process hears of it first. How
it ends: `job_ends.py`.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from gateway.metering.ledger import Settle
from gateway.metering.usage import NOTHING, Usage
from gateway.values import call_value

# A process that was down at the deadline may still be the first to hear of the job.
GRACE_MS = 3_600_000

Numbers = Mapping[str, int | float]


@call_value
class Job:
    """One hold of a job. A job of several models has as many, under the same name."""

    name: str
    """Its API and its id there: `openai:batch_68a1…`."""
    owed: Settle
    """How it is settled if it is never reported: to the whole hold. It names the job."""
    priced_as: str
    """Its line on the rate card."""
    path: str
    """What the provider is asked for to hear of it, query included."""
    deadline_ms: int
    headers: tuple[tuple[str, str], ...] = ()
    """Of the call that began it: what the provider wants to be told with each request."""
    longest_input_tokens: int = 0
    """Of a batch, a bound for its longest prompt; 0 for a single call."""
    floor: Usage = NOTHING
    """What is owed if it is cancelled and nothing was reported."""

    @property
    def api(self) -> str:
        return self.name.partition(":")[0]

    @property
    def provider(self) -> str:
        return self.owed.event.provider

    @property
    def hold_id(self) -> str:
        return self.owed.hold_id

    @property
    def model(self) -> str:
        return self.owed.event.model


@call_value
class Keep:
    """Let a hold live on for its job: store the job, to be asked for after `poll_ms`, book the
    whole hold as what is owed, make the lease last, and give back what only running calls take
    (`Unit.CALLS`).

    Self-contained, as a settlement is: if the hold expired meanwhile or was lost, the job is
    followed all the same and settled late.
    """

    job: Job
    lease_ms: int
    poll_ms: int

    @property
    def hold_id(self) -> str:
        return self.job.hold_id


@call_value
class Kept:
    """`late`: the hold had expired or was lost; only the job was stored."""

    late: bool


class Phase(StrEnum):
    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNREPORTED = "unreported"
    """Our own word: the deadline passed, or the provider knows of no such job."""


@call_value
class Told:
    """Usage as a provider tells it of some calls of a job. `model` is empty where it says none,
    `usage` None where a call was served and nothing is said of what it used; or no more than how
    much of what was ordered by the piece was `delivered` (3 of 4)."""

    usage: Usage | None
    model: str = ""
    calls: int = 1
    unmapped: Numbers = field(default_factory=dict, hash=False)
    delivered: tuple[int, int] | None = None


@call_value
class JobStatus:
    """What a provider says of a job, in whatever answer."""

    job_id: str
    phase: Phase
    told: tuple[Told, ...] = ()
    """What was used, all together, if it is said here."""
    results: tuple[str, ...] = ()
    """What says it call by call, line by line, as the provider names that."""

    @property
    def over(self) -> bool:
        return self.phase is not Phase.OPEN


def pause_ms(age_ms: int, *, longest_ms: int) -> int:
    """How long until a job of that age is asked for again: the longer, the longer it runs."""
    return min(longest_ms, max(longest_ms // 20, age_ms // 5))


def job_name(api: str, job_id: str) -> str:
    return f"{api}:{job_id}"
