"""What operators look at in a store. Beside `base.py`, and a contract as that is.

Every method may raise `StoreUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """Credit set aside for a call that runs. `booked_ucr`: what its last checkpoint came to, which
    is charged if its process dies; None before the first."""

    hold_id: str
    account_id: str
    held_ucr: int
    deadline_ms: int
    booked_ucr: int | None
    job: bool
    reservation: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsNow:
    """`first`: those whose lease ends first. `overdue`: it has ended, and nobody resolved them."""

    open: int
    overdue: int
    first: Sequence[OpenHold]


class OpenHolds(Protocol):
    async def look(self, *, limit: int) -> HoldsNow: ...
