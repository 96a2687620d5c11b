"""Numbers in a provider's usage that no mapping table names: kept, counted, never charged.

A new field at a vendor is news, not an error; what it means has to be decided in the table.
"""

from collections.abc import Mapping
from typing import TypeAlias, Union

# A usage object of fifty numbers is absurd: what is kept of it is bounded.
NUMBERS_MAX = 32
DEPTH_MAX = 3

Known: TypeAlias = Mapping[str, Union["Known", None]]
"""Field names of a usage object, each None or, for an object inside, the names of its fields."""

NOTHING_KNOWN: Known = {}


def unmapped(reported: Mapping[str, object], known: Known) -> dict[str, int | float]:
    """The numbers of `reported` whose place `known` does not name, by dotted path; zeros are no
    news and are left out."""
    found: dict[str, int | float] = {}
    _collect(reported, known, "", found, DEPTH_MAX)
    return found


def _collect(
    values: Mapping[str, object], known: Known, path: str, found: dict[str, int | float], depth: int
) -> None:
    for name, value in values.items():
        # By type, not isinstance: true is no number.
        if type(value) is int or type(value) is float:
            if value and name not in known:
                if len(found) == NUMBERS_MAX:
                    return
                found[f"{path}{name}"] = value
        elif isinstance(value, dict) and depth:
            inner = known.get(name)
            if inner is not None or name not in known:
                _collect(value, inner or NOTHING_KNOWN, f"{path}{name}.", found, depth - 1)
