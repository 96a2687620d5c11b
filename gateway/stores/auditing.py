"""What keeps the audit trail. Beside `base.py`, and a contract as that is.

Every method may raise `StoreUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.metering.changes import Change

KEPT = 100_000
"""The newest; what is older is forgotten, and stands in the log."""


@dataclass(frozen=True, slots=True)
class Noted:
    """`number` ascends with time, without gaps but for what was forgotten."""

    number: int
    change: Change


class Trail(Protocol):
    async def begin(self, change: Change) -> int:
        """Note that it is about to be made; answers its number."""
        ...

    async def end(self, number: int, change: Change) -> None:
        """The same with what came of it."""
        ...

    async def listed(self, *, before: int | None, limit: int) -> Sequence[Noted]:
        """Newest first; `before`: only those with a lower number."""
        ...
