"""Brings sums of records to sinks that count by themselves and forget after a while.

A sum is stored, with the identifier under which it is counted once, in the same step that
acknowledges the records it was made of. From then on it is sent as it stands until the other side
has confirmed it. When it has not for so long that the other side may have forgotten the identifier,
it is not sent blindly: what the other side counted for that customer and minute tells whether it
got there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from gateway.metering.sums import Message
from gateway.sinks.base import Fate, MeterSink, Outcome, retry
from gateway.stores.delivering import OutboxEntry, Sums
from gateway.workers.breaker import Breaker
from gateway.workers.delivery import ENDED, Parcel, Sorting, cleared, tell
from gateway.workers.exporter import Lane, LaneLost

# Sent at a time from one lane; the sink sees to it that no customer's overlap.
AT_ONCE = 8
# A sum that cannot be told to be there or not becomes a dead letter when it is this much older
# than what may be resent: somebody has to look.
DOUBT_MS = 6 * 3_600_000
MARK_AGAIN = "r"

OnTheWay = tuple[int, Message]


class MeterCourier:
    """Answers `exporter.Courier` for sinks that take sums."""

    def __init__(self, sink: MeterSink, breaker: Breaker, sorting: Sorting, sums: Sums) -> None:
        self._sink = sink
        self._breaker = breaker
        self._sorting = sorting
        self._sums = sums

    async def resume(self, lane: Lane) -> None:
        await self._send_all(await self._sums.under_way(lane.sink, lane.number), lane)

    async def ship(self, entries: Sequence[OutboxEntry], lane: Lane) -> None:
        parcels = await self._sorting.parcels(entries, self._sink.customers, lane)
        on_the_way: list[OnTheWay] = []
        for (shard, _), same in groupby(sorted(parcels, key=_place), key=_place):
            on_the_way += await self._seal(shard, list(same), lane)
        await self._send_all(on_the_way, lane)

    async def _seal(self, shard: int, parcels: Sequence[Parcel], lane: Lane) -> list[OnTheWay]:
        entries = [parcel.entry for parcel in parcels]
        # No entry is sealed twice, so its id marks what is made of it.
        mark = f"{shard}-{entries[0].place or entries[0].entry_id}{'a' * entries[0].repeat}"
        now_ms = lane.outbox.now_ms()
        messages = [
            replace(message, first_sent_ms=now_ms)
            for message in self._sink.messages([each.shipment for each in parcels], mark=mark)
        ]
        await lane.keep()
        if not await self._sums.seal(lane.sink, entries, messages):
            raise LaneLost
        return [(shard, message) for message in messages]

    async def _send_all(self, on_the_way: Sequence[OnTheWay], lane: Lane) -> None:
        left = list(on_the_way)
        while left:
            if not await cleared(self._breaker, lane):
                return
            tried = left[:AT_ONCE]
            try:
                outcomes = await asyncio.gather(
                    *(self._send(message, lane) for _, message in tried)
                )
                for (shard, message), outcome in zip(tried, outcomes, strict=True):
                    await self._book_in(shard, message, outcome, lane)
            except BaseException:
                self._breaker.gave_up()
                raise
            tell(self._breaker, outcomes, lane)
            left = left[AT_ONCE:] + [
                each
                for each, outcome in zip(tried, outcomes, strict=True)
                if outcome.fate in (Fate.RETRY, Fate.DISABLED)
            ]
            if lane.stopping.is_set() and any(each.fate is Fate.RETRY for each in outcomes):
                return

    async def _send(self, message: Message, lane: Lane) -> Outcome:
        age_ms = lane.outbox.now_ms() - message.first_sent_ms
        if age_ms <= self._sink.resend_ms:
            return await self._sink.send(message)
        return await self._look_for(message, lane, age_ms=age_ms)

    async def _look_for(self, message: Message, lane: Lane, *, age_ms: int) -> Outcome:
        """Whether it was counted, told from what else was; then it is done, or sent anew."""
        counted = await self._sink.total(message)
        if isinstance(counted, Outcome):
            return counted
        same = [
            (shard, each)
            for shard, each in await self._sums.under_way(lane.sink)
            if each.counted_under == message.counted_under
        ]
        confirmed = await self._sums.confirmed(lane.sink, message)
        if counted == confirmed + sum(each.value for _, each in same):
            return Outcome(Fate.DUPLICATE)
        if counted == confirmed:
            return await self._send_anew(message, same, lane)
        reason = f"the sink counted {counted}, {confirmed} were confirmed: was this one counted?"
        if age_ms > self._sink.resend_ms + DOUBT_MS:
            return Outcome(Fate.POISON, reason)
        return retry(reason)

    async def _send_anew(self, message: Message, same: Sequence[OnTheWay], lane: Lane) -> Outcome:
        """It was not counted: under a new identifier, stored before it is sent."""
        for shard, each in same:
            if each.identifier == message.identifier:
                anew = replace(
                    message,
                    identifier=f"{message.identifier}{MARK_AGAIN}",
                    first_sent_ms=lane.outbox.now_ms(),
                )
                await self._sums.replace(lane.sink, shard, message, anew)
                outcome = await self._sink.send(anew)
                if outcome.fate in ENDED:
                    await self._sums.told(lane.sink, shard, anew)
                    return outcome
        # Its successor is found and sent when the lane is resumed.
        raise LaneLost

    async def _book_in(self, shard: int, message: Message, outcome: Outcome, lane: Lane) -> None:
        if outcome.fate in ENDED:
            await self._sums.told(lane.sink, shard, message)
        fate = outcome.fate
        if fate in (Fate.POISON, Fate.REFUSED):
            fate = Fate.POISON
            await self._sums.bury(lane.sink, shard, message, outcome.reason)
            lane.observer.buried(lane.sink, outcome.reason)
        lane.observer.exported(lane.sink, fate.value, 1)


def _place(parcel: Parcel) -> tuple[int, bool]:
    return parcel.entry.shard, parcel.entry.repeat
