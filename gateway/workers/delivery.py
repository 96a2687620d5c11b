"""Brings records to sinks that take them one by one: with patience, and without the bad ones.

A batch that is refused as a whole is halved until the record at fault stands alone; it becomes a
dead letter with the reason, and the others are delivered. Until its fate is known a record stays
unacknowledged.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.metering.records import Source, usage_record
from gateway.sinks.base import Customers, Fate, Outcome, RecordSink, Shipment
from gateway.stores.delivering import OutboxEntry
from gateway.stores.identifying import KeyStore
from gateway.workers.breaker import Breaker
from gateway.workers.exporter import Lane

# As old as an account's external ids may be when its records go out.
REMEMBER_S = 10.0
ACCOUNTS_MAX = 10_000
UNREADABLE = "the outbox entry cannot be read by this version"
ENDED = frozenset({Fate.DELIVERED, Fate.DUPLICATE})


class AddressBook:
    """The accounts' ids at billing systems, remembered for a short while."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._known: dict[str, tuple[float, Mapping[str, str]]] = {}

    async def customer(self, account_id: str, customers: Customers) -> str | None:
        """What this sink calls the account; None if it has no name for it."""
        if not customers.external:
            return account_id
        now_s = asyncio.get_running_loop().time()
        asked_s, external = self._known.get(account_id, (0.0, {}))
        if account_id not in self._known or now_s - asked_s > REMEMBER_S:
            account = await self._keys.account(account_id)
            external = account.external if account else {}
            if len(self._known) >= ACCOUNTS_MAX:
                self._known.clear()
            self._known[account_id] = now_s, external
        found = external.get(customers.external)
        return found or (account_id if customers.or_account_id else None)


@dataclass(frozen=True, slots=True)
class Parcel:
    entry: OutboxEntry
    shipment: Shipment


class Sorting:
    """From entries to what goes out: records addressed; the rest is acknowledged or buried."""

    def __init__(self, source: Source, book: AddressBook) -> None:
        self._source = source
        self._book = book

    async def parcels(
        self, entries: Sequence[OutboxEntry], customers: Customers, lane: Lane
    ) -> list[Parcel]:
        parcels, done = [], []
        for entry in entries:
            if entry.settlement is None:
                if entry.unreadable:
                    await bury(entry, UNREADABLE, lane)
                else:
                    done.append(entry)
                continue
            record = usage_record(entry.settlement, self._source)
            customer = await self._book.customer(record.account_id, customers)
            if customer is not None:
                parcels.append(Parcel(entry, Shipment(record, customer)))
            elif customers.skip:
                done.append(entry)
            else:
                reason = f"the account has no external id for {customers.external}"
                await bury(entry, reason, lane)
        if done:
            await lane.outbox.ack(lane.sink, done)
        return parcels


class RecordCourier:
    """Answers `exporter.Courier` for sinks that take records."""

    def __init__(self, sink: RecordSink, breaker: Breaker, sorting: Sorting) -> None:
        self._sink = sink
        self._breaker = breaker
        self._sorting = sorting

    async def resume(self, lane: Lane) -> None:
        """Nothing is begun but by reading."""

    async def ship(self, entries: Sequence[OutboxEntry], lane: Lane) -> None:
        left = await self._sorting.parcels(entries, self._sink.customers, lane)
        size = self._sink.limits.events_max
        while left:
            tried = left[:size]
            if not await cleared(self._breaker, lane):
                return
            try:
                outcomes = await self._halved(tried)
            except BaseException:
                self._breaker.gave_up()
                raise
            await self._book_in(tried, outcomes, lane)
            tell(self._breaker, outcomes, lane)
            left = _undelivered(tried, outcomes) + left[size:]
            if lane.stopping.is_set() and any(each.fate is Fate.RETRY for each in outcomes):
                return

    async def _halved(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Each record's own outcome, however often the batch has to be divided for that."""
        outcomes = list(await self._sink.deliver([parcel.shipment for parcel in parcels]))
        if all(each.fate is not Fate.REFUSED for each in outcomes):
            return outcomes
        if len(parcels) == 1:
            return [Outcome(Fate.POISON, outcomes[0].reason)]
        middle = len(parcels) // 2
        return await self._halved(parcels[:middle]) + await self._halved(parcels[middle:])

    async def _book_in(
        self, parcels: Sequence[Parcel], outcomes: Sequence[Outcome], lane: Lane
    ) -> None:
        counts: dict[str, int] = {}
        done = []
        for parcel, outcome in zip(parcels, outcomes, strict=True):
            if outcome.fate in ENDED:
                done.append(parcel.entry)
            if outcome.fate is Fate.POISON:
                await bury(parcel.entry, outcome.reason, lane)
            else:
                counts[outcome.fate.value] = counts.get(outcome.fate.value, 0) + 1
        if done:
            await lane.outbox.ack(lane.sink, done)
        for fate, count in counts.items():
            lane.observer.exported(lane.sink, fate, count)


def _undelivered(parcels: Sequence[Parcel], outcomes: Sequence[Outcome]) -> list[Parcel]:
    return [
        parcel
        for parcel, outcome in zip(parcels, outcomes, strict=True)
        if outcome.fate in (Fate.RETRY, Fate.DISABLED)
    ]


async def bury(entry: OutboxEntry, reason: str, lane: Lane) -> None:
    await lane.outbox.bury(lane.sink, entry, reason)
    lane.observer.exported(lane.sink, Fate.POISON.value, 1)
    lane.observer.buried(lane.sink, reason)


async def cleared(breaker: Breaker, lane: Lane) -> bool:
    """Wait until an attempt may be made, keeping the lane meanwhile. False: stop instead."""
    clock = asyncio.get_running_loop().time
    while True:
        await lane.keep()
        if breaker.disabled or breaker.paused:
            await lane.pause(1.0)
        elif (wait_s := breaker.wait_s(clock())) > 0:
            await lane.pause(min(wait_s, 1.0))
        else:
            return True
        if lane.stopping.is_set():
            return False


def tell(breaker: Breaker, outcomes: Sequence[Outcome], lane: Lane) -> None:
    """Let the breaker, and whoever watches, know how an attempt went."""
    stopped = next((each for each in outcomes if each.fate is Fate.DISABLED), None)
    failed = next((each for each in outcomes if each.fate is Fate.RETRY), None)
    if stopped is not None:
        breaker.gave_up()
        if not breaker.disabled:
            breaker.disabled = True
            lane.observer.sink_disabled(lane.sink, stopped.reason)
    elif failed is not None:
        now_s = asyncio.get_running_loop().time()
        waits = [each.retry_after_s for each in outcomes if each.retry_after_s is not None]
        if breaker.failed(now_s, retry_after_s=max(waits, default=None)):
            lane.observer.sink_failing(lane.sink, failed.reason)
    elif breaker.succeeded():
        lane.observer.sink_back(lane.sink)
