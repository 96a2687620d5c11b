"""What operators look at in a store. Beside `base.py`, and a contract as that is.

Every method may raise `StoreUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """Credit set aside for a call that runs. `booked_ucr`: what its last checkpoint came to, which
    is charged if its process dies; None before the first, which also tells its model and its key
    first, unless it is a reservation."""

    hold_id: str
    account_id: str
    key_id: str
    model: str
    held_ucr: int
    started_ms: int
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHolds:
    """`more`: not all of the account's were looked at, or told."""

    holds: Sequence[OpenHold]
    more: bool


class OpenHolds(Protocol):
    async def look(self, *, limit: int) -> HoldsNow: ...

    async def of_account(self, account_id: str, *, limit: int) -> AccountHolds:
        """Those whose lease ends first."""
        ...
