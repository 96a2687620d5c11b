"""Counters in memory that all worker processes share, so that any of them can tell the total.

The supervisor creates the cells before it forks; each worker owns one region and is the only
one to write it, hence no locks. Readers add the regions up. A region outlives its worker: the one
that replaces it goes on counting where the other stopped. Knows nothing of what is counted.

Cells are aligned unsigned 64-bit words, which today's processors store whole: a reader sees an old
value or a new one, never half of each.
"""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from gateway.telemetry.family import Family

CELL_BYTES = 8

# Quoted: Python 3.11's memoryview is generic for type checkers only.
Cells: TypeAlias = "memoryview[int]"


@dataclass(frozen=True, slots=True)
class Series:
    """One line (or one histogram) of a family: its label values and its first cell."""

    values: tuple[str, ...]
    cell: int


class Layout:
    """Which cell belongs to which series. Fixed at start: every label value is known."""

    def __init__(
        self, families: Sequence[Family], label_values: Mapping[str, Sequence[str]]
    ) -> None:
        self._series: dict[str, dict[tuple[str, ...], Series]] = {}
        self.families = tuple(families)
        self.cells = 0
        for family in families:
            series: dict[tuple[str, ...], Series] = {}
            for values in product(*(label_values[label] for label in family.labels)):
                series[values] = Series(values, self.cells)
                self.cells += family.cells
            self._series[family.name] = series

    def cell(self, family: Family, *values: str) -> int:
        """The first cell of the series with these label values, in the family's order."""
        return self._series[family.name][values].cell

    def series(self, family: Family) -> Iterator[Series]:
        return iter(self._series[family.name].values())


class SharedCells:
    """`workers` regions of `cells` zeroed words, visible to every process forked from here."""

    def __init__(self, cells: int, *, workers: int) -> None:
        region_bytes = cells * CELL_BYTES
        # Anonymous and shared: no file to name, own or clean up.
        words = memoryview(mmap.mmap(-1, workers * region_bytes))
        self._regions = [
            words[start : start + region_bytes].cast("Q")
            for start in range(0, workers * region_bytes, region_bytes)
        ]

    def region(self, worker: int) -> Cells:
        """The cells of one worker slot; only that worker may write them."""
        return self._regions[worker]

    def read(self) -> list[list[int]]:
        """A copy of every region, in slot order."""
        return [region.tolist() for region in self._regions]
