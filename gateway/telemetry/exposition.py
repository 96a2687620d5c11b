"""The metrics as Prometheus reads them: text format or OpenMetrics, as the scraper prefers.

Reads the cells of all workers, so any worker can answer for all. Rendering some thousand series
takes milliseconds of Python and therefore runs in a thread.
Formats: https://prometheus.io/docs/instrumenting/exposition_formats/ (looked at 2026-11).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gateway.telemetry.cells import Series
from gateway.telemetry.family import Family, Kind
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.reading import Reading


@dataclass(frozen=True, slots=True)
class Exposition:
    content_type: str
    body: bytes


async def expose(metrics: Metrics, *, accept: str) -> Exposition:
    """Render the totals of all workers, off the event loop."""
    return await asyncio.to_thread(render, metrics, accept=accept)


def render(metrics: Metrics, *, accept: str) -> Exposition:
    encode, content_type = _encoder(accept)
    return Exposition(content_type, encode(CellsCollector(metrics)))


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        # The library stumbles over a version that is no number: serve what everyone understands.
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4


class CellsCollector:
    """One reading of the cells, in the form prometheus_client renders."""

    def __init__(self, metrics: Metrics) -> None:
        self._reading = Reading(metrics)

    def collect(self) -> Iterable[Metric]:
        for family in self._reading.layout.families:
            match family.kind:
                case Kind.COUNTER:
                    yield self._counter(family)
                case Kind.GAUGE:
                    yield self._gauge(family)
                case Kind.HISTOGRAM:
                    yield self._histogram(family)

    def _counter(self, family: Family) -> Metric:
        metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
        for series, cells in self._series(family):
            metric.add_metric(series.values, cells[0] / family.per_unit)
        return metric

    def _gauge(self, family: Family) -> Metric:
        metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for series, _ in self._series(family):
            metric.add_metric(series.values, self._reading.merged(family, series) / family.per_unit)
        return metric

    def _histogram(self, family: Family) -> Metric:
        metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        bounds = [str(bound / family.per_unit) for bound in family.bounds] + ["+Inf"]
        for series, cells in self._series(family):
            buckets = list(zip(bounds, accumulate(cells[:-1]), strict=True))
            metric.add_metric(series.values, buckets, cells[-1] / family.per_unit)
        return metric

    def _series(self, family: Family) -> Iterable[tuple[Series, Sequence[int]]]:
        """The series to show, with their cells added up over the workers."""
        for series in self._reading.layout.series(family):
            cells = self._reading.cells(family, series)
            if any(cells) or not family.sparse:
                yield series, cells
