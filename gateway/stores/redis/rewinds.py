"""Shards that went back in time, on Redis or Valkey: one hash tells all processes of them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

import orjson

from gateway.metering.journal import START, Position
from gateway.metering.notices import OPERATOR, NoticeKind
from gateway.stores.redis import encode, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import REWOUND, outbox_key, shard
from gateway.stores.rewinding import Rewind

NEWEST_MAX = 1_000


class RedisRewinds:
    """Answers `stores.rewinding.Rewinds`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def lacking(self, positions: Mapping[int, Position]) -> Sequence[int]:
        known = {n: at.entry_id for n, at in positions.items() if at.entry_id != START}
        found = await asyncio.gather(
            *(
                self._client.command("XRANGE", outbox_key(shard(number)), last, last)
                for number, last in known.items()
            )
        )
        return [number for number, entries in zip(known, found, strict=True) if not entries]

    async def note(self, rewind: Rewind) -> None:
        await self._put(rewind)
        facts = orjson.dumps({"shard": rewind.shard})
        request = encode.mark(
            outbox_key(shard(rewind.shard)),
            *(rewind.lost_id, OPERATOR, NoticeKind.STORE_REWOUND.value, facts),
        )
        await self._client.run(lua.MARK, request, bytes)

    async def stuck(self, rewind: Rewind, reason: str) -> None:
        await self._put(Rewind(**asdict(rewind) | {"stuck": reason}))

    async def _put(self, rewind: Rewind) -> None:
        await self._client.command("HSET", REWOUND, rewind.shard, orjson.dumps(rewind))

    async def closed(self) -> Sequence[Rewind]:
        found = await self._client.command("HVALS", REWOUND)
        return sorted((Rewind(**orjson.loads(each)) for each in found), key=lambda one: one.shard)

    async def open(self, number: int) -> None:
        await self._client.command("HDEL", REWOUND, number)

    async def newest(self, number: int, *, until_id: str) -> Collection[str]:
        found = await self._client.command(
            *("XREVRANGE", outbox_key(shard(number)), until_id, "-", "COUNT", NEWEST_MAX)
        )
        return {entry_id.decode() for entry_id, _ in found}
