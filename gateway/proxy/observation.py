"""What is told of calls: their log line, their metrics. Written to, never asked."""

from collections.abc import Mapping, Sequence
from time import monotonic

from gateway.errors import ClientLeft, GatewayError, StoreUnavailable, UnknownEndpoint
from gateway.metering.changes import Change
from gateway.metering.events import UsageEvent
from gateway.metering.failover import HTTP_ERRORS, AttemptEnd, ProbeEnd
from gateway.metering.hedging import HedgeEnd
from gateway.metering.jobs import Job
from gateway.metering.ledger import AlreadyEnded, Release, Released, Settle, Settled
from gateway.metering.refusals import PROVIDER_ERROR, Tally, Turned
from gateway.metering.usage import Provenance
from gateway.proxy.health import Turn
from gateway.proxy.trace import Trace
from gateway.stores.base import Ask
from gateway.stores.rewinding import Rewind
from gateway.telemetry.closed_sets import UnknownHandling
from gateway.telemetry.logs import CallLine, Level, Log
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.spans import Spans

JobOutcome = Settled | Released | AlreadyEnded
# Members of an enumeration cost a descriptor call each time they are reached through it.
_HELD, _INFO, _WARNING = Provenance.HELD, Level.INFO, Level.WARNING


class Observation:
    def __init__(self, log: Log, metrics: Metrics, tally: Tally) -> None:
        """`tally`: of calls that came to nothing, for those who made them."""
        self._log = log
        self._metrics = metrics
        self._tally = tally
        self._spans: Spans | None = None
        self._store_up = True
        self._drained_elsewhere = False

    def trace_to(self, spans: Spans) -> None:
        """From here on, each call has a span."""
        self._spans = spans

    def spans_lost(self) -> None:
        """The collector does not take what it is sent."""
        self._log.state("spans_not_sent", level=Level.WARNING)

    def came(self, trace: Trace, headers: Mapping[str, str]) -> None:
        """A call began."""
        if self._spans is not None:
            trace.span = self._spans.begin(headers.get("traceparent", ""))

    def _ended(self, trace: Trace, line: CallLine, *, level: Level = Level.INFO) -> None:
        self._log.call(line, level=level)
        # Some calls are held several times and have as many lines, but one span.
        span, trace.span = trace.span, None
        if self._spans is not None and span is not None:
            self._spans.end(span, line)

    def metered(
        self, trace: Trace, event: UsageEvent, *, duration_s: float, unpriced: Sequence[str] = ()
    ) -> None:
        """A call that is charged came to its end. `unpriced`: what it used that has no price."""
        usage, charge_ucr, held_ucr = event.usage, event.charge_ucr, event.held_ucr
        overhead_s = trace.forwarded_s - trace.started_s if trace.forwarded_s else 0.0
        self._metrics.call_ended(
            event,
            ttfb_us=int(trace.ttfb_s * 1e6),
            duration_us=int(duration_s * 1e6),
            overhead_us=int(overhead_s * 1e6),
            relayed_bytes=trace.relayed_bytes,
        )
        if event.unmapped:
            self._metrics.unmapped(event.dialect, len(event.unmapped))
        if event.cut_off is not None:
            self._metrics.cut_off(event.cut_off.provider, usage.input_tokens)
        if unpriced:
            self._unpriced(event, unpriced)
        line = self._line(trace, duration_s=duration_s)
        if event.cut_off is not None:
            line["cut_off"] = event.cut_off.provider
        line["end"] = event.end
        line["provenance"] = event.provenance
        line["input_tokens"] = usage.input_tokens
        line["output_tokens"] = usage.output_tokens
        line["cost_ucr"] = charge_ucr
        line["held_ucr"] = held_ucr
        if charge_ucr > held_ucr:
            line["overrun_ucr"] = charge_ucr - held_ucr
        self._ended(trace, line, level=_WARNING if event.provenance is _HELD else _INFO)

    def changed(self, change: Change) -> None:
        """Somebody changed something, or tried to: the trail forgets one day, the log need not."""
        self._log.state(
            "change",
            action=change.action,
            actor=change.actor,
            via=change.via,
            address=change.address,
            account_id=change.account_id,
            subject=change.subject,
            outcome=change.outcome,
            request_id=change.request_id,
        )

    def noticed(self, outcome: str, endpoint_id: str, reason: str) -> None:
        """A notice came to its endpoint, or did not."""
        if outcome == "disabled":
            self._log.state("webhook_disabled", level=Level.WARNING, endpoint=endpoint_id)
        elif reason:
            self._log.state("webhook_failed", endpoint=endpoint_id, reason=reason)

    def notices_failed(self, error: GatewayError) -> None:
        # A store that is away is told once, by whoever watches it.
        if not isinstance(error, StoreUnavailable):
            self._log.state(
                "background_failed", level=Level.ERROR, work="notices", reason=error.message
            )

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
        self._ended(trace, line)

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
            # Of a stranger there is nobody to tell; what broke off after it began was charged.
            if trace.account_id and trace.status >= HTTP_ERRORS:
                self._tally.add(trace.account_id, _turned(trace, error.code))
        if isinstance(error, UnknownEndpoint):
            self._metrics.unknown_endpoint(UnknownHandling.REFUSED)
        line = self._line(trace, duration_s=duration_s)
        line["event"] = "refusal"
        line["status"] = trace.status or error.status
        level = Level.ERROR if error.status == 500 else Level.INFO  # noqa: PLR2004  a bug of ours
        self._ended(trace, line, level=level)

    def unknown_endpoint(self, *, charged: bool) -> None:
        """A path that no table knows is being forwarded, by configuration."""
        handled = UnknownHandling.CHARGED if charged else UnknownHandling.FREE
        self._metrics.unknown_endpoint(handled)

    def passed(self, trace: Trace, *, duration_s: float) -> None:
        """Relayed without a charge: a free endpoint, or an error of the provider's."""
        self._metrics.relayed(trace.relayed_bytes)
        if trace.status >= HTTP_ERRORS:
            self._metrics.provider_error(trace.provider, trace.status)
            self._tally.add(trace.account_id, _turned(trace, PROVIDER_ERROR))
        self._ended(trace, self._line(trace, duration_s=duration_s))

    def gone_on(self, trace: Trace, outcome: AttemptEnd) -> None:
        """An attempt at the provider came to this, and another one is asked."""
        self._metrics.failed_over(trace.provider, outcome)

    def hedged(self, provider: str, end: HedgeEnd) -> None:
        """This provider had been asked besides another, and came to that."""
        self._metrics.hedged(provider, end)

    def hedge_withheld(self) -> None:
        self._metrics.hedge_withheld()

    def probed(self, provider: str, end: ProbeEnd) -> None:
        self._metrics.probed(provider, end)

    def turned(self, provider: str, turn: Turn, model: str, for_s: float) -> None:
        """A provider is left alone from now on, or asked again."""
        if turn is Turn.COOLED:
            self._metrics.cooled(provider)
        else:
            self._metrics.set_ejected(provider, ejected=turn is Turn.EJECTED)
        if turn is Turn.EJECTED:
            self._metrics.ejected(provider)
        self._log.state(
            f"provider_{turn}",
            level=Level.INFO if turn is Turn.RETURNED else Level.WARNING,
            provider=provider,
            model=model,
            for_s=round(for_s, 3),
        )

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

    def late(self, ask: Ask) -> None:
        """An ending that was sent, or replayed from the spool, found its hold gone."""
        what = "kept_late"
        if isinstance(ask, Settle):
            what = "settled_late"
            self._metrics.settled_late()
        self._log.state(what, level=Level.WARNING, request_id=ask.hold_id)

    def restored(self, ask: Settle, outcome: Settled) -> None:
        """The store had confirmed this settlement and lost it; now it has it again."""
        self._metrics.restored()
        self._log.state(
            "settlement_restored",
            level=Level.ERROR,
            request_id=ask.hold_id,
            charge_ucr=outcome.charged_ucr,
        )

    def went_back(self, rewind: Rewind) -> None:
        """A shard lacks what the history has; its accounts get no new calls."""
        self._log.state(
            "store_went_back", level=Level.ERROR, shard=rewind.shard, lacks=rewind.lost_id
        )

    def stays_closed(self, rewind: Rewind, reason: str) -> None:
        self._log.state(
            "shard_stays_closed",
            level=Level.ERROR,
            shard=rewind.shard,
            reason=reason,
            action="see what `tollkeeper audit` says; `tollkeeper audit --repair` opens it",
        )

    def keys_lost(self, rewind: Rewind, key_ids: Sequence[str]) -> None:
        """They were made, and the store does not know them any more."""
        self._log.state(
            "keys_lost", level=Level.ERROR, shard=rewind.shard, key_ids=" ".join(key_ids[:100])
        )

    def caught_up(self, rewind: Rewind, *, replayed: int) -> None:
        """It has again what the history has."""
        self._metrics.replayed_entries(replayed)
        self._log.state("shard_caught_up", shard=rewind.shard, replayed=replayed)

    def shards_closed(self, count: int) -> None:
        self._metrics.set_shards_closed(count)

    def rewinds_unread(self, error: GatewayError) -> None:
        self._background_failed("rewinds", error)

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
            request_id=ask.hold_id,
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
            "attempts": trace.attempts,
            "cut_off": "",
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


def _turned(trace: Trace, reason: str) -> Turned:
    return Turned(reason, trace.key_id, trace.model)
