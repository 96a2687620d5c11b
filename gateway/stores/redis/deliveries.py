"""The outboxes on Redis or Valkey, as whoever delivers to sinks sees them: consumer groups.

A group for each sink on each shard's stream, with one consumer in it: a lane of shards belongs to
one process at a time, so what a dead process left unacknowledged is its successor's without being
claimed. The scripts make one step of what must be one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import orjson

from gateway.errors import GatewayError
from gateway.metering.journal import SHARDS
from gateway.metering.records import Settlement
from gateway.stores.delivering import LANES, Backlog, OutboxEntry
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.decode import entry_fields
from gateway.stores.redis.encode import request
from gateway.stores.redis.layout import (
    again_key,
    dead_key,
    lane_key,
    outbox_key,
    shard,
    sums_key,
)
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.stored_settle import event_of, usage_of

CONSUMER = "exporter"
# Kinds of entries that charge for a call.
USAGE_KINDS = frozenset({b"settled", b"late", b"expired"})

T = TypeVar("T")


class RedisDeliveries:
    """Answers `stores.delivering.Deliveries`. The ledger knows the server's clock."""

    def __init__(self, client: RedisClient, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger

    def now_ms(self) -> int:
        return self._ledger.now_ms()

    async def lease(self, sink: str, lane: int, *, holder: str, ttl_ms: int) -> bool:
        asked = request((lane_key(shard(lane), sink),), (holder, ttl_ms))
        return bool(await self._client.run(lua.LEASE, asked, int))

    async def join(self, sink: str, lane: int, *, everything: bool) -> None:
        start = "0" if everything else "$"

        async def create(number: int) -> None:
            key = outbox_key(shard(number))
            # Of a group that exists already the server answers an error, as it does of bad names,
            # which these are not; whether the group is there is seen at the first reading.
            with suppress(GatewayError):
                await self._client.command("XGROUP", "CREATE", key, sink, start, "MKSTREAM")

        await _each(shards(lane), create)
        # A store that is away is not a group that exists.
        await self._client.ping()

    async def unfinished(self, sink: str, lane: int, *, limit: int) -> Sequence[OutboxEntry]:
        return await self._read(sink, lane, "0", limit=limit)

    async def read(self, sink: str, lane: int, *, limit: int) -> Sequence[OutboxEntry]:
        return await self._read(sink, lane, ">", limit=limit)

    async def _read(self, sink: str, lane: int, after: str, *, limit: int) -> list[OutboxEntry]:
        share = max(1, limit // (SHARDS // LANES))

        async def read(number: int) -> list[OutboxEntry]:
            key = outbox_key(shard(number))
            reply = await self._client.command(
                *("XREADGROUP", "GROUP", sink, CONSUMER, "COUNT", share, "STREAMS", key, after)
            )
            found = reply[0][1] if reply else []
            return [_entry(number, entry_id, fields) for entry_id, fields in found]

        return [entry for some in await _each(shards(lane), read) for entry in some]

    async def repeats(self, sink: str, lane: int, *, limit: int) -> Sequence[OutboxEntry]:
        share = max(1, limit // (SHARDS // LANES))

        async def read(number: int) -> list[OutboxEntry]:
            key = again_key(shard(number), sink)
            found = await self._client.command("XRANGE", key, "-", "+", "COUNT", share)
            return [_repeat(number, place, fields) for place, fields in found]

        return [entry for some in await _each(shards(lane), read) for entry in some]

    async def ack(self, sink: str, entries: Sequence[OutboxEntry]) -> None:
        async def ack(number: int) -> None:
            tag = shard(number)
            mine = [entry for entry in entries if entry.shard == number]
            read = [entry.entry_id for entry in mine if not entry.repeat]
            again = [entry.place for entry in mine if entry.repeat]
            if read:
                await self._client.command("XACK", outbox_key(tag), sink, *read)
            if again:
                await self._client.command("XDEL", again_key(tag, sink), *again)

        await _each(sorted({entry.shard for entry in entries}), ack)

    async def bury(self, sink: str, entry: OutboxEntry, reason: str) -> None:
        tag = shard(entry.shard)
        stream = again_key(tag, sink) if entry.repeat else outbox_key(tag)
        place, group = (entry.place, "") if entry.repeat else (entry.entry_id, sink)
        asked = request((stream, dead_key(tag, sink)), (place, group, reason, entry.entry_id))
        await self._client.run(lua.BURY, asked, int)

    async def backlog(self, sink: str, lane: int | None = None) -> Backlog:
        async def read(number: int) -> Sequence[int]:
            tag = shard(number)
            keys = outbox_key(tag), again_key(tag, sink), dead_key(tag, sink), sums_key(tag, sink)
            return await self._client.run(lua.BACKLOG, request(keys, (sink,)), _numbers)

        found = await _each(range(SHARDS) if lane is None else shards(lane), read)
        return Backlog(
            waiting=sum(row[0] for row in found),
            oldest_ms=min((row[1] for row in found if row[1]), default=0),
            repeats=sum(row[2] for row in found),
            dead=sum(row[3] for row in found),
            sums=sum(row[4] for row in found),
        )


def shards(lane: int) -> range:
    """The numbers of a lane's shards; its lease lies in the first."""
    return range(lane, SHARDS, LANES)


async def _each(numbers: Iterable[int], ask: Callable[[int], Awaitable[T]]) -> list[T]:
    """The answers of all, once all have answered; of several failures the first is raised."""
    answers = await asyncio.gather(*map(ask, numbers), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def _numbers(reply: Sequence[Any]) -> Sequence[int]:
    return [int(number or 0) for number in reply]


def _entry(number: int, entry_id: bytes, flat: Sequence[bytes] | None) -> OutboxEntry:
    """Of an entry that was trimmed while it was pending the server knows the id only."""
    settlement, unreadable = read_settlement(entry_fields(flat or ()), entry_id)
    return OutboxEntry(
        shard=number,
        entry_id=entry_id.decode(),
        settlement=settlement,
        unreadable=unreadable,
    )


def _repeat(number: int, place: bytes, flat: Sequence[bytes]) -> OutboxEntry:
    fields = entry_fields(flat)
    entry_id = fields.get(b"entry", place)
    settlement, unreadable = read_settlement(fields, entry_id)
    return OutboxEntry(
        shard=number,
        entry_id=entry_id.decode(),
        settlement=settlement,
        unreadable=unreadable,
        repeat=True,
        place=place.decode(),
    )


def read_settlement(fields: dict[bytes, bytes], entry_id: bytes) -> tuple[Settlement | None, bool]:
    """The settlement of an entry, if it is one, and whether it is one that cannot be read."""
    if fields.get(b"kind") not in USAGE_KINDS:
        return None, False
    try:
        known = fields.get(b"known")
        settlement = Settlement(
            event=event_of(orjson.loads(fields[b"event"])),
            charge_ucr=int(fields[b"amount"]),
            debt_ucr=int(fields[b"debt"]),
            observed_ucr=int(fields[b"observed"]),
            # The entry was written when the call was settled: its id never changes.
            settled_ms=int(entry_id.partition(b"-")[0]),
            late=fields[b"kind"] == b"late",
            known=usage_of(orjson.loads(known)["usage"]) if known else None,
        )
    except (KeyError, ValueError, TypeError):
        return None, True
    return settlement, False
