"""Provider's bytes to the client, a meter watching the copy.

Write first, meter second: while the hold covers what comes, nothing is awaited and nothing is
parsed. Only when a rolling hold nears its end does each event have to be paid for before it is
written; if that cannot be had, the stream ends cleanly in the caller's own format. An event whose
beginning went out before is finished all the same, at the price of a hold that is overrun by it.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from gateway.dialects.base import BodyFilter
from gateway.dialects.sse import EVENT_BYTES_MAX
from gateway.metering.events import End
from gateway.proxy.hold import Hold
from gateway.proxy.meter import Meter
from gateway.proxy.seams import Answer, Downstream

# Members of an enumeration cost a descriptor call each time they are reached through it.
_COMPLETED = End.COMPLETED


class Relay:
    """One answer on its way. `run` says how it ended; `tick` is called from outside, regularly."""

    __slots__ = (
        "_allowance_tokens",
        "_answer",
        "_bytes_max",
        "_copy",
        "_cut",
        "_downstream",
        "_draining_until_s",
        "_filter",
        "_hold",
        "_meter",
        "_metered_hold",
        "_partial",
        "_unpaid",
        "_waiter",
        "relayed_bytes",
    )

    def __init__(
        self,
        answer: Answer,
        downstream: Downstream,
        *,
        meter: Meter | None = None,
        hold: Hold | None = None,
        body_filter: BodyFilter | None = None,
        copy: Callable[[bytes], None] | None = None,
        cuttable: bool = True,
        bytes_max: int = 2**62,
    ) -> None:
        """Without a meter the answer is relayed unmetered; without a hold it is never cut, nor is
        one that is not `cuttable` because its bytes are compressed. `copy` gets every byte. An
        answer of more than `bytes_max`, or of more words than were asked for, is broken off."""
        self._answer = answer
        self._downstream = downstream
        self._meter = meter
        self._hold = hold
        self._filter = body_filter
        self._copy = copy
        self._bytes_max = bytes_max
        rolling = hold is not None and not hold.ticket.full and cuttable
        self._metered_hold = hold if rolling else None
        self._allowance_tokens = 0
        # Short, since the provider is paused meanwhile; an empty deque would take 760 bytes.
        self._unpaid: list[bytes] = []
        self._partial = b""
        self._draining_until_s = 0.0
        self._cut: End | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.relayed_bytes = 0

    async def run(self) -> End:
        """Relay until the answer is complete, broken, or nobody wants or pays for it any more."""
        if self._metered_hold is not None and self._meter is not None:
            self._allowance_tokens = self._metered_hold.covered(self._meter).output_tokens
        answer = self._answer
        # Only what a rolling hold must pay for ever waits.
        sink = self._forward if self._metered_hold is None else self._pay_or_forward
        answer.relay_to(sink, ended=self._wake)
        if not answer.over:
            self._downstream.flush()
        while True:
            if self._cut is not None:
                return self._stop(self._cut)
            if self._unpaid:
                if not await self._pay():
                    return self._end_cleanly()
            elif answer.over:
                # Asked before `left`: a client that has all of it may go at once.
                return self._finish(answer.error)
            elif self._downstream.left and not self._keep_draining():
                return self._stop(End.CLIENT_LEFT)
            elif self._downstream.crowded and not self._downstream.left:
                await self._downstream.drained()
                answer.resume()
            else:
                await self._wait()

    def tick(self, now_s: float) -> None:
        """Notice what no byte tells us: a client gone, a drain that took too long."""
        if self._draining_until_s and now_s >= self._draining_until_s:
            self.cut(End.CLIENT_LEFT)
        elif self._downstream.left and not self._draining_until_s:
            self._wake()

    def cut(self, end: End) -> None:
        """Stop as soon as the relay runs again; the client sees a broken answer."""
        self._cut = end
        self._downstream.break_off()
        self._wake()

    # One of these two is called by the upstream connection for each piece of body, synchronously.

    def _pay_or_forward(self, data: bytes) -> None:
        if self._unpaid or self._partial or not self._covered(len(data)):
            self._unpaid.append(data)
            self._answer.pause()
            self._wake()
        else:
            self._forward(data)

    def _covered(self, data_bytes: int) -> bool:
        """Whatever is in there, the hold pays for it: a token takes at least one byte."""
        if self._meter is None:
            return True
        bound = self._meter.counted_tokens + self._meter.pending_bytes + data_bytes
        return bound <= self._allowance_tokens

    def _forward(self, data: bytes, *, metered: bool = False) -> None:
        """Write first, meter second, unless the meter has it already."""
        self.relayed_bytes += len(data)
        if self._copy is not None:
            self._copy(data)
        visible = data if self._filter is None else self._filter.feed(data)
        if visible and self._downstream.write(visible):
            self._answer.pause()
            self._wake()
        meter = self._meter
        if meter is not None and not metered:
            meter.feed(data)
            if meter.excessive or self.relayed_bytes > self._bytes_max:
                self.cut(End.UPSTREAM_FAILED)

    async def _pay(self) -> bool:
        """Relay what is queued as far as the hold pays for it, extending it as needed.

        False: nothing more can be had, and all that was relayed is paid for.
        """
        assert self._meter is not None
        self._meter.digest()
        while self._unpaid:
            data = self._partial + self._unpaid.pop(0)
            self._partial = b""
            if self._covered(len(data)):
                self._forward(data)
            elif not await self._pay_by_event(data):
                return False
        if self._partial and self._answer.over:
            self._forward(self._partial)
            self._partial = b""
        self._answer.resume()
        return True

    async def _pay_by_event(self, data: bytes) -> bool:
        assert self._meter is not None
        start = 0
        while (end := self._meter.boundary(data, start)) >= 0:
            if not await self._pay_event(data[start:end]):
                return False
            start = end
        # An event cannot be cut in the middle: its beginning waits for its end.
        self._partial = data[start:]
        if len(self._partial) > EVENT_BYTES_MAX:
            self.cut(End.UPSTREAM_FAILED)
        return True

    async def _pay_event(self, event: bytes) -> bool:
        assert self._meter is not None
        assert self._metered_hold is not None
        # The client has its beginning already: without its end, nothing that follows could be read.
        begun = self._meter.pending_bytes > 0
        before = self._meter.mark()
        self._meter.feed(event)
        self._meter.digest()
        while self._meter.counted_tokens > self._allowance_tokens:
            missing = self._meter.counted_tokens - self._allowance_tokens
            if not await self._extend(missing):
                if begun:
                    self._forward(event, metered=True)
                    self._meter.cut()
                else:
                    self._meter.cut_before_latest(before)
                return False
        self._forward(event, metered=True)
        return True

    async def _extend(self, missing_tokens: int) -> bool:
        """Raise the allowance; first by more credit, then by counting the prompt exactly."""
        assert self._meter is not None
        assert self._metered_hold is not None
        tokens = max(missing_tokens, self._metered_hold.ticket.caller.plan.slice_tokens)
        extended = await self._metered_hold.extend(self._meter, tokens=tokens)
        if not extended:
            if self._meter.input_exact:
                return False
            await self._meter.count_prompt()
        allowance = self._metered_hold.covered(self._meter).output_tokens
        grown = allowance > self._allowance_tokens
        self._allowance_tokens = allowance
        return grown

    def _end_cleanly(self) -> End:
        assert self._meter is not None
        assert self._hold is not None
        self._answer.cancel()
        if not self._downstream.left:
            ending = self._meter.ending(include_usage=self._hold.ticket.call.wants_usage)
            self._downstream.write(ending)
            self._downstream.finish()
        return End.CUT_BY_QUOTA

    def _finish(self, broken: Exception | None) -> End:
        if self._partial:
            self._forward(self._partial)
        if self._filter is not None and (rest := self._filter.close()):
            self._downstream.write(rest)
        if broken is None:
            self._downstream.finish()
            # Read to its end all the same, for the usage report: nobody saw it.
            return End.CLIENT_LEFT if self._draining_until_s else _COMPLETED
        self._downstream.break_off()
        return End.UPSTREAM_FAILED

    def _stop(self, end: End) -> End:
        self._answer.cancel()
        self._downstream.break_off()
        return end

    def _keep_draining(self) -> bool:
        """The client is gone: read on for the usage the provider will report?"""
        drain_s = 0.0 if self._hold is None else self._hold.ticket.drain_s
        if drain_s and not self._draining_until_s:
            self._draining_until_s = monotonic() + drain_s
        return drain_s > 0

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
