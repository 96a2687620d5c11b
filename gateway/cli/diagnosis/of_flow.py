"""Judgements on what follows the ledger: the history, and the sinks. Asks nobody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.cli.diagnosis.finding import Finding, fault, ok, unknown, warning

# It follows by less than a second; the outbox keeps a day.
HISTORY_WARNING_S = 60
HISTORY_FAULT_S = 3_600
SINK_WARNING_S = 300
SINK_FAULT_S = 43_200


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkFacts:
    name: str
    waiting: int
    lag_s: float
    dead: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFacts:
    """`history_lag_s` None: it could not be asked, `history_trouble` says why."""

    history_lag_s: float | None
    history_trouble: str
    sinks: Sequence[SinkFacts]


def of_flow(facts: FlowFacts) -> Iterator[Finding]:
    yield history(facts)
    if not facts.sinks:
        yield ok("sinks", "none configured")
    for sink in facts.sinks:
        yield of_sink(sink)


def history(facts: FlowFacts) -> Finding:
    if facts.history_lag_s is None:
        return unknown("history", facts.history_trouble)
    found = f"{facts.history_lag_s:.0f} s behind the ledger"
    todo = "Charges are right. See that a gateway runs and that the history's database answers."
    if facts.history_lag_s > HISTORY_FAULT_S:
        return fault("history", found, todo)
    if facts.history_lag_s > HISTORY_WARNING_S:
        return warning("history", found, todo)
    return ok("history", "has all that the ledger wrote, or all but the last minute")


def of_sink(sink: SinkFacts) -> Finding:
    check = f"sink {sink.name}"
    found = f"{sink.waiting} waiting, {sink.lag_s:.0f} s behind, {sink.dead} dead letters"
    if sink.dead:
        return fault(check, found, f"See `tollkeeper export dead {sink.name}`, mend, then redrive.")
    if sink.lag_s > SINK_FAULT_S:
        return fault(check, found, "It misses what is older than a day: see `export status`.")
    if sink.lag_s > SINK_WARNING_S or sink.state in ("paused", "disabled", "failing"):
        return warning(check, f"{found}, {sink.state}", "See `tollkeeper export status`.")
    return ok(check, found)
