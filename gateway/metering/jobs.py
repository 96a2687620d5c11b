"""Work that a provider goes on with after the call that began it was answered: a job.

Its hold is kept until the provider tells what was used, and in between it stands in the ledger
together with everything that is needed to settle it, by whichever process hears of it first. It
ends as any hold does, exactly once:

| the provider says | the hold is |
|---|---|
| what was used, whatever became of the job | settled to that |
| that it failed, and nothing of usage | released |
| that it was cancelled, and nothing of usage | settled to the prompt and what was relayed |
| that it is done, and nothing of usage | settled to all of it, an incident |
| nothing before the deadline, or that there is no such job | settled to all of it, an incident |
"""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum

from gateway.metering.events import End
from gateway.metering.ledger import Release, Settle
from gateway.metering.limits import amounts_of
from gateway.metering.pricing import ModelPrice
from gateway.metering.sanity import SLACK
from gateway.metering.tally import Tally
from gateway.metering.usage import NOTHING, Provenance, Usage
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
    longest_input_tokens: int = 0
    """Of a batch, a bound for its longest prompt; 0 for a single call."""
    floor: Usage = NOTHING
    """What is owed if it is cancelled and nothing was reported."""

    @property
    def api(self) -> str:
        return self.name.partition(":")[0]

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
    """Usage as a provider tells it of some calls of a job. `model` is empty where it says none."""

    usage: Usage
    model: str = ""
    calls: int = 1
    unmapped: Numbers = field(default_factory=dict, hash=False)


@call_value
class JobStatus:
    """What a provider says of a job, in whatever answer."""

    job_id: str
    phase: Phase
    told: tuple[Told, ...] = ()
    """What was used, all together, if it is said here."""
    results: tuple[str, ...] = ()
    """Paths of what says it call by call, line by line."""

    @property
    def over(self) -> bool:
        return self.phase is not Phase.OPEN


def job_name(api: str, job_id: str) -> str:
    return f"{api}:{job_id}"


def share_of(jobs: Sequence[Job], model: str) -> Job:
    """The hold that pays for what a model used. Models report themselves by their dated names; one
    that nobody held for is paid by the first."""
    for job in jobs:
        if model == job.model or model.startswith(f"{job.model}-"):
            return job
    return jobs[0]


@call_value
class Settler:
    """What settles a job's hold: its price, if the card still has one, and the ledger's time."""

    price: ModelPrice | None
    now_ms: int


def conclusion(
    job: Job, phase: Phase, told: Tally | None, *, unmapped: Numbers, by: Settler
) -> Settle | Release:
    """How the hold of a job that is over ends. `told` sums up what was said of its usage; None if
    nothing was."""
    if told is not None and _believable(job, told):
        return _settle(job, phase, told, Provenance.REPORTED, unmapped=unmapped, by=by)
    if told is None and phase is Phase.CANCELLED and by.price is not None and job.floor != NOTHING:
        counted = Tally(by.price)
        counted.add(job.floor)
        return _settle(job, phase, counted, Provenance.COUNTED, unmapped=unmapped, by=by)
    if told is None and phase in (Phase.CANCELLED, Phase.FAILED):
        return Release(job.hold_id, job.owed.account_id, job.owed.charges, job.name)
    event = replace(
        job.owed.event,
        end=_END[phase],
        duration_ms=_age_ms(job, by.now_ms),
        unmapped=unmapped,
    )
    return replace(job.owed, event=event)


def _believable(job: Job, told: Tally) -> bool:
    """A batch's hold is its worst case; what an account that is only observed holds is not."""
    bounded = job.longest_input_tokens > 0 and not job.owed.observe
    return not bounded or told.charge_ucr <= SLACK * job.owed.event.held_ucr


def _settle(
    job: Job,
    phase: Phase,
    sums: Tally,
    provenance: Provenance,
    *,
    unmapped: Numbers,
    by: Settler,
) -> Settle:
    owed, usage, charge_ucr = job.owed, sums.usage, sums.charge_ucr
    event = replace(
        owed.event,
        usage=usage,
        provenance=provenance,
        charge_ucr=charge_ucr,
        rate_version=sums.price.version,
        end=_END[phase],
        duration_ms=_age_ms(job, by.now_ms),
        unmapped=unmapped,
    )
    tokens = usage.total_tokens
    amounts = amounts_of(owed.charges, charge_ucr=charge_ucr, tokens=tokens)
    return replace(owed, event=event, amounts=amounts)


def _age_ms(job: Job, now_ms: int) -> int:
    return max(0, now_ms - job.owed.event.started_ms)


_END = {
    Phase.DONE: End.COMPLETED,
    Phase.FAILED: End.UPSTREAM_FAILED,
    Phase.CANCELLED: End.CANCELLED,
    Phase.UNREPORTED: End.HOLD_EXPIRED,
}
