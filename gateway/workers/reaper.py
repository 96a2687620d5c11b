"""Resolves holds whose process died: about once a second, in any process, as often as it likes.

Knows when to sweep; what becomes of a hold is the ledger's decision, made there and only once.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

from gateway.errors import GatewayError
from gateway.stores.base import Ledger

BATCH = 100
# One batch after the other may go on as long as this many are due: the next sweep takes the rest.
HOLDS_PER_SWEEP_MAX = 10_000
INTERVAL_S = 1.0


class Observer(Protocol):
    """Told what a sweep found; must not raise."""

    def hold_expired(self, count: int) -> None: ...


def ignored(_: GatewayError) -> None:
    """For who does not want to be told."""


async def run_once(ledger: Ledger) -> int:
    """Resolve what is due now; answer how many. Raises StoreUnavailable."""
    expired = 0
    while expired < HOLDS_PER_SWEEP_MAX:
        found = await ledger.expire_holds(batch=BATCH)
        expired += found
        if found < BATCH:
            break
    return expired


async def run(
    ledger: Ledger,
    *,
    observer: Observer,
    on_failure: Callable[[GatewayError], None] = ignored,
    interval_s: float = INTERVAL_S,
) -> None:
    """Sweep until cancelled. `on_failure`, which must not raise, hears of sweeps that failed."""
    while True:
        try:
            expired = await run_once(ledger)
        except GatewayError as error:
            on_failure(error)
        else:
            if expired:
                observer.hold_expired(expired)
        # Not in step with the other workers, or all would ask for the same holds.
        await asyncio.sleep(interval_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
