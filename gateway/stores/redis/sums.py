"""Sums under way on Redis or Valkey: one hash a shard, next to the entries they were made of."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import orjson

from gateway.metering.journal import SHARDS
from gateway.metering.sums import Message
from gateway.stores.delivering import OutboxEntry
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.deliveries import shards
from gateway.stores.redis.encode import request
from gateway.stores.redis.layout import (
    again_key,
    day_of,
    dead_key,
    outbox_key,
    shard,
    sums_key,
    told_key,
)


class RedisSums:
    """Answers `stores.delivering.Sums`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def seal(
        self, sink: str, entries: Sequence[OutboxEntry], messages: Sequence[Message]
    ) -> bool:
        tag, repeat = shard(entries[0].shard), entries[0].repeat
        stream, group = (again_key(tag, sink), "") if repeat else (outbox_key(tag), sink)
        places = [entry.place if repeat else entry.entry_id for entry in entries]
        stored = [part for each in messages for part in (each.identifier, _stored(each))]
        asked = request((stream, sums_key(tag, sink)), (group, len(places), *places, *stored))
        return bool(await self._client.run(lua.SEAL, asked, int))

    async def under_way(self, sink: str, lane: int | None = None) -> Sequence[tuple[int, Message]]:
        numbers = range(SHARDS) if lane is None else shards(lane)
        found = await asyncio.gather(
            *(self._client.command("HVALS", sums_key(shard(number), sink)) for number in numbers)
        )
        return [
            (number, Message(**orjson.loads(stored)))
            for number, values in zip(numbers, found, strict=True)
            for stored in sorted(values)
        ]

    async def told(self, sink: str, number: int, message: Message) -> None:
        await self._resolve(sink, number, message, "told", message.counted_under, message.value)

    async def replace(self, sink: str, number: int, message: Message, by: Message) -> None:
        await self._resolve(sink, number, message, "instead", by.identifier, _stored(by))

    async def bury(self, sink: str, number: int, message: Message, reason: str) -> None:
        await self._resolve(sink, number, message, "dead", reason)

    async def _resolve(
        self, sink: str, number: int, message: Message, *how: str | bytes | int
    ) -> None:
        tag, day_ms = shard(number), day_of(message.minute_ms)
        keys = sums_key(tag, sink), told_key(tag, sink, day_ms), dead_key(tag, sink)
        await self._client.run(lua.RESOLVE, request(keys, (message.identifier, *how)), int)

    async def confirmed(self, sink: str, message: Message) -> int:
        day_ms, under = day_of(message.minute_ms), message.counted_under
        found = await asyncio.gather(
            *(
                self._client.command("HGET", told_key(shard(number), sink, day_ms), under)
                for number in range(SHARDS)
            )
        )
        return sum(int(value or 0) for value in found)


def _stored(message: Message) -> bytes:
    return orjson.dumps(asdict(message))
