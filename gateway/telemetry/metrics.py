"""What the rest of the gateway tells about itself: one method per fact, cheap enough to call.

A finished call costs one method call and about two microseconds. Cells are looked up in tables
made at start; anything a closed set does not name is counted as `other`. Rendering is
`exposition`'s business.

Amounts, byte counts and durations are non-negative integers: cells cannot go down.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.metering.events import End, UsageEvent
from gateway.metering.pieces import PIECES, piece_kind
from gateway.metering.usage import Provenance, TokenClass, Usage
from gateway.telemetry import families
from gateway.telemetry.cells import Cells, Layout, SharedCells
from gateway.telemetry.families import OTHER, SERVICE_TIER, Family, Kind, UnknownHandling

STATUS_CLASSES = {3: "3xx", 4: "4xx"}
CLASS_OFFSET: Mapping[str, int] = {name: offset for offset, name in enumerate(TokenClass)}
INPUT_UNCACHED = CLASS_OFFSET[TokenClass.INPUT_UNCACHED]
OUTPUT_TEXT = CLASS_OFFSET[TokenClass.OUTPUT_TEXT]
RARE_CLASSES = tuple(
    name for name in TokenClass if name not in (TokenClass.INPUT_UNCACHED, TokenClass.OUTPUT_TEXT)
)


# What becomes of an event of a payment system.
RECEIVED = ("granted", "corrected", "repeated", "ignored", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLabels:
    """The label values of this installation: dialects and providers in use, priced models."""

    dialects: tuple[str, ...]
    providers: tuple[str, ...]
    models: tuple[str, ...]
    sinks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def values(self) -> Mapping[str, tuple[str, ...]]:
        return {
            "dialect": _with_other(self.dialects),
            "provider": _with_other(self.providers),
            "model": _with_other(self.models),
            "end": tuple(End),
            "provenance": tuple(Provenance),
            "class": tuple(TokenClass),
            "reason": families.REFUSAL_REASONS,
            "status": families.PROVIDER_STATUSES,
            "handled": tuple(UnknownHandling),
            "sink": self.sinks,
            "source": self.sources,
            "received": RECEIVED,
            "outcome": families.EXPORT_OUTCOMES,
            "piece": (*PIECES, OTHER),
            "unpriced": (*PIECES, SERVICE_TIER),
        }


@dataclass(frozen=True, slots=True)
class _Route:
    """Cells of one dialect at one provider. `ends` go by their plain text, as `provenances` do: an
    enum member as a key is hashed by slow code."""

    ends: Mapping[str, int]
    first_byte: int
    duration: int


@dataclass(frozen=True, slots=True)
class _Model:
    """Cells of one model. `tokens` is the first of its classes, in TokenClass' order."""

    provenances: Mapping[str, int]
    tokens: int
    charges: int
    holds: int


class Metrics:
    """Counts into one worker's region of the shared cells; `read` sees those of all."""

    def __init__(self, layout: Layout, shared: SharedCells, *, labels: MetricLabels) -> None:
        self.layout = layout
        self._shared = shared
        self._cells = shared.region(0)
        values = labels.values()
        self._routes = {
            (dialect, provider): _route(layout, dialect, provider)
            for dialect in values["dialect"]
            for provider in values["provider"]
        }
        self._providers = frozenset(values["provider"])
        self._dialects = frozenset(values["dialect"])
        self._other_route = self._routes[OTHER, OTHER]
        self._models = {model: _model(layout, model) for model in values["model"]}
        self._other_model = self._models[OTHER]
        self._refusals = {
            reason: layout.cell(families.REFUSALS, reason) for reason in values["reason"]
        }
        self._pieces = {kind: layout.cell(families.PIECES_USED, kind) for kind in values["piece"]}
        cell = layout.cell
        self._overruns = cell(families.OVERRUNS)
        self._overruns_ucr = cell(families.OVERRUNS_UCR)
        self._overhead = cell(families.OVERHEAD)
        self._relayed = cell(families.RELAYED)
        self._open_calls = cell(families.OPEN_CALLS)

    @classmethod
    def create(cls, labels: MetricLabels, *, workers: int) -> "Metrics":
        """Cells for `workers` slots. Call it before forking; counts go to slot 0 until `attach`."""
        layout = Layout(families.FAMILIES, labels.values())
        return cls(layout, SharedCells(layout.cells, workers=workers), labels=labels)

    def attach(self, worker_index: int) -> None:
        """Become the worker of this slot: its counters go on, its gauges start anew."""
        self._cells = self._shared.region(worker_index)
        self._clear_gauges(self._cells)
        self._cells[self.layout.cell(families.WORKERS)] = 1

    def detach(self, worker_index: int) -> None:
        """For the supervisor, once a worker is dead: what it counted stays, what it was ends."""
        self._clear_gauges(self._shared.region(worker_index))

    def _clear_gauges(self, cells: Cells) -> None:
        for family in self.layout.families:
            if family.kind is Kind.GAUGE:
                for series in self.layout.series(family):
                    cells[series.cell] = 0

    def read(self) -> list[list[int]]:
        """Every worker's cells at about this moment, in slot order."""
        return self._shared.read()

    def call_ended(
        self,
        *,
        dialect: str,
        provider: str,
        model: str,
        end: End,
        provenance: Provenance,
        usage: Usage,
        charge_ucr: int,
        held_ucr: int,
        ttfb_us: int,
        duration_us: int,
        overhead_us: int,
        relayed_bytes: int,
    ) -> None:
        """A metered call is over and its charge is known. One call of this per call served."""
        cells = self._cells
        answer_bounds = families.ANSWER_BOUNDS_US
        route = self._routes.get((dialect, provider), self._other_route)
        cells[route.ends[end._value_]] += 1
        _observe(cells, route.first_byte, answer_bounds, ttfb_us)
        _observe(cells, route.duration, answer_bounds, duration_us)
        _observe(cells, self._overhead, families.OVERHEAD_BOUNDS_US, overhead_us)
        cells[self._relayed] += relayed_bytes
        self._charged(
            model=model,
            provenance=provenance,
            usage=usage,
            charge_ucr=charge_ucr,
            held_ucr=held_ucr,
        )

    def _charged(
        self,
        *,
        model: str,
        provenance: Provenance,
        usage: Usage,
        charge_ucr: int,
        held_ucr: int,
    ) -> None:
        cells = self._cells
        entry = self._models.get(model, self._other_model)
        cells[entry.provenances[provenance._value_]] += 1
        cells[entry.charges] += charge_ucr
        cells[entry.holds] += held_ucr
        _count_tokens(cells, entry.tokens, usage)
        for name, count in usage.pieces:
            cells[self._pieces.get(piece_kind(name), self._pieces[OTHER])] += count
        if charge_ucr > held_ucr:
            cells[self._overruns] += 1
            cells[self._overruns_ucr] += charge_ucr - held_ucr

    def job_begun(self, dialect: str) -> None:
        self._job(families.JOBS_BEGUN, dialect)

    def job_ended(self, dialect: str, event: UsageEvent | None) -> None:
        """Charged as the event says; None: its hold was released."""
        if event is None:
            self._job(families.JOBS_RELEASED, dialect)
            return
        self._job(families.JOBS_ENDED, dialect, event.end)
        self._charged(
            model=event.model,
            provenance=event.provenance,
            usage=event.usage,
            charge_ucr=event.charge_ucr,
            held_ucr=event.held_ucr,
        )

    def _job(self, family: Family, dialect: str, *labels: str) -> None:
        known = dialect if dialect in self._dialects else OTHER
        self._cells[self.layout.cell(family, known, *labels)] += 1

    def refused(self, reason: str) -> None:
        """Answered with an error of ours; `reason` is the error's code."""
        self._cells[self._refusals.get(reason, self._refusals[OTHER])] += 1
        if reason == "invalid_api_key":
            self._add(families.AUTHENTICATION_FAILURES, 1)

    def unknown_endpoint(self, handled: UnknownHandling) -> None:
        """A path no table knows, and what the configuration did with it."""
        self._cells[self.layout.cell(families.UNKNOWN_ENDPOINTS, handled)] += 1

    def provider_error(self, provider: str, status: int) -> None:
        """The provider answered with an error, which is passed on unbilled."""
        label = str(status)
        if label not in families.PROVIDER_STATUSES:
            label = STATUS_CLASSES.get(status // 100, "5xx")
        known = provider if provider in self._providers else OTHER
        self._cells[self.layout.cell(families.PROVIDER_ERRORS, known, label)] += 1

    def relayed(self, count_bytes: int) -> None:
        """Answer bytes of calls that are not metered: provider errors, free endpoints."""
        self._cells[self._relayed] += count_bytes

    def unmetered(self) -> None:
        """A call was served and nothing records its charge: an incident."""
        self._add(families.UNMETERED, 1)

    def usage_disbelieved(self) -> None:
        self._add(families.DISBELIEVED, 1)

    def unpriced(self, name: str) -> None:
        """A call used `name`, a piece or a service tier, which has no price: an incident."""
        kind = piece_kind(name)
        label = kind if kind in PIECES else SERVICE_TIER
        self._cells[self.layout.cell(families.UNPRICED, label)] += 1

    def unmapped(self, dialect: str, count: int) -> None:
        """A provider's report had that many numbers that mean nothing to us."""
        label = dialect if dialect in self._dialects else OTHER
        self._cells[self.layout.cell(families.UNMAPPED, label)] += count

    def hold_expired(self, count: int) -> None:
        self._add(families.HOLDS_EXPIRED, count)

    def settled_late(self) -> None:
        self._add(families.LATE_SETTLES, 1)

    def spooled(self) -> None:
        self._add(families.SPOOLED_SETTLES, 1)

    def set_spool_waiting(self, count: int) -> None:
        """This worker's own spool only: the workers' figures are added up."""
        self._cells[self.layout.cell(families.SPOOL_WAITING)] = count

    def drained(self, count: int, *, lag_ms: int) -> None:
        """That many entries came into the history. The workers that stand by have no lag."""
        self._add(families.HISTORY_ENTRIES, count)
        self._cells[self.layout.cell(families.HISTORY_LAG)] = lag_ms

    def drain_failed(self, *, lag_ms: int) -> None:
        self._add(families.HISTORY_FAILURES, 1)
        self._cells[self.layout.cell(families.HISTORY_LAG)] = lag_ms

    def set_open_calls(self, count: int) -> None:
        self._cells[self._open_calls] = count

    def set_store_up(self, *, up: bool) -> None:
        self._cells[self.layout.cell(families.STORE_UP)] = int(up)

    def loop_lagged(self, lag_us: int) -> None:
        lag = self.layout.cell(families.LOOP_LAG)
        _observe(self._cells, lag, families.LAG_BOUNDS_US, lag_us)

    def exported(self, sink: str, outcome: str, count: int) -> None:
        self._cells[self.layout.cell(families.EXPORTED, sink, outcome)] += count

    def received(self, source: str, received: str) -> None:
        self._cells[self.layout.cell(families.INCOMING, source, received)] += 1

    def set_export(self, sink: str, *, waiting: int, dead: int, lag_ms: int) -> None:
        """Of the shards this worker delivers to the sink from: the workers' are put together."""
        self._cells[self.layout.cell(families.EXPORT_WAITING, sink)] = waiting
        self._cells[self.layout.cell(families.EXPORT_DEAD, sink)] = dead
        self._cells[self.layout.cell(families.EXPORT_LAG, sink)] = lag_ms

    def set_export_broken(self, sink: str, *, broken: bool) -> None:
        self._cells[self.layout.cell(families.EXPORT_BROKEN, sink)] = int(broken)

    def log_lines_dropped(self, count: int) -> None:
        self._add(families.LOG_LINES_DROPPED, count)

    def _add(self, family: Family, count: int) -> None:
        self._cells[self.layout.cell(family)] += count


def _observe(cells: Cells, first: int, bounds: tuple[int, ...], value: int) -> None:
    """Count `value` in its bucket; the sum stands behind the bucket of everything larger."""
    cells[first + bisect_left(bounds, value)] += 1
    cells[first + len(bounds) + 1] += value


def _count_tokens(cells: Cells, first: int, usage: Usage) -> None:
    cells[first + INPUT_UNCACHED] += usage.input_uncached
    cells[first + OUTPUT_TEXT] += usage.output_text
    # Nearly every call uses the two above and none of these: one sum tells.
    rare_tokens = (
        usage.input_cache_read
        + usage.input_cache_write_5m
        + usage.input_cache_write_1h
        + usage.input_audio
        + usage.input_image
        + usage.output_reasoning
        + usage.output_audio
        + usage.output_image
    )
    if rare_tokens:
        for name in RARE_CLASSES:
            cells[first + CLASS_OFFSET[name]] += getattr(usage, name)


def _route(layout: Layout, dialect: str, provider: str) -> _Route:
    return _Route(
        ends={end.value: layout.cell(families.CALLS, dialect, provider, end) for end in End},
        first_byte=layout.cell(families.FIRST_BYTE, dialect, provider),
        duration=layout.cell(families.DURATION, dialect, provider),
    )


def _model(layout: Layout, model: str) -> _Model:
    return _Model(
        provenances={
            provenance.value: layout.cell(families.USAGES, model, provenance)
            for provenance in Provenance
        },
        tokens=layout.cell(families.TOKENS, model, next(iter(TokenClass))),
        charges=layout.cell(families.CHARGES_UCR, model),
        holds=layout.cell(families.HOLDS_UCR, model),
    )


def _with_other(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*values, OTHER)))
