"""What keeps the counts of calls that came to nothing.

Beside `base.py`, and a contract as that is. Every method may raise `StoreUnavailable`.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.metering.history import DAY_MS
from gateway.metering.refusals import Counts, RefusalSum

KEEP_MS = 400 * DAY_MS


class Refusals(Protocol):
    async def add(self, account_id: str, *, hour_ms: int, counts: Counts) -> None:
        """To what is known of that hour."""
        ...

    async def sums(
        self, account_id: str, *, start_ms: int, end_ms: int, width_ms: int
    ) -> Sequence[RefusalSum]:
        """Of buckets that are whole hours or days; `end_ms` is not included."""
        ...

    async def since_ms(self) -> int:
        """From when on all were counted; 0: since there is an account."""
        ...
