"""Asks providers what became of jobs, so that no charge waits for a client to come back.

At a bounded pace, and in any number of processes: each job is claimed by one of them at a time, and
the longer it runs the more rarely it is asked for. Knows when and how many; what an answer means is
decided by whoever looks (`proxy/following.py`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import GatewayError, UpstreamTimeout
from gateway.metering.jobs import Job, pause_ms
from gateway.stores.base import JobStore

# A claim outlasts a look, or two processes would ask at once; that would only be a waste.
LOOK_S = 240.0
CLAIM_MS = 300_000
# Of each shard, at a time. Whatever is not claimed now is due the next time as well.
BATCH = 4
AT_ONCE = 8
INTERVAL_S = 2.0

Look = Callable[[Sequence[Job]], Awaitable[None]]
"""Asks for one job, all of its holds given, and settles them if it is over."""


class JobPoller:
    def __init__(
        self,
        store: JobStore,
        look: Look,
        *,
        now_ms: Callable[[], int],
        longest_ms: int,
        on_failure: Callable[[GatewayError], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        """`now_ms`: the ledger's clock. `longest_ms`: how long a job is left alone at the most.
        `on_failure` hears of each look that failed, `on_fault` of bugs; neither may raise."""
        self._store = store
        self._look = look
        self._now_ms = now_ms
        self._longest_ms = longest_ms
        self._on_failure = on_failure
        self._on_fault = on_fault
        self._places = asyncio.Semaphore(AT_ONCE)
        # Claimed, and not given back yet: by the job's name and account.
        self._claimed: dict[tuple[str, str], Job] = {}

    async def run(self) -> None:
        """Until cancelled."""
        interval_s = min(INTERVAL_S, self._longest_ms / 1000)
        while True:
            try:
                await self.run_once()
            except GatewayError as error:
                self._on_failure(error)
            # Not in step with the other workers, or all would ask for the same jobs.
            await asyncio.sleep(interval_s * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    async def run_once(self) -> int:
        """Look at what is due now; answer how many jobs that were. Raises StoreUnavailable."""
        for job in tuple(self._claimed.values()):
            # The store went away during the last look: nobody else has to wait for the claim's end.
            await self._give_back(job, poll_ms=0)
        claimed = await self._store.claim(limit=BATCH, claim_ms=CLAIM_MS)
        looks = await asyncio.gather(*map(self._look_at, claimed), return_exceptions=True)
        for failure in looks:
            if failure is not None:
                raise failure
        return len(claimed)

    async def _look_at(self, shares: Sequence[Job]) -> None:
        job = shares[0]
        self._claimed[job.owed.account_id, job.name] = job
        pause_ms = self._longest_ms
        async with self._places:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._look(shares)
                pause_ms = self._pause_ms(job)
            except TimeoutError:
                self._on_failure(UpstreamTimeout("A provider took too long to tell of a job."))
            except GatewayError as error:
                self._on_failure(error)
            except Exception as fault:  # noqa: BLE001 - a worker's loop: it must go on
                self._on_fault(fault)
        await self._give_back(job, poll_ms=pause_ms)

    async def _give_back(self, job: Job, *, poll_ms: int) -> None:
        """Which changes nothing for a job that is over. Raises StoreUnavailable."""
        await self._store.postpone(job, poll_ms=poll_ms)
        del self._claimed[job.owed.account_id, job.name]

    def _pause_ms(self, job: Job) -> int:
        age_ms = self._now_ms() - job.owed.event.started_ms
        pause = pause_ms(age_ms, longest_ms=self._longest_ms)
        # Not beyond the deadline: a job that is never reported is charged then, not later.
        left_ms = max(1, job.deadline_ms - self._now_ms())
        return min(left_ms, int(pause * random.uniform(0.8, 1.2)))  # noqa: S311 - no secret
