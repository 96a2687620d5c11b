"""Shares what this process counted of refused and failed calls, once in a while.

What is counted while the store is away waits here, under its hour. A count whose answer did not
come is sent again, and may then stand there twice: better too many than none.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from gateway.errors import GatewayError
from gateway.metering.history import HOUR_MS
from gateway.metering.refusals import TALLIES_MAX, Tally, Turned
from gateway.stores.refusing import Refusals

INTERVAL_S = 2.0


class RefusalReporter:
    """`now_ms`: the ledger's clock."""

    def __init__(
        self,
        tally: Tally,
        refusals: Refusals,
        *,
        now_ms: Callable[[], int],
        on_failure: Callable[[GatewayError], None],
    ) -> None:
        self._tally = tally
        self._refusals = refusals
        self._now_ms = now_ms
        self._on_failure = on_failure
        self._waiting: dict[tuple[int, str], Counter[Turned]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.run_once()
            await asyncio.sleep(INTERVAL_S)

    async def run_once(self) -> None:
        self._take()
        while self._waiting:
            hour_ms, account_id = key = next(iter(self._waiting))
            # Taken out first: who reports a last time, on leaving, may meet this in the middle.
            counts = self._waiting.pop(key)
            try:
                await self._refusals.add(account_id, hour_ms=hour_ms, counts=counts)
            except GatewayError as error:
                self._waiting.setdefault(key, Counter()).update(counts)
                self._on_failure(error)
                return

    def _take(self) -> None:
        hour_ms = self._now_ms() // HOUR_MS * HOUR_MS
        for account_id, counts in self._tally.take().items():
            key = hour_ms, account_id
            if key in self._waiting or len(self._waiting) < TALLIES_MAX:
                self._waiting.setdefault(key, Counter()).update(counts)
