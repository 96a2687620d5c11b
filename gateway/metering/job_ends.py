"""How the holds of a job end once it is over, by what the provider says of it:

| the provider says | the hold is |
|---|---|
| what was used, whatever became of the job | settled to that |
| that it failed, and nothing of usage | released |
| that it was cancelled, and nothing of usage | settled to the prompt and what was relayed |
| that it is done, and nothing of usage | settled to all of it, an incident |
| nothing before the deadline, or that there is no such job | settled to all of it, an incident |

A job may have a hold for each of several models; each pays for its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.metering.events import End, UsageEvent
from gateway.metering.jobs import Job, Numbers, Phase, Told
from gateway.metering.ledger import Release, Settle
from gateway.metering.limits import amounts_of
from gateway.metering.pricing import ModelPrice
from gateway.metering.sanity import SLACK
from gateway.metering.tally import Tally, one_price
from gateway.metering.usage import NOTHING, Provenance, Usage

# An alias of the vendor's own: an answer names the model that it stands for.
LATEST = "-latest"

PriceOf = Callable[[Job], ModelPrice | None]


class Sums:
    """What the holds of one job pay for, as the provider tells it."""

    def __init__(self, shares: Sequence[Job], price_of: PriceOf) -> None:
        """`price_of`: None for a line that the rate card has not any more."""
        self._shares = shares
        self._prices = {job.hold_id: price_of(job) for job in shares}
        self._tallies = {
            hold_id: Tally(price) for hold_id, price in self._prices.items() if price is not None
        }
        self._unmapped: dict[str, int | float] = {}
        self._told = False
        # Something was served of which nothing was said: what was said is not all.
        self._untold = False

    @property
    def of_sums(self) -> bool:
        """Whether a job's tokens may be priced together: no prompt of it may be so long that it
        has rates of its own."""
        return all(
            one_price(tally.price, longest_input_tokens=job.longest_input_tokens)
            for job in self._shares
            if (tally := self._tallies.get(job.hold_id)) is not None
        )

    def add(self, told: Told) -> None:
        """Of one call, or of several whose tokens may be priced together."""
        self._told = True
        job = share_of(self._shares, told.model)
        usage = _delivered(job, told) if told.usage is None else told.usage
        if usage is None:
            self._untold = True
            return
        if (tally := self._tallies.get(job.hold_id)) is not None:
            tally.add(usage, calls=told.calls)
        for name, number in told.unmapped.items():
            self._unmapped[name] = self._unmapped.get(name, 0) + number

    def ends(self, phase: Phase, *, now_ms: int) -> Iterator[tuple[Job, Settle | Release]]:
        """How each hold ends."""
        for job in self._shares:
            ending = _Ending(
                job=job,
                phase=phase,
                price=self._prices[job.hold_id],
                now_ms=now_ms,
                unmapped=self._unmapped,
            )
            if not self._told:
                yield job, ending.unreported()
            else:
                tally = self._tallies.get(job.hold_id)
                reported = None if tally is None or self._untold else ending.reported(tally)
                yield job, reported or ending.held()


def _delivered(job: Job, told: Told) -> Usage | None:
    """That much of the pieces the job owed from its beginning."""
    if told.delivered is None or not job.floor.pieces:
        return None
    count, ordered = told.delivered
    pieces = ((name, -(-owed * count // ordered)) for name, owed in job.floor.pieces)
    return Usage(pieces=tuple(piece for piece in pieces if piece[1]))


def share_of(shares: Sequence[Job], model: str) -> Job:
    """The hold that pays for what a model used. Models report themselves by their dated names; one
    that nobody held for is paid by the first."""
    named = [job for job in shares if f"{model}-".startswith(f"{job.model.removesuffix(LATEST)}-")]
    return max(named, key=lambda job: len(job.model), default=shares[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """One hold's."""

    job: Job
    phase: Phase
    price: ModelPrice | None
    now_ms: int
    unmapped: Numbers

    def reported(self, told: Tally) -> Settle | None:
        """None for what cannot be: a batch's hold is its worst case, unless it is of an account
        that is only observed and holds what is there."""
        job = self.job
        bounded = job.longest_input_tokens > 0 and not job.owed.observe
        if bounded and told.charge_ucr > SLACK * job.owed.event.held_ucr:
            return None
        return self._settle(told, Provenance.REPORTED)

    def unreported(self) -> Settle | Release:
        job = self.job
        if self.phase is Phase.CANCELLED and self.price is not None and job.floor != NOTHING:
            seen = Tally(self.price)
            seen.add(job.floor)
            return self._settle(seen, Provenance.COUNTED)
        if self.phase in (Phase.CANCELLED, Phase.FAILED):
            return Release(job.hold_id, job.owed.account_id, job.owed.charges, job.name)
        return self.held()

    def held(self) -> Settle:
        owed = self.job.owed
        return replace(owed, event=self._event(owed.event))

    def _settle(self, sums: Tally, provenance: Provenance) -> Settle:
        owed, charge_ucr = self.job.owed, sums.charge_ucr
        event = replace(
            self._event(owed.event),
            usage=sums.usage,
            provenance=provenance,
            charge_ucr=charge_ucr,
            rate_version=sums.price.version,
            rate_id=sums.price.rate_id,
        )
        tokens = sums.usage.total_tokens
        amounts = amounts_of(owed.charges, charge_ucr=charge_ucr, tokens=tokens)
        return replace(owed, event=event, amounts=amounts)

    def _event(self, begun: UsageEvent) -> UsageEvent:
        return replace(
            begun,
            end=_END[self.phase],
            duration_ms=max(0, self.now_ms - begun.started_ms),
            unmapped=self.unmapped,
        )


_END = {
    Phase.DONE: End.COMPLETED,
    Phase.FAILED: End.UPSTREAM_FAILED,
    Phase.CANCELLED: End.CANCELLED,
    Phase.UNREPORTED: End.HOLD_EXPIRED,
}
