"""What is told of deliveries to sinks: metrics, and a line of the log when something changes."""

from typing import Protocol

from gateway.errors import GatewayError, StoreUnavailable
from gateway.telemetry.logs import Level, Log
from gateway.telemetry.metrics import Metrics


class Waiting(Protocol):
    """How much a sink has not got."""

    @property
    def waiting(self) -> int: ...
    @property
    def repeats(self) -> int: ...
    @property
    def sums(self) -> int: ...
    @property
    def dead(self) -> int: ...


class ExportObservation:
    def __init__(self, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics

    def exported(self, sink: str, outcome: str, count: int) -> None:
        self._metrics.exported(sink, outcome, count)

    def buried(self, sink: str, reason: str) -> None:
        self._log.state("dead_letter", level=Level.WARNING, sink=sink, reason=reason)

    def sink_failing(self, sink: str, reason: str) -> None:
        self._metrics.set_export_broken(sink, broken=True)
        self._log.state("sink_failing", level=Level.WARNING, sink=sink, reason=reason)

    def sink_back(self, sink: str) -> None:
        self._metrics.set_export_broken(sink, broken=False)
        self._log.state("sink_back", sink=sink)

    def sink_disabled(self, sink: str, reason: str) -> None:
        self._metrics.set_export_broken(sink, broken=True)
        self._log.state(
            "sink_disabled",
            level=Level.ERROR,
            sink=sink,
            reason=reason,
            action="nothing is sent until the next start",
        )

    def backlog(self, sink: str, backlog: Waiting, *, lag_ms: int) -> None:
        waiting = backlog.waiting + backlog.repeats + backlog.sums
        self._metrics.set_export(sink, waiting=waiting, dead=backlog.dead, lag_ms=lag_ms)

    def export_fault(self, sink: str, fault: Exception) -> None:
        """The type is told, the text is not: it might quote what it choked on."""
        kind, where = type(fault).__name__, f"export {sink}"
        self._log.state("fault", level=Level.ERROR, where=where, kind=kind)

    def export_failed(self, sink: str, error: GatewayError) -> None:
        # A store that is away is told once, by whoever watches it.
        if not isinstance(error, StoreUnavailable):
            self._log.state(
                "background_failed", level=Level.ERROR, work=f"export {sink}", reason=error.message
            )
