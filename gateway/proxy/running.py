"""Running calls, looked at regularly: one timer for a worker instead of several per call."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from gateway.errors import ClientLeft, Draining
from gateway.metering.events import End
from gateway.metering.usage import Provenance, Usage, UsageReport
from gateway.proxy.hold import Hold
from gateway.proxy.meter import Meter
from gateway.proxy.relay import Relay
from gateway.proxy.seams import Answer, Downstream

# How often calls are looked at: a client that left is noticed within this, and so are deadlines.
TICK_S = 0.25


class RunningCall:
    """One call between admission and its end."""

    __slots__ = (
        "_checked_s",
        "_checkpoint_s",
        "_cut",
        "_downstream",
        "_hold",
        "_left_s",
        "_meter",
        "_opening",
        "_relay",
        "_renewed_s",
        "_told_tokens",
    )

    def __init__(self, downstream: Downstream, hold: Hold | None, *, checkpoint_s: float) -> None:
        self._downstream = downstream
        self._hold = hold
        # Looked at each TICK_S: due one look early, a checkpoint is never older than it may be.
        self._checkpoint_s = checkpoint_s - TICK_S
        self._checked_s = self._renewed_s = monotonic()
        self._told_tokens = 0
        self._left_s = 0.0
        self._opening: asyncio.Task[None] | None = None
        self._relay: Relay | None = None
        self._meter: Meter | None = None
        self._cut: End | None = None

    async def opening(self, request: Awaitable[Answer]) -> Answer:
        """Wait for the provider's head; ClientLeft or Draining when nobody will read it."""
        # What asyncio.timeout does, without its cost: cancelled by `cut`, and by `cut` only, the
        # wait ends in an error of ours.
        self._opening = task = asyncio.current_task()
        try:
            return await request
        except asyncio.CancelledError:
            if self._cut is None or task is None or task.uncancel():
                raise
            if self._cut is End.CUT_BY_SHUTDOWN:
                raise Draining("The gateway is shutting down. Send the call again.") from None
            raise ClientLeft("The client left before an answer began.") from None
        finally:
            self._opening = None

    async def relaying(self, relay: Relay, meter: Meter | None) -> End:
        self._relay, self._meter = relay, meter
        return await relay.run()

    def cut(self, end: End) -> None:
        """End it now, whatever phase it is in."""
        first, self._cut = self._cut is None, end
        if self._opening is not None:
            if first:
                self._opening.cancel()
        elif self._relay is not None:
            self._relay.cut(end)

    def tick(self, now_s: float) -> None:
        if self._relay is not None:
            self._relay.tick(now_s)
        elif self._downstream.left and self._waited_enough(now_s):
            self.cut(End.CLIENT_LEFT)
        if self._hold is not None and now_s - self._checked_s > self._checkpoint_s:
            self._checked_s = now_s
            self._checkpoint(self._hold, now_s)

    def _waited_enough(self, now_s: float) -> bool:
        """Under `drain` an answer is waited for although nobody will read it."""
        self._left_s = self._left_s or now_s
        drain_s = 0.0 if self._hold is None else self._hold.ticket.drain_s
        return now_s - self._left_s >= drain_s

    def _checkpoint(self, hold: Hold, now_s: float) -> None:
        """Book what is owed so far; while that does not grow, only keep the lease alive."""
        meter = self._meter
        if meter is not None:
            meter.digest()
        grown = meter is not None and meter.counted_tokens > self._told_tokens
        if not grown and now_s - self._renewed_s < hold.renew_s:
            return
        self._renewed_s = now_s
        if meter is None:
            # Nothing produced that we know of: nothing is owed yet.
            hold.checkpoint(UsageReport(Usage(), Provenance.COUNTED))
        else:
            self._told_tokens = meter.counted_tokens
            hold.checkpoint(UsageReport(meter.usage_so_far(), Provenance.COUNTED))


class RunningCalls:
    """All calls of this worker, and the loop that looks at them."""

    def __init__(self, *, on_fault: Callable[[Exception], None]) -> None:
        self._calls: set[RunningCall] = set()
        self._errands: list[Callable[[], None]] = []
        self._on_fault = on_fault
        self._idle = asyncio.Event()

    def __len__(self) -> int:
        return len(self._calls)

    def also(self, errand: Callable[[], None]) -> None:
        """Something else to do at each tick: sweeping connection pools, retrying endings."""
        self._errands.append(errand)

    def add(self, call: RunningCall) -> None:
        self._calls.add(call)

    def discard(self, call: RunningCall) -> None:
        self._calls.discard(call)
        if not self._calls:
            self._idle.set()

    async def ended(self, *, timeout_s: float) -> None:
        """Wait until no call is running, up to the deadline."""
        if not self._calls:
            return
        self._idle.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return

    def cut_all(self, end: End) -> None:
        for call in tuple(self._calls):
            call.cut(end)

    async def run(self) -> None:
        """Tick until cancelled; a fault in one call's look is reported and ends nothing else."""
        while True:
            await asyncio.sleep(TICK_S)
            now_s = monotonic()
            for call in tuple(self._calls):
                try:
                    call.tick(now_s)
                except Exception as fault:  # noqa: BLE001  a worker's loop: it must go on
                    self._on_fault(fault)
            for errand in self._errands:
                try:
                    errand()
                except Exception as fault:  # noqa: BLE001  as above
                    self._on_fault(fault)
