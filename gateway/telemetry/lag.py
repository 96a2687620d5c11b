"""How late the event loop runs and how much is on it: what shows that something blocks or leaks."""

import asyncio
from itertools import cycle

from gateway.telemetry.metrics import Metrics

# Four looks a second cost nothing and catch whatever stalls streams visibly.
LOOK_S = 0.25
# Counting tasks takes longer the more there are: 5 ms for ten thousand.
LOOKS_PER_COUNT = 40


async def watch_loop(metrics: Metrics) -> None:
    """Runs until cancelled; start it once in each worker."""
    loop = asyncio.get_running_loop()
    for look in cycle(range(LOOKS_PER_COUNT)):
        if look == 0:
            metrics.set_tasks(len(asyncio.all_tasks()))
        due_s = loop.time() + LOOK_S
        await asyncio.sleep(LOOK_S)
        # Some loops round timers down to their own tick and wake early.
        metrics.loop_lagged(max(0, int((loop.time() - due_s) * 1_000_000)))
