"""A hold that ends exactly once: settled if anything may have been produced, else released.

`Hold` is the guard around forwarding. Leaving its block, however it is left, hands the ending
to `Settlements`; nothing is awaited on the way out, so nothing can be cancelled there.
"""

import asyncio
from collections.abc import Sequence
from functools import reduce
from types import TracebackType
from typing import Protocol, Self

from gateway.errors import StoreUnavailable
from gateway.metering.events import End, UsageEvent
from gateway.metering.hedging import CutOff
from gateway.metering.jobs import JobStatus, Told
from gateway.metering.ledger import (
    AlreadyEnded,
    Extend,
    Extended,
    Refused,
    UnknownHold,
)
from gateway.metering.slices import Covered, Slice, fitting_slice, next_slice
from gateway.metering.usage import NOTHING, Provenance, Usage, UsageReport
from gateway.proxy.begun import Begun, failed
from gateway.proxy.meter import Meter
from gateway.proxy.observation import Observation, elapsed_s
from gateway.proxy.settlements import Settlements
from gateway.proxy.ticket import Ticket
from gateway.proxy.trace import Trace
from gateway.stores.base import Ledger

# Two renewals may go astray before a hold runs out under a running call.
RENEWALS_PER_LEASE = 3
# Nothing better is known of what was used.
ALL_OF_IT = UsageReport(NOTHING, Provenance.HELD)

Extension = Extended | Refused | AlreadyEnded | UnknownHold


class Bill(Protocol):
    """What a call used: as reported, if that is known without waiting, else as counted."""

    def reported(self) -> UsageReport | None: ...

    async def counted(self) -> UsageReport: ...


class OpenHold(Protocol):
    """Makes the guard around an admitted call."""

    def __call__(self, ticket: Ticket, *, trace: Trace) -> "Hold": ...


class Hold:
    """What is set aside for one call, and how it comes to its end."""

    def __init__(
        self,
        ticket: Ticket,
        *,
        ledger: Ledger,
        settlements: Settlements,
        observation: Observation,
        trace: Trace,
        lease_ms: int,
    ) -> None:
        self.ticket = ticket
        self.held_ucr = ticket.held_ucr
        self.end = End.COMPLETED
        self.http_status = 0
        self.cut_off: CutOff | None = None
        """Whom it had been sent to beside the one it is charged by."""
        self._ledger = ledger
        self._settlements = settlements
        self._observation = observation
        self._trace = trace
        self._lease_ms = lease_ms
        self.renew_s = lease_ms / RENEWALS_PER_LEASE / 1000
        self._bill: Bill | None = None
        self.begun: Begun | None = None
        self._others: list[Hold] = []
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def disbelieved(self) -> None:
        """The provider's report was not plausible."""
        self._observation.usage_disbelieved()

    def owes(self, bill: Bill | None) -> None:
        """What leaving the block will charge from now on; None: nothing, the hold is released."""
        self._bill = bill
        for other in self._others:
            other.owes(bill)

    def accompany(self, other: "Hold") -> None:
        """Another hold for the same call, which begins and ends as this one does."""
        self._others.append(other)

    async def may_outlive(self, begun: Begun) -> None:
        """The call may begin a job: until its answer tells, all of the hold is owed. Returns when
        that is booked, so that the call may be forwarded. Raises StoreUnavailable."""
        self.begun = begun
        await self._send(self._nothing_more(), ALL_OF_IT)
        for other in self._others:
            await other.may_outlive(begun)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and self.end is End.COMPLETED:
            cut = isinstance(error, asyncio.CancelledError)
            self.end = End.CUT_BY_SHUTDOWN if cut else End.UPSTREAM_FAILED
        self.finish()
        for other in self._others:
            other.end, other.http_status = self.end, self.http_status
            other.finish()

    def finish(self) -> None:
        """What leaving the block does."""
        # A bill may know this hold: kept, the two would be garbage that no count finds.
        bill, self._bill = self._bill, None
        if bill is None:
            self._give_back()
            return
        try:
            report = bill.reported()
        except Exception as fault:  # noqa: BLE001  a fault in metering must not break the call
            report = self._unknown(fault)
        if report is not None:
            self._settle(report)
        elif self.begun is None or not self._outlive(self.begun):
            self._settlements.settle_later(
                self._counted(bill), name=f"bill {self.ticket.request_id}"
            )

    def _outlive(self, begun: Begun) -> bool:
        """Keep the hold for the job that was begun, or end it if none was; False for a call that
        was no job after all, or that is over already: it is billed as any other."""
        status = begun.status()
        if status is None:
            self._settle(ALL_OF_IT)
        elif failed(status):
            self._give_back()
        elif status.told:
            self._settle(_told(status.told))
        elif status.over:
            return False
        else:
            self._settlements.settle_later(
                self._keep(begun, status), name=f"keep {self.ticket.request_id}"
            )
        return True

    async def _keep(self, begun: Begun, status: JobStatus) -> None:
        ticket = self.ticket
        floor = await self._seen(begun)
        duration_s = elapsed_s(self._trace)
        event = self._event(ALL_OF_IT, duration_s)
        self._settlements.keep(
            begun.keep(
                ticket, status, ticket.settle(event), floor=floor, now_ms=self._ledger.now_ms()
            )
        )
        self._observation.begun(self._trace, event, duration_s=duration_s)

    async def _seen(self, begun: Begun) -> Usage:
        """What is owed for a job that is cancelled and never reported."""
        try:
            return await begun.seen()
        except Exception as fault:  # noqa: BLE001  as in __exit__
            self._observation.fault("bill", fault)
            return NOTHING

    async def _counted(self, bill: Bill) -> None:
        try:
            report = await bill.counted()
        except Exception as fault:  # noqa: BLE001  as above
            report = self._unknown(fault)
        self._settle(report)

    def _unknown(self, fault: Exception) -> UsageReport:
        """Nor make it free: the hold is charged, and it is an incident."""
        self._observation.fault("bill", fault)
        return ALL_OF_IT

    def _give_back(self) -> None:
        if self.ticket.draw is not None:
            self.ticket.draw.ended()
        self._settlements.release(self.ticket.release())

    def _settle(self, report: UsageReport) -> None:
        ticket, duration_s = self.ticket, elapsed_s(self._trace)
        event = self._event(report, duration_s)
        if ticket.draw is not None:
            ticket.draw.charged(event.charge_ucr)
        self._settlements.settle(ticket.settle(event))
        self._observation.metered(
            self._trace,
            event,
            duration_s=duration_s,
            unpriced=ticket.price.unpriced(event.usage),
        )

    def _event(self, report: UsageReport, duration_s: float) -> UsageEvent:
        return self.ticket.event(
            report,
            end=self.end,
            http_status=self.http_status,
            held_ucr=self.held_ucr,
            ttfb_ms=int(self._trace.ttfb_s * 1000),
            duration_ms=int(duration_s * 1000),
            attempts=self._trace.attempts or 1,
            cut_off=self.cut_off,
        )

    def covered(self, meter: Meter) -> Covered:
        """What the hold pays for, given what is known of the prompt by now."""
        return Covered(
            price=self.ticket.price,
            charges=self.ticket.charges,
            held_ucr=self.held_ucr,
            input_tokens=meter.input_tokens,
            terms=self.ticket.call.terms,
        )

    async def extend(self, meter: Meter, *, tokens: int) -> bool:
        """Hold a slice more, `tokens` or what is left; False when not one token more fits.

        A store that does not answer lets the stream go on: its credit cannot be checked now,
        and what it produces is settled when the store is back.
        """
        covered = self.covered(meter)
        wanted = next_slice(covered, tokens)
        try:
            answer = await self._extend(wanted, meter)
            if isinstance(answer, Refused):
                smaller = fitting_slice(covered, answer)
                if smaller is None:
                    return False
                wanted = smaller
                answer = await self._extend(wanted, meter)
        except StoreUnavailable:
            self.held_ucr += wanted.add_ucr
            return True
        if isinstance(answer, Refused):
            return False
        # A hold that ended without us (expired, lost) cannot refuse: the settlement will be late.
        self.held_ucr = (
            answer.held_ucr if isinstance(answer, Extended) else self.held_ucr + wanted.add_ucr
        )
        return True

    def checkpoint(self, report: UsageReport) -> None:
        """Renew the lease and book what is owed so far, without waiting for the answer."""
        self._send(self._nothing_more(), report).add_done_callback(_ignore_failure)
        for other in self._others:
            other.checkpoint(report)

    def _nothing_more(self) -> Slice:
        return Slice(tokens=0, add_ucr=0, adds=(0,) * len(self.ticket.charges))

    async def _extend(self, more: Slice, meter: Meter) -> Extension:
        draw = self.ticket.draw
        if draw is not None and not draw.in_store:
            return draw.extend(more.add_ucr)
        return await self._send(more, UsageReport(meter.usage_so_far(), Provenance.COUNTED))

    def _send(self, more: Slice, report: UsageReport) -> "asyncio.Future[Extension]":
        self._sequence += 1
        ticket = self.ticket
        if self.begun is not None:
            report = ALL_OF_IT
        event = ticket.event(
            report, end=End.HOLD_EXPIRED, http_status=self.http_status, held_ucr=self.held_ucr
        )
        return self._ledger.extend(
            Extend(
                hold_id=ticket.request_id,
                account_id=ticket.caller.account.account_id,
                sequence=self._sequence,
                add_ucr=more.add_ucr,
                charges=ticket.charges,
                adds=more.adds,
                lease_ms=self._lease_ms,
                event=event,
                amounts=ticket.amounts(event.usage, event.charge_ucr),
                overdraft_ucr=ticket.overdraft_ucr,
                observe=ticket.observe,
            )
        )


def _told(told: Sequence[Told]) -> UsageReport:
    """All of the hold where not all is said of what was used."""
    usages = [each.usage for each in told if each.usage is not None]
    if len(usages) < len(told):
        return ALL_OF_IT
    return UsageReport(reduce(Usage.__add__, usages), Provenance.REPORTED)


def _ignore_failure(sent: "asyncio.Future[Extension]") -> None:
    # The next checkpoint says all this one did; only the exception must be taken notice of.
    if not sent.cancelled():
        sent.exception()
