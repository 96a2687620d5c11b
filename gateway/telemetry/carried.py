"""Counts that go on across a reload: what earlier workers counted, in the layout of the new ones.

A new configuration may name other models and providers, so its cells lie elsewhere. The workers of
the old one may go on counting for a while; their cells are read where they are. Series that the
new configuration does not know any more are not carried.
"""

from collections.abc import Iterable, Iterator

from gateway.telemetry.cells import Layout
from gateway.telemetry.family import Kind


class Translation:
    """From one layout's cells to another's; gauges, being of the moment, stay behind."""

    def __init__(self, old: Layout, new: Layout) -> None:
        self._cells = new.cells
        self._pairs = list(_pairs(old, new))

    def total(self, regions: Iterable[list[int]]) -> list[int]:
        """The sum of `regions` of the old layout, as one region of the new."""
        total = [0] * self._cells
        for region in regions:
            for old_cell, new_cell in self._pairs:
                total[new_cell] += region[old_cell]
        return total


def _pairs(old: Layout, new: Layout) -> Iterator[tuple[int, int]]:
    for family in new.families:
        if family.kind is Kind.GAUGE:
            continue
        known = {series.values: series.cell for series in old.series(family)}
        for series in new.series(family):
            first = known.get(series.values)
            if first is not None:
                yield from ((first + at, series.cell + at) for at in range(family.cells))
