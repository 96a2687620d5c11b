"""Two upstreams that have the same call: the first good answer is the call's, the other is cut off.

The one that was asked first leads until the other has answered, or stands alone. Whatever ends the
wait from outside (the client, a deadline, a shutdown) ends both.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import GatewayError, UpstreamFailed
from gateway.metering.failover import HTTP_ERRORS, AttemptEnd, FailoverPolicy
from gateway.metering.hedging import HedgeEnd, decides
from gateway.proxy.attempt import Attempt
from gateway.proxy.seams import Answer
from gateway.proxy.trace import Trace
from gateway.proxy.upstreams import Told

Asking = asyncio.Task[Answer]


@dataclass(frozen=True, slots=True)
class Entrant:
    attempt: Attempt
    asking: Asking

    def came_to(self) -> AttemptEnd | None:
        """None: it could not be asked, for the call's own sake. Raises what is a bug."""
        error = self.asking.exception()
        if error is None:
            return self.asking.result().status
        if isinstance(error, UpstreamFailed):
            return self.attempt.failed_by(error)
        if isinstance(error, GatewayError):
            return None
        raise error

    def falls(self, outcome: AttemptEnd | None) -> None:
        """It is out, and the other one stands."""
        answer = None if self.asking.exception() else self.asking.result()
        if outcome is not None:
            self.attempt.came_to(outcome, answer)
        if answer is not None:
            answer.cancel()
        self.attempt.ended()


class Race:
    def __init__(
        self,
        first: Entrant,
        second: Entrant,
        *,
        policy: FailoverPolicy,
        lead: Callable[[Attempt], None],
        told: Told,
    ) -> None:
        """`lead` is told when the call is no more the first one's but the second's."""
        self._first = first
        self._second = second
        self._policy = policy
        self._lead = lead
        self._told = told
        self._end = HedgeEnd.CUT
        self._cut_off: Entrant | None = second

    async def run(self, trace: Trace) -> Answer:
        """The head of the winner's answer. Raises what the last of them failed by."""
        try:
            return await self._won(trace)
        except BaseException:
            # The first is left by whoever began it.
            leave(self._second.asking)
            raise
        finally:
            self._told.hedged(self._second.attempt.ticket.provider, self._end)
            if self._cut_off is not None:
                leave(self._cut_off.asking)
                self._cut_off.attempt.cut_off(outrun=self._end is not HedgeEnd.CUT)

    async def _won(self, trace: Trace) -> Answer:
        first, second = self._first, self._second
        await asyncio.wait((first.asking, second.asking), return_when=asyncio.FIRST_COMPLETED)
        if not first.asking.done():
            return await self._second_came()
        outcome = first.came_to()
        if outcome is None or decides(outcome, self._policy):
            self._end = HedgeEnd.LOST
            return first.asking.result()
        first.falls(outcome)
        self._told.gone_on(trace, outcome)
        return await self._second_alone()

    async def _second_came(self) -> Answer:
        first, second = self._first, self._second
        outcome = second.came_to()
        if isinstance(outcome, int) and outcome < HTTP_ERRORS:
            self._end, self._cut_off = HedgeEnd.WON, first
            self._lead(second.attempt)
            return second.asking.result()
        self._end, self._cut_off = HedgeEnd.FAILED, None
        second.falls(outcome)
        return await first.asking

    async def _second_alone(self) -> Answer:
        """As if failover had asked it."""
        self._cut_off = None
        self._lead(self._second.attempt)
        try:
            answer = await self._second.asking
        except GatewayError:
            self._end = HedgeEnd.FAILED
            raise
        self._end = HedgeEnd.WON if answer.status < HTTP_ERRORS else HedgeEnd.FAILED
        return answer


def leave(asking: Asking) -> None:
    """Whatever still comes of it is given up."""
    asking.cancel()
    asking.add_done_callback(_given_up)


def _given_up(asking: Asking) -> None:
    if not asking.cancelled() and asking.exception() is None:
        asking.result().cancel()
