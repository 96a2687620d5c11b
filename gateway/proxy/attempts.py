"""Asking a model's upstreams for one call, one after the other, until one answers it.

One admission, one hold, one charge: the hold covers the dearest of them, an attempt that failed is
owed nothing, and whoever answers is whom the call is charged by. Another one is asked only while
not a byte of an answer has gone to the client; what the client gets is the last one's answer as it
came. Two are asked at once only where the model's entry has a `hedge`: the operator may be billed
by both.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from time import monotonic
from typing import Protocol

from gateway.dialects.base import Prepared
from gateway.errors import ClientLeft, Draining, UpstreamAtLimit, UpstreamFailed
from gateway.metering.choosing import choose
from gateway.metering.events import End
from gateway.metering.failover import HTTP_ERRORS, AttemptEnd
from gateway.proxy.attempt import Attempt
from gateway.proxy.hedging import Hedging
from gateway.proxy.hold import Hold
from gateway.proxy.race import Entrant, Race, leave
from gateway.proxy.running import RunningCall
from gateway.proxy.seams import Answer, Exchange
from gateway.proxy.ticket import Way
from gateway.proxy.upstreams import Upstreams

# Members of an enumeration cost a descriptor call each time they are reached through it.
_COMPLETED, _FAILED = End.COMPLETED, End.UPSTREAM_FAILED


class Preparing(Protocol):
    """Makes what goes to a provider that has this name for the model."""

    async def __call__(self, upstream_model: str) -> Prepared: ...


class Attempts:
    """Those of one call. `ended` must follow, however it ends."""

    __slots__ = (
        "_attempt",
        "_exchange",
        "_hedging",
        "_hold",
        "_left",
        "_pause_s",
        "_policy",
        "_round",
        "_upstreams",
        "_watched",
    )

    def __init__(
        self,
        upstreams: Upstreams,
        exchange: Exchange,
        hold: Hold,
        watched: RunningCall,
    ) -> None:
        self._upstreams = upstreams
        self._exchange = exchange
        self._hold = hold
        self._watched = watched
        ways = hold.ticket.ways
        self._left: Sequence[Way] = ways
        self._policy = (ways[0].route.failover if ways else None) or upstreams.policy
        self._round = 1
        self._pause_s = 0.0
        self._attempt: Attempt | None = None
        self._hedging: Hedging | None = None
        if len(ways) > 1 and (hedge := ways[0].route.hedge) and hedge.applies(hold.ticket.call):
            self._hedging = upstreams.hedgings[ways[0].route.entry]
            self._hedging.called()

    async def answer(self, prepare: Preparing) -> tuple[bool, Answer]:
        """The first answer that is not to be asked for again, or the last there was, and whether
        its usage event is to be hidden. Raises UpstreamFailed for one that did not come,
        UpstreamAtLimit if nobody could be asked, ClientLeft, and Draining."""
        way = self._chosen(last_resort=True)
        if way is None:
            raise self._at_limit()
        prepared, made_for = await prepare(way.resolved.model), way.resolved.model
        while True:
            if self._pause_s:
                await self._pause()
            first = self._begin(way)
            self._lead(first)
            await first.address(prepared)
            self._due(first)
            try:
                answer = await self._opened(self._head(first, prepare))
            except UpstreamFailed as error:
                attempt = self._current()
                following = self._following(attempt, attempt.failed_by(error), None)
                if following is None:
                    raise
            else:
                attempt = self._current()
                if answer.status < HTTP_ERRORS:
                    self._served(attempt)
                    return attempt.hide_usage, answer
                following = self._following(attempt, answer.status, answer)
                if following is None:
                    return attempt.hide_usage, answer
                answer.cancel()
            self.ended()
            way = following
            if way.resolved.model != made_for:
                prepared, made_for = await prepare(way.resolved.model), way.resolved.model

    def relayed(self, end: End) -> None:
        """The answer is over, and this was its end."""
        if self._attempt is None:
            return
        if end is _COMPLETED:
            self._attempt.health.completed()
        elif end is _FAILED:
            self._attempt.health.failed(now_s=monotonic())

    def ended(self) -> None:
        """Nothing more comes of the upstream that was asked last."""
        if self._attempt is not None:
            self._attempt.ended()
            self._attempt = None

    def _current(self) -> Attempt:
        assert self._attempt is not None, "one was begun"
        return self._attempt

    def _begin(self, way: Way) -> Attempt:
        ticket = self._hold.ticket
        if len(ticket.ways) > 1:
            ticket = ticket.by_way_of(way)
            self._left = [each for each in self._left if each is not way]
        else:
            self._left = ()
        return Attempt(self._upstreams, self._exchange, self._hold, ticket)

    def _lead(self, attempt: Attempt) -> None:
        self._attempt = attempt
        attempt.lead()

    def _due(self, attempt: Attempt) -> None:
        trace, policy = self._exchange.trace, self._policy
        if not trace.forwarded_s:
            trace.forwarded_s = asked_s = attempt.asked_s
            self._watched.due(
                answer_by_s=asked_s + policy.answer_deadline_s,
                end_by_s=asked_s + policy.total_deadline_s,
            )

    def _head(self, first: Attempt, prepare: Preparing) -> Awaitable[Answer]:
        hedging = self._hedging
        wait_s = None if hedging is None else hedging.wait_s(first.ticket.provider)
        if hedging is None or wait_s is None or not self._left:
            return first.head()
        return self._hedged(first, hedging, prepare, wait_s=wait_s)

    async def _hedged(
        self, first: Attempt, hedging: Hedging, prepare: Preparing, *, wait_s: float
    ) -> Answer:
        """The head of its answer or, if that takes long, of whichever of two answers first."""
        tasks = self._upstreams.tasks
        asking = tasks.ask(first.head(), name="an attempt that may be hedged")
        try:
            await asyncio.wait((asking,), timeout=wait_s)
            second = None if asking.done() else self._besides(hedging)
            if second is None:
                return await asking
            besides = tasks.ask(_asked(second, prepare), name="a hedge")
            race = Race(
                Entrant(first, asking),
                Entrant(second, besides),
                policy=self._policy,
                lead=self._lead,
                told=self._upstreams.told,
            )
            answer = await race.run(self._exchange.trace)
        except BaseException:
            leave(asking)
            raise
        if self._attempt is second:
            # At least so long.
            hedging.took(first.ticket.provider, monotonic() - first.asked_s)
        return answer

    def _besides(self, hedging: Hedging) -> Attempt | None:
        """Whom to ask beside one that takes long; None: nobody."""
        way = self._chosen(last_resort=False) if self._another() else None
        if way is None:
            return None
        if not hedging.take():
            self._upstreams.told.hedge_withheld()
            return None
        return self._begin(way)

    async def _opened(self, head: Awaitable[Answer]) -> Answer:
        """An answer begins, if the call does not end first."""
        hold, trace = self._hold, self._exchange.trace
        try:
            answer = await self._watched.opening(head)
        except (UpstreamFailed, Draining):
            hold.owes(None)
            raise
        except ClientLeft:
            hold.end = End.CLIENT_LEFT
            raise
        trace.first_byte_s = monotonic()
        trace.status = hold.http_status = answer.status
        return answer

    def _chosen(self, *, last_resort: bool) -> Way | None:
        ways, healths = self._left, self._upstreams.healths
        if not ways:
            return None
        if len(ways) == 1 and last_resort:
            only = healths[ways[0].route.provider]
            return None if only.bounded and only.wait_s(monotonic()) else ways[0]
        now_s = monotonic()
        index = choose(
            [way.route for way in ways],
            [healths[way.route.provider].standing(way.resolved.model, now_s=now_s) for way in ways],
            draw=self._upstreams.draw(),
            last_resort=last_resort,
        )
        return None if index is None else ways[index]

    def _at_limit(self) -> UpstreamAtLimit:
        healths, now_s = self._upstreams.healths, monotonic()
        waits_s = [healths[way.route.provider].wait_s(now_s) for way in self._left]
        return UpstreamAtLimit(
            "As many calls are at the provider as it is given from here. Send the call again.",
            retry_after_s=min(waits_s),
        )

    def _served(self, attempt: Attempt) -> None:
        first_byte_s = self._exchange.trace.first_byte_s
        latency_s = first_byte_s - attempt.asked_s
        attempt.health.served(latency_s=latency_s, now_s=first_byte_s)
        if self._hedging is not None:
            self._hedging.took(attempt.ticket.provider, latency_s)

    def _following(
        self, attempt: Attempt, outcome: AttemptEnd, answer: Answer | None
    ) -> Way | None:
        """Note what this attempt came to; whom to ask instead, if anybody."""
        if self._watched.late:
            # It may have been given a moment only, which is not its trouble.
            return None
        attempt.came_to(outcome, answer)
        if outcome not in self._policy.retry_on or not self._another():
            return None
        following = self._chosen(last_resort=False) or self._in_another_round()
        if following is not None:
            trace = self._exchange.trace
            self._upstreams.told.gone_on(trace, outcome)
            self._hold.owes(None)
            trace.status = self._hold.http_status = 0
            trace.first_byte_s = 0.0
        return following

    def _another(self) -> bool:
        """May one more attempt be made?"""
        trace, policy = self._exchange.trace, self._policy
        return (
            trace.attempts < policy.attempts_max
            and monotonic() - trace.forwarded_s < policy.deadline_s
            and not self._watched.unwanted
        )

    def _in_another_round(self) -> Way | None:
        if self._round >= self._policy.rounds:
            return None
        self._round += 1
        self._left = self._hold.ticket.ways
        self._pause_s = self._policy.pause_s(self._round, draw=self._upstreams.draw())
        return self._chosen(last_resort=False)

    async def _pause(self) -> None:
        pause_s, self._pause_s = self._pause_s, 0.0
        try:
            await self._watched.opening(asyncio.sleep(pause_s))
        except ClientLeft:
            self._hold.end = End.CLIENT_LEFT
            raise


async def _asked(attempt: Attempt, prepare: Preparing) -> Answer:
    await attempt.address(await prepare(attempt.ticket.model))
    return await attempt.head()
