"""How the gateway is, in a handful of figures: all workers' cells put together, off the metrics.

Counters are since the start of the first worker; times are the upper bounds of the buckets that a
quantile falls into, in ms, and None where nothing was counted or it lies beyond the last bucket.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from gateway.telemetry import families
from gateway.telemetry import families_of_calls as of_calls
from gateway.telemetry import families_of_ledger as of_ledger
from gateway.telemetry.cells import Series
from gateway.telemetry.family import Family
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    workers: int
    store_up: bool
    """Every worker reaches it."""
    open_calls: int
    calls: int
    spool_waiting: int
    history_lag_ms: int
    loop_lag_p99_ms: float | None
    overhead_p50_ms: float | None
    overhead_p99_ms: float | None
    refusals: Mapping[str, int]
    """By the error's code; none that did not happen."""
    provider_errors: Mapping[str, int]
    """By provider."""
    wrong_keys: int
    holds_expired: int
    settled_late: int
    spooled: int
    restored: int
    unmetered: int
    disbelieved: int
    overruns: int
    log_lines_dropped: int


def vitals(metrics: Metrics) -> Vitals:
    read = _Read(metrics)
    return Vitals(
        workers=read.total(families.WORKERS),
        store_up=read.gauge(of_ledger.STORE_UP) == 1,
        open_calls=read.total(families.OPEN_CALLS),
        calls=read.total(of_calls.CALLS),
        spool_waiting=read.total(of_ledger.SPOOL_WAITING),
        history_lag_ms=read.most(of_ledger.HISTORY_LAG),
        loop_lag_p99_ms=read.quantile_ms(families.LOOP_LAG, 99),
        overhead_p50_ms=read.quantile_ms(of_calls.OVERHEAD, 50),
        overhead_p99_ms=read.quantile_ms(of_calls.OVERHEAD, 99),
        refusals=read.by_first_label(of_calls.REFUSALS),
        provider_errors=read.by_first_label(of_calls.PROVIDER_ERRORS),
        wrong_keys=read.total(of_calls.AUTHENTICATION_FAILURES),
        holds_expired=read.total(of_ledger.HOLDS_EXPIRED),
        settled_late=read.total(of_ledger.LATE_SETTLES),
        spooled=read.total(of_ledger.SPOOLED_SETTLES),
        restored=read.total(of_ledger.RESTORED_SETTLES),
        unmetered=read.total(of_calls.UNMETERED),
        disbelieved=read.total(of_calls.DISBELIEVED),
        overruns=read.total(of_calls.OVERRUNS),
        log_lines_dropped=read.total(families.LOG_LINES_DROPPED),
    )


class _Read:
    """A reading, asked for whole families."""

    def __init__(self, metrics: Metrics) -> None:
        self._reading = Reading(metrics)

    def total(self, family: Family) -> int:
        return sum(sum(self._reading.cells(family, each)) for each in self._series(family))

    def by_first_label(self, family: Family) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for each in self._series(family):
            count = sum(self._reading.cells(family, each))
            if count:
                found[each.values[0]] = found.get(each.values[0], 0) + count
        return found

    def gauge(self, family: Family) -> int:
        [series] = self._series(family)
        return self._reading.merged(family, series)

    def most(self, family: Family) -> int:
        [series] = self._series(family)
        return max(self._reading.running(series), default=0)

    def quantile_ms(self, family: Family, percent: int) -> float | None:
        [series] = self._series(family)
        counts = self._reading.cells(family, series)[: len(family.bounds) + 1]
        wanted = -(-sum(counts) * percent // 100)
        for bound, reached in zip(family.bounds, accumulate(counts), strict=False):
            if reached >= wanted > 0:
                return bound * 1000 / family.per_unit
        return None

    def _series(self, family: Family) -> Iterable[Series]:
        return self._reading.layout.series(family)
