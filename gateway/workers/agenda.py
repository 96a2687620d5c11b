"""Looks at accounts whose hour has come: an allowance is due, a grant lapses or comes into force.

In any process, as often as it likes: what is due follows from the account and the ledger's clock,
and the ledger does each of it once. Nothing waits for it at the turn of a period (allowances are
made a day ahead, and every script knows which grants are in force); it sees to it that what lapsed
is booked and told although nobody calls.
"""

import asyncio
import random
from collections.abc import Callable

from gateway.access.accounts import Accounts
from gateway.errors import GatewayError
from gateway.stores.agenda import Agenda

# Of each shard, at a time.
BATCH = 20
AT_ONCE = 16
# Longer than a look takes; whoever dies in one leaves the account to others after that time.
CLAIM_MS = 30_000
LOOKS_PER_SWEEP_MAX = 100_000
INTERVAL_S = 2.0


async def run_once(agenda: Agenda, accounts: Accounts) -> int:
    """Look at what is due now; answer how many accounts that were. Raises StoreUnavailable."""
    places = asyncio.Semaphore(AT_ONCE)

    async def look(account_id: str) -> None:
        async with places:
            account = await accounts.keys.account(account_id)
            if account is not None:
                await accounts.look(account)

    looked = 0
    while looked < LOOKS_PER_SWEEP_MAX:
        claimed = await agenda.claim(limit=BATCH, claim_ms=CLAIM_MS)
        await asyncio.gather(*map(look, claimed))
        looked += len(claimed)
        if not claimed:
            break
    return looked


async def run(
    agenda: Agenda,
    accounts: Accounts,
    *,
    terms: str,
    on_failure: Callable[[GatewayError], None],
    interval_s: float = INTERVAL_S,
) -> None:
    """Until cancelled. `terms`: a digest of what plans promise; under new ones all accounts are
    due. `on_failure`, which must not raise, hears of sweeps that failed."""
    reviewed = False
    while True:
        try:
            if not reviewed:
                await agenda.review(terms)
                reviewed = True
            await run_once(agenda, accounts)
        except GatewayError as error:
            on_failure(error)
        # Not in step with the other workers, or all would ask for the same accounts.
        await asyncio.sleep(interval_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
