"""What the rest of the gateway tells about itself: one method per fact, cheap enough to call.

A finished call costs one method call and about two microseconds. Cells are looked up in tables
made at start; anything a closed set does not name is counted as `other`. Rendering is
`exposition`'s business.

Amounts, byte counts and durations are non-negative integers: cells cannot go down.
"""

from gateway.metering.advances import Drawn
from gateway.metering.events import UsageEvent
from gateway.metering.failover import AttemptEnd, ProbeEnd, Unanswered
from gateway.metering.hedging import HedgeEnd
from gateway.metering.pieces import PIECES, piece_kind
from gateway.telemetry import families
from gateway.telemetry import families_of_billing as of_billing
from gateway.telemetry import families_of_calls as of_calls
from gateway.telemetry import families_of_ledger as of_ledger
from gateway.telemetry import families_of_providers as of_providers
from gateway.telemetry.call_cells import CallCells, observe
from gateway.telemetry.carried import Translation
from gateway.telemetry.cells import Cells, Layout, SharedCells
from gateway.telemetry.closed_sets import (
    OTHER,
    PROVIDER_STATUSES,
    SERVICE_TIER,
    MetricLabels,
    UnknownHandling,
)
from gateway.telemetry.family import Family, Kind

STATUS_CLASSES = {3: "3xx", 4: "4xx"}


class Metrics:
    """Counts into one worker's region of the shared cells; `read` sees those of all."""

    def __init__(
        self,
        layout: Layout,
        shared: SharedCells,
        *,
        labels: MetricLabels,
        earlier: "Metrics | None" = None,
    ) -> None:
        self.layout = layout
        self._shared = shared
        self._earlier = earlier
        self._translation = None if earlier is None else Translation(earlier.layout, layout)
        self._cells = shared.region(0)
        values = labels.values()
        self._calls = CallCells(layout, values)
        self._providers = frozenset(values["provider"])
        self._dialects = frozenset(values["dialect"])
        self._refusals = {
            reason: layout.cell(of_calls.REFUSALS, reason) for reason in values["reason"]
        }
        cell = layout.cell
        self._overhead = cell(of_calls.OVERHEAD)
        self._relayed = cell(of_calls.RELAYED)
        self._open_calls = cell(families.OPEN_CALLS)

    @classmethod
    def create(
        cls, labels: MetricLabels, *, workers: int, earlier: "Metrics | None" = None
    ) -> "Metrics":
        """Cells for `workers` slots. Call it before forking; counts go to slot 0 until `attach`.

        `earlier`: those of the configuration that is being replaced, whose counts go on. Its
        workers may still count; those of the one before it may not.
        """
        layout = Layout(families.FAMILIES, labels.values())
        # One region more, for what was counted before `earlier`.
        shared = SharedCells(layout.cells, workers=workers + 1)
        metrics = cls(layout, shared, labels=labels, earlier=earlier)
        if earlier is not None:
            metrics._inherit(earlier, shared.region(workers))
        return metrics

    def _inherit(self, earlier: "Metrics", region: Cells) -> None:
        """Keep what `earlier` had inherited from a configuration before it, which is over."""
        before = earlier.inherited()
        if before is not None:
            total = Translation(earlier.layout, self.layout).total([before])
            for cell, value in enumerate(total):
                region[cell] = value

    def inherited(self) -> list[int] | None:
        """What workers of the configuration before counted, in this layout."""
        if self._earlier is None or self._translation is None:
            return None
        return self._translation.total(self._earlier.own())

    def forget_earlier(self) -> None:
        """Free what another has taken over."""
        self._earlier = self._translation = None

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

    def own(self) -> list[list[int]]:
        """The cells of this configuration's workers, in slot order."""
        return self._shared.read()

    def read(self) -> list[list[int]]:
        """Every region to add up at about this moment: the workers', then what came before."""
        before = self.inherited()
        return self.own() if before is None else [*self.own(), before]

    def call_ended(
        self,
        event: UsageEvent,
        *,
        ttfb_us: int,
        duration_us: int,
        overhead_us: int,
        relayed_bytes: int,
    ) -> None:
        """A metered call is over and its charge is known. One call of this per call served."""
        cells = self._cells
        self._calls.ended(cells, event, ttfb_us, duration_us)
        observe(cells, self._overhead, of_calls.OVERHEAD_BOUNDS_US, overhead_us)
        cells[self._relayed] += relayed_bytes
        self._calls.charged(cells, event)

    def job_begun(self, dialect: str) -> None:
        self._job(of_calls.JOBS_BEGUN, dialect)

    def job_ended(self, dialect: str, event: UsageEvent | None) -> None:
        """Charged as the event says; None: its hold was released."""
        if event is None:
            self._job(of_calls.JOBS_RELEASED, dialect)
            return
        self._job(of_calls.JOBS_ENDED, dialect, event.end)
        self._calls.charged(self._cells, event)

    def _job(self, family: Family, dialect: str, *labels: str) -> None:
        known = dialect if dialect in self._dialects else OTHER
        self._cells[self.layout.cell(family, known, *labels)] += 1

    def refused(self, reason: str) -> None:
        """Answered with an error of ours; `reason` is the error's code."""
        self._cells[self._refusals.get(reason, self._refusals[OTHER])] += 1
        if reason == "invalid_api_key":
            self._add(of_calls.AUTHENTICATION_FAILURES, 1)

    def unknown_endpoint(self, handled: UnknownHandling) -> None:
        """A path no table knows, and what the configuration did with it."""
        self._cells[self.layout.cell(of_calls.UNKNOWN_ENDPOINTS, handled)] += 1

    def provider_error(self, provider: str, status: int) -> None:
        """The provider answered with an error, which is passed on unbilled."""
        self._provider(of_calls.PROVIDER_ERRORS, provider, _status_label(status))

    def failed_over(self, provider: str, outcome: AttemptEnd) -> None:
        """A call went to another provider than this one, which had this outcome."""
        label = outcome if isinstance(outcome, Unanswered) else _status_label(outcome)
        self._provider(of_providers.FAILOVERS, provider, label)

    def probed(self, provider: str, end: ProbeEnd) -> None:
        self._provider(of_providers.PROBES, provider, end)

    def hedged(self, provider: str, end: HedgeEnd) -> None:
        self._provider(of_providers.HEDGES, provider, end)

    def hedge_withheld(self) -> None:
        self._add(of_providers.HEDGES_WITHHELD, 1)

    def cut_off(self, provider: str, prompt_tokens: int) -> None:
        """A charged call had been sent to this provider as well."""
        known = provider if provider in self._providers else OTHER
        self._cells[self.layout.cell(of_providers.CUT_OFF_TOKENS, known)] += prompt_tokens

    def ejected(self, provider: str) -> None:
        self._provider(of_providers.EJECTIONS, provider)

    def cooled(self, provider: str) -> None:
        self._provider(of_providers.COOLINGS, provider)

    def set_ejected(self, provider: str, *, ejected: bool) -> None:
        """As this worker sees it: the workers' are added up."""
        if provider in self._providers:
            self._cells[self.layout.cell(of_providers.EJECTED, provider)] = int(ejected)

    def _provider(self, family: Family, provider: str, *labels: str) -> None:
        known = provider if provider in self._providers else OTHER
        self._cells[self.layout.cell(family, known, *labels)] += 1

    def relayed(self, count_bytes: int) -> None:
        """Answer bytes of calls that are not metered: provider errors, free endpoints."""
        self._cells[self._relayed] += count_bytes

    def unmetered(self) -> None:
        """A call was served and nothing records its charge: an incident."""
        self._add(of_calls.UNMETERED, 1)

    def usage_disbelieved(self) -> None:
        self._add(of_calls.DISBELIEVED, 1)

    def unpriced(self, name: str) -> None:
        """A call used `name`, a piece or a service tier, which has no price: an incident."""
        kind = piece_kind(name)
        label = kind if kind in PIECES else SERVICE_TIER
        self._cells[self.layout.cell(of_calls.UNPRICED, label)] += 1

    def unmapped(self, dialect: str, count: int) -> None:
        """A provider's report had that many numbers that mean nothing to us."""
        label = dialect if dialect in self._dialects else OTHER
        self._cells[self.layout.cell(of_calls.UNMAPPED, label)] += count

    def hold_expired(self, count: int) -> None:
        self._add(of_ledger.HOLDS_EXPIRED, count)

    def settled_late(self) -> None:
        self._add(of_ledger.LATE_SETTLES, 1)

    def spooled(self) -> None:
        self._add(of_ledger.SPOOLED_SETTLES, 1)

    def restored(self) -> None:
        self._add(of_ledger.RESTORED_SETTLES, 1)

    def set_shards_closed(self, count: int) -> None:
        self._cells[self.layout.cell(of_ledger.SHARDS_CLOSED)] = count

    def replayed_entries(self, count: int) -> None:
        self._add(of_ledger.REPLAYED_ENTRIES, count)

    def set_spool_waiting(self, count: int) -> None:
        """This worker's own spool only: the workers' figures are added up."""
        self._cells[self.layout.cell(of_ledger.SPOOL_WAITING)] = count

    def drained(self, count: int, *, lag_ms: int) -> None:
        """That many entries came into the history. The workers that stand by have no lag."""
        self._add(of_ledger.HISTORY_ENTRIES, count)
        self._cells[self.layout.cell(of_ledger.HISTORY_LAG)] = lag_ms

    def drain_failed(self, *, lag_ms: int) -> None:
        self._add(of_ledger.HISTORY_FAILURES, 1)
        self._cells[self.layout.cell(of_ledger.HISTORY_LAG)] = lag_ms

    def drawn(self, outcome: Drawn) -> None:
        """A call that the store did not answer, of a plan with an advance."""
        self._cells[self.layout.cell(of_ledger.DRAWN_CALLS, outcome)] += 1

    def set_advances(self, held_ucr: int) -> None:
        """This worker's own: the workers' are added up."""
        self._cells[self.layout.cell(of_ledger.ADVANCES_UCR)] = held_ucr

    def set_open_calls(self, count: int) -> None:
        self._cells[self._open_calls] = count

    def set_store_up(self, *, up: bool) -> None:
        self._cells[self.layout.cell(of_ledger.STORE_UP)] = int(up)

    def loop_lagged(self, lag_us: int) -> None:
        observe(self._cells, self.layout.cell(families.LOOP_LAG), families.LAG_BOUNDS_US, lag_us)

    def set_tasks(self, count: int) -> None:
        self._cells[self.layout.cell(families.TASKS)] = count

    def exported(self, sink: str, outcome: str, count: int) -> None:
        self._cells[self.layout.cell(of_billing.EXPORTED, sink, outcome)] += count

    def received(self, source: str, received: str) -> None:
        self._cells[self.layout.cell(of_billing.INCOMING, source, received)] += 1

    def set_export(self, sink: str, *, waiting: int, dead: int, lag_ms: int) -> None:
        """Of the shards this worker delivers to the sink from: the workers' are put together."""
        self._cells[self.layout.cell(of_billing.EXPORT_WAITING, sink)] = waiting
        self._cells[self.layout.cell(of_billing.EXPORT_DEAD, sink)] = dead
        self._cells[self.layout.cell(of_billing.EXPORT_LAG, sink)] = lag_ms

    def set_export_broken(self, sink: str, *, broken: bool) -> None:
        self._cells[self.layout.cell(of_billing.EXPORT_BROKEN, sink)] = int(broken)

    def log_lines_dropped(self, count: int) -> None:
        self._add(families.LOG_LINES_DROPPED, count)

    def _add(self, family: Family, count: int) -> None:
        self._cells[self.layout.cell(family)] += count


def _status_label(status: int) -> str:
    label = str(status)
    return label if label in PROVIDER_STATUSES else STATUS_CLASSES.get(status // 100, "5xx")
