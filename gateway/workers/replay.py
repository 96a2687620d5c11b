"""Brings what waited on disk to the ledger, oldest first, once it answers again: settlements, and
jobs whose holds are kept.

At least once: one is confirmed on disk only after the ledger answered it, and both are idempotent
by hold id. Knows neither files nor scripts.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

from gateway.errors import GatewayError
from gateway.stores.base import Ask, Ledger, Outcome, Spool, Spooled, send

# Sent in one write and answered in a few milliseconds, so that running calls hardly wait.
BATCH = 50
IDLE_S = 0.25
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0

OnOutcome = Callable[[Ask, Outcome], None]
OnFailure = Callable[[GatewayError], None]


def ignored(*_: object) -> None:
    """For who does not want to be told."""


async def run_once(spool: Spool, ledger: Ledger, *, on_outcome: OnOutcome = ignored) -> int:
    """Replay what waits; answer how many settlements the ledger answered.

    Raises StoreUnavailable at the first that it did not; those before it are confirmed.
    """
    replayed = 0
    while batch := await spool.pending(batch=BATCH):
        replayed += await _replay(batch, spool, ledger, on_outcome=on_outcome)
    return replayed


async def run(
    spool: Spool,
    ledger: Ledger,
    *,
    on_outcome: OnOutcome = ignored,
    on_failure: OnFailure = ignored,
) -> None:
    """Replay until cancelled; while the store is away, ask ever more rarely.

    The callbacks must not raise: `on_outcome` hears of each settlement the ledger answered,
    `on_failure` of each attempt that ended with one it did not.
    """
    pause_s = BACKOFF_FIRST_S
    while True:
        if not spool.waiting:
            await asyncio.sleep(IDLE_S)
            continue
        try:
            await run_once(spool, ledger, on_outcome=on_outcome)
        except GatewayError as error:
            on_failure(error)
            # Jitter keeps the workers of a machine from coming back in step.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause_s = min(pause_s * 2, BACKOFF_MAX_S)
        else:
            pause_s = BACKOFF_FIRST_S


async def _replay(
    batch: Sequence[Spooled], spool: Spool, ledger: Ledger, *, on_outcome: OnOutcome
) -> int:
    sent = [send(ledger, waiting.ask) for waiting in batch]
    outcomes = await asyncio.gather(*sent, return_exceptions=True)
    answered = 0
    failure: BaseException | None = None
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            failure = outcome
            break
        on_outcome(waiting.ask, outcome)
        answered += 1
    if answered:
        await spool.confirm(batch[answered - 1].position)
    if failure is not None:
        raise failure
    return answered
