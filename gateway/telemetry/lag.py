"""How late the event loop runs: the one figure that shows when something blocks it."""

import asyncio

from gateway.telemetry.metrics import Metrics

# Four looks a second cost nothing and catch whatever stalls streams visibly.
LOOK_S = 0.25


async def watch_loop_lag(metrics: Metrics) -> None:
    """Runs until cancelled; start it once in each worker."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + LOOK_S
        await asyncio.sleep(LOOK_S)
        # Some loops round timers down to their own tick and wake early.
        metrics.loop_lagged(max(0, int((loop.time() - due_s) * 1_000_000)))
