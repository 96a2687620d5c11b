"""What a metric is: its name, its labels, and how the cells of several workers become one value.

Names follow Prometheus: `tollkeeper_<what>_<unit>[_total]`, base units
(https://prometheus.io/docs/practices/naming/, looked at 2026-11). Labels come from sets that are
closed when the process starts; never a key, an account, a path or a model outside the price book.
"""

from dataclasses import dataclass
from enum import StrEnum

US_PER_S = 1_000_000
MS_PER_S = 1_000


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How the workers' cells become one value. LEAST and MOST look at running workers only."""

    SUM = "sum"
    LEAST = "least"
    MOST = "most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric. `bounds` are a histogram's upper bounds in cell units; `per_unit` is how many
    cell units make one exposed unit. A `sparse` family shows a series once it was touched."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[int, ...] = ()
    per_unit: int = 1
    merge: Merge = Merge.SUM
    sparse: bool = False

    @property
    def cells(self) -> int:
        """Cells of one series: a histogram has one per bucket, one beyond the last, and a sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1
