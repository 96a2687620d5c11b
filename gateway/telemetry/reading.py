"""One reading of the shared cells: what all workers counted, put together family by family."""

from collections.abc import Sequence

from gateway.telemetry.cells import Series
from gateway.telemetry.families import WORKERS
from gateway.telemetry.family import Family, Merge
from gateway.telemetry.metrics import Metrics


class Reading:
    def __init__(self, metrics: Metrics) -> None:
        self.layout = metrics.layout
        regions = metrics.read()
        self._totals = [sum(column) for column in zip(*regions, strict=True)]
        running = self.layout.cell(WORKERS)
        self._running = [region for region in regions if region[running]]

    def cells(self, family: Family, series: Series) -> Sequence[int]:
        """The series' cells, added up over the workers."""
        return self._totals[series.cell : series.cell + family.cells]

    def merged(self, family: Family, series: Series) -> int:
        """A gauge's value: the sum over the workers, or the least or the most of those that run."""
        match family.merge:
            case Merge.SUM:
                total: int = self._totals[series.cell]
                return total
            case Merge.LEAST:
                return min(self.running(series), default=0)
            case Merge.MOST:
                return max(self.running(series), default=0)

    def running(self, series: Series) -> Sequence[int]:
        """The first cell of each worker that runs."""
        return [region[series.cell] for region in self._running]
