"""What is told of calls: their log line, their metrics. Written to, never asked."""

from collections.abc import Sequence
from time import monotonic

from gateway.errors import ClientLeft, GatewayError, StoreUnavailable, UnknownEndpoint
from gateway.metering.events import UsageEvent
from gateway.metering.jobs import Job, Kept
from gateway.metering.ledger import AlreadyEnded, Release, Released, Settle, Settled
from gateway.metering.usage import Provenance
from gateway.proxy.trace import Trace
from gateway.stores.base import Ask, Outcome, hold_id_of
from gateway.telemetry.families import UnknownHandling
from gateway.telemetry.logs import CallLine, Level, Log
from gateway.telemetry.metrics import Metrics

JobOutcome = Settled | Released | AlreadyEnded


class Observation:
    def __init__(self, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._store_up = True
        self._drained_elsewhere = False

    def metered(
        self, trace: Trace, event: UsageEvent, *, duration_s: float, unpriced: Sequence[str] = ()
    ) -> None:
        """A call that is charged came to its end. `unpriced`: what it used that has no price."""
        self._metrics.call_ended(
            dialect=event.dialect,
            provider=event.provider,
            model=event.model,
            end=event.end,
            provenance=event.provenance,
            usage=event.usage,
            charge_ucr=event.charge_ucr,
            held_ucr=event.held_ucr,
            ttfb_us=int(trace.ttfb_s * 1e6),
            duration_us=int(duration_s * 1e6),
            overhead_us=int(max(0.0, trace.forwarded_s - trace.started_s) * 1e6),
            relayed_bytes=trace.relayed_bytes,
        )
        if event.unmapped:
            self._metrics.unmapped(event.dialect, len(event.unmapped))
        if unpriced:
            self._unpriced(event, unpriced)
        line = self._line(trace, duration_s=duration_s)
        line["end"] = event.end
        line["provenance"] = event.provenance
        line["input_tokens"] = event.usage.input_tokens
        line["output_tokens"] = event.usage.output_tokens
        line["cost_ucr"] = event.charge_ucr
        line["held_ucr"] = event.held_ucr
        line["overrun_ucr"] = max(0, event.charge_ucr - event.held_ucr)
        incident = event.provenance is Provenance.HELD
        self._log.call(line, level=Level.WARNING if incident else Level.INFO)

    def _unpriced(self, event: UsageEvent, names: Sequence[str]) -> None:
        """Admission did not foresee it: what the caller was not charged, the operator is."""
        for name in names:
            self._metrics.unpriced(name)
        self._log.state(
            "used_without_price",
            level=Level.WARNING,
            request_id=event.event_id,
            model=event.model,
            used=", ".join(names),
            action="add a price to the rate card",
        )

    def begun(self, trace: Trace, event: UsageEvent, *, duration_s: float) -> None:
        """A call was answered whose job goes on; its charge comes later."""
        self._metrics.job_begun(event.dialect)
        self._metrics.relayed(trace.relayed_bytes)
        line = self._line(trace, duration_s=duration_s)
        line["end"] = "begun"
        line["held_ucr"] = event.held_ucr
        self._log.call(line)

    def job_ended(
        self,
        job: Job,
        ask: Settle | Release,
        outcome: JobOutcome,
        *,
        unpriced: Sequence[str] = (),
    ) -> None:
        """What a provider said of a job, or that it said nothing, was settled. Others may have
        heard of it as well: it is told by the one whose settlement was applied."""
        if isinstance(outcome, AlreadyEnded):
            return
        event = ask.event if isinstance(ask, Settle) else None
        self._metrics.job_ended(job.owed.event.dialect, event)
        if event is not None and event.unmapped:
            self._metrics.unmapped(event.dialect, len(event.unmapped))
        if event is not None and unpriced:
            self._unpriced(event, unpriced)
        incident = event is not None and event.provenance is Provenance.HELD
        self._log.state(
            "job_ended",
            level=Level.WARNING if incident else Level.INFO,
            request_id=job.hold_id,
            account_id=job.owed.account_id,
            job=job.name,
            model=job.model,
            end="released" if event is None else event.end,
            provenance="" if event is None else event.provenance,
            cost_ucr=0 if event is None else event.charge_ucr,
            held_ucr=job.owed.event.held_ucr,
            late=isinstance(outcome, Settled) and outcome.late,
        )

    def refused(self, trace: Trace, error: GatewayError, *, duration_s: float) -> None:
        """Answered with an error of ours, or nobody was left to answer."""
        if isinstance(error, ClientLeft) and trace.forwarded_s:
            # It owes its prompt: its line comes with the charge.
            return
        trace.reason = error.code
        if not isinstance(error, ClientLeft):
            self._metrics.refused(error.code)
        if isinstance(error, UnknownEndpoint):
            self._metrics.unknown_endpoint(UnknownHandling.REFUSED)
        line = self._line(trace, duration_s=duration_s)
        line["event"] = "refusal"
        line["status"] = trace.status or error.status
        level = Level.ERROR if error.status == 500 else Level.INFO  # noqa: PLR2004  a bug of ours
        self._log.call(line, level=level)

    def unknown_endpoint(self, *, charged: bool) -> None:
        """A path that no table knows is being forwarded, by configuration."""
        handled = UnknownHandling.CHARGED if charged else UnknownHandling.FREE
        self._metrics.unknown_endpoint(handled)

    def passed(self, trace: Trace, *, duration_s: float) -> None:
        """Relayed without a charge: a free endpoint, or an error of the provider's."""
        self._metrics.relayed(trace.relayed_bytes)
        if trace.status >= 400:  # noqa: PLR2004  HTTP's errors begin here
            self._metrics.provider_error(trace.provider, trace.status)
        self._log.call(self._line(trace, duration_s=duration_s))

    def fault(self, where: str, fault: BaseException) -> None:
        """A bug. The type is told, the text is not: it might quote what it choked on."""
        frames = []
        traceback = fault.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            frames.append(f"{code.co_name}:{traceback.tb_lineno}")
            traceback = traceback.tb_next
        self._log.state(
            "fault",
            level=Level.ERROR,
            where=where,
            kind=type(fault).__name__,
            at=" > ".join(frames),
        )

    def usage_disbelieved(self) -> None:
        """A provider reported what cannot be; the call is charged by our own count."""
        self._metrics.usage_disbelieved()

    def settled(self, ask: Ask, outcome: Outcome) -> None:
        """An ending that was sent, or replayed from the spool, was answered."""
        if isinstance(outcome, Settled) and outcome.late:
            self._metrics.settled_late()
            self._log.state("settled_late", level=Level.WARNING, request_id=hold_id_of(ask))
        elif isinstance(outcome, Kept) and outcome.late:
            self._log.state("kept_late", level=Level.WARNING, request_id=hold_id_of(ask))

    def spooled(self) -> None:
        self._metrics.spooled()

    def hold_expired(self, count: int) -> None:
        self._metrics.hold_expired(count)
        self._log.state("holds_expired", level=Level.WARNING, count=count)

    def sweep_failed(self, error: GatewayError) -> None:
        self._background_failed("sweep", error)

    def replay_failed(self, error: GatewayError) -> None:
        self._background_failed("replay", error)

    def not_remembered(self, error: GatewayError) -> None:
        """An object was created and there is no record of it: its creator will not find it."""
        self._log.state("object_not_remembered", level=Level.ERROR, reason=error.message)

    def job_not_asked(self, error: GatewayError) -> None:
        self._background_failed("jobs", error)

    def drained(self, count: int, *, lag_ms: int) -> None:
        self._metrics.drained(count, lag_ms=lag_ms)

    def drain_failed(self, error: GatewayError, *, lag_ms: int) -> None:
        self._metrics.drain_failed(lag_ms=max(0, lag_ms))
        self._background_failed("journal", error)

    def drained_elsewhere(self) -> None:
        """Told once: this machine's history stays as it is."""
        if not self._drained_elsewhere:
            self._drained_elsewhere = True
            self._log.state("history_elsewhere", level=Level.WARNING)

    def _background_failed(self, work: str, error: GatewayError) -> None:
        # A store that is away is told once, when it goes; anything else is told each time.
        if not isinstance(error, StoreUnavailable):
            self._log.state("background_failed", level=Level.ERROR, work=work, reason=error.message)

    def store(self, *, up: bool) -> None:
        """The store's state at each look; told when it changes."""
        self._metrics.set_store_up(up=up)
        if up != self._store_up:
            self._store_up = up
            event, level = ("store_back", Level.INFO) if up else ("store_lost", Level.ERROR)
            self._log.state(event, level=level)

    def unsettled(self, ask: Ask) -> None:
        self._metrics.unmetered()
        self._log.state(
            "settlement_stranded",
            level=Level.ERROR,
            request_id=hold_id_of(ask),
            action="free disk space: no new call is admitted until it has a durable place",
        )

    def _line(self, trace: Trace, *, duration_s: float) -> CallLine:
        return {
            "event": "call",
            "request_id": trace.request_id,
            "key_id": trace.key_id,
            "account_id": trace.account_id,
            "dialect": trace.dialect,
            "provider": trace.provider,
            "model": trace.model,
            "status": trace.status,
            "end": "",
            "reason": trace.reason,
            "provenance": "",
            "input_tokens": 0,
            "output_tokens": 0,
            "cost_ucr": 0,
            "held_ucr": 0,
            "overrun_ucr": 0,
            "ttfb_ms": int(trace.ttfb_s * 1000),
            "duration_ms": int(duration_s * 1000),
        }


def elapsed_s(trace: Trace) -> float:
    return monotonic() - trace.started_s
