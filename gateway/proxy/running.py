"""Running calls, looked at regularly: one timer for a worker instead of several per call."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from time import monotonic
from typing import Protocol, TypeVar

from gateway.errors import ClientLeft, Draining, UpstreamTimeout
from gateway.metering.events import End
from gateway.proxy.checkpoints import TICK_S, Checkpoints
from gateway.proxy.hold import Hold
from gateway.proxy.meter import Meter
from gateway.proxy.relay import Relay
from gateway.proxy.seams import Downstream

Opened = TypeVar("Opened")

# Looked at without a pause: a checkpoint each is some two milliseconds. Bytes pass in between.
AT_ONCE = 16


class Running(Protocol):
    """What is looked at regularly and may be ended from outside."""

    def tick(self, now_s: float) -> None: ...

    def cut(self, end: End) -> None: ...


class RunningCall:
    """One call between admission and its end."""

    __slots__ = (
        "_answer_by_s",
        "_checkpoints",
        "_cut",
        "_downstream",
        "_end_by_s",
        "_hold",
        "_left_s",
        "_opening",
        "_relay",
        "late",
    )

    def __init__(self, downstream: Downstream, hold: Hold | None, *, checkpoint_s: float) -> None:
        self._downstream = downstream
        self._hold = hold
        self._checkpoints = None if hold is None else Checkpoints(hold, checkpoint_s=checkpoint_s)
        self._left_s = 0.0
        self._opening: asyncio.Task[None] | None = None
        self._relay: Relay | None = None
        self._cut: End | None = None
        self._answer_by_s = self._end_by_s = inf
        self.late = False
        """No answer had begun by its deadline: none is waited for any more."""

    def due(self, *, answer_by_s: float, end_by_s: float) -> None:
        """When an answer has to begin, and when it has to end, by the monotonic clock."""
        self._answer_by_s, self._end_by_s = min(answer_by_s, end_by_s), end_by_s

    async def opening(self, request: Awaitable[Opened]) -> Opened:
        """Wait for the provider's head; ClientLeft or Draining when nobody will read it,
        UpstreamTimeout when it is not there by its deadline."""
        # What asyncio.timeout does, without its cost: cancelled by `cut`, and by `cut` only, the
        # wait ends in an error of ours.
        self._opening = task = asyncio.current_task()
        try:
            return await request
        except asyncio.CancelledError:
            if not (self._cut or self.late) or task is None or task.uncancel():
                raise
            if self._cut is None:
                raise UpstreamTimeout("No answer began within the time that a call has.") from None
            if self._cut is End.CUT_BY_SHUTDOWN:
                raise Draining("The gateway is shutting down. Send the call again.") from None
            raise ClientLeft("The client left before an answer began.") from None
        finally:
            self._opening = None

    def relays(self, relay: Relay, meter: Meter | None) -> None:
        """From now on an answer is on its way: `relay` is about to run, `meter` counts it."""
        self._relay = relay
        if self._checkpoints is not None:
            self._checkpoints.meter = meter

    def cut(self, end: End) -> None:
        """End it now, whatever phase it is in."""
        first, self._cut = self._cut is None and not self.late, end
        if self._opening is not None:
            if first:
                self._opening.cancel()
        elif self._relay is not None:
            self._relay.cut(end)

    @property
    def unwanted(self) -> bool:
        """Nobody will read an answer: no further one is to be asked for."""
        return self._cut is not None or self.late or self._downstream.left

    def tick(self, now_s: float) -> None:
        if self._relay is not None:
            self._relay.tick(now_s)
            if now_s >= self._end_by_s:
                self._relay.cut(End.UPSTREAM_FAILED)
        elif self._downstream.left and self._waited_enough(now_s):
            self.cut(End.CLIENT_LEFT)
        elif now_s >= self._answer_by_s:
            self._give_up()
        if self._checkpoints is not None:
            self._checkpoints.tick(now_s)

    def _give_up(self) -> None:
        if self._cut is None and not self.late:
            self.late = True
            if self._opening is not None:
                self._opening.cancel()

    def _waited_enough(self, now_s: float) -> bool:
        """Under `drain` an answer is waited for although nobody will read it."""
        self._left_s = self._left_s or now_s
        drain_s = 0.0 if self._hold is None else self._hold.ticket.drain_s
        return now_s - self._left_s >= drain_s


class RunningCalls:
    """All calls of this worker, and the loop that looks at them."""

    def __init__(self, *, on_fault: Callable[[Exception], None]) -> None:
        self._calls: set[Running] = set()
        self._errands: list[Callable[[], None]] = []
        self._on_fault = on_fault
        self._idle = asyncio.Event()

    def __len__(self) -> int:
        return len(self._calls)

    def also(self, errand: Callable[[], None]) -> None:
        """Something else to do at each tick: sweeping connection pools, retrying endings."""
        self._errands.append(errand)

    def add(self, call: Running) -> None:
        self._calls.add(call)

    def discard(self, call: Running) -> None:
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
            await self.look()
            for errand in self._errands:
                try:
                    errand()
                except Exception as fault:  # noqa: BLE001  a worker's loop: it must go on
                    self._on_fault(fault)

    async def look(self) -> None:
        """At each call, a few at a time; not at one that ended meanwhile."""
        for number, call in enumerate(tuple(self._calls)):
            if number and number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if call not in self._calls:
                continue
            try:
                call.tick(monotonic())
            except Exception as fault:  # noqa: BLE001  as above
                self._on_fault(fault)
