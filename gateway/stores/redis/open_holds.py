"""The holds that are open, on Redis or Valkey: each shard has its own by the end of their lease."""

import asyncio
from collections.abc import Sequence
from heapq import nsmallest

from gateway.metering.journal import SHARDS
from gateway.stores.operating import HoldsNow, OpenHold
from gateway.stores.redis import decode, encode, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import due_key, shard
from gateway.stores.redis.ledger import RedisLedger


class RedisOpenHolds:
    """Answers `stores.operating.OpenHolds`. The ledger knows the server's clock."""

    def __init__(self, client: RedisClient, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger

    async def look(self, *, limit: int) -> HoldsNow:
        tags = [shard(number) for number in range(SHARDS)]
        ask, now_ms = self._client.command, self._ledger.now_ms()
        counts = await asyncio.gather(*(ask("ZCARD", due_key(tag)) for tag in tags))
        overdue = await asyncio.gather(
            *(ask("ZCOUNT", due_key(tag), "-inf", now_ms) for tag in tags)
        )
        found = await asyncio.gather(
            *(ask("ZRANGE", due_key(tag), 0, limit - 1, "WITHSCORES") for tag in tags)
        )
        due = [
            (int(float(score)), tag, hold_id.decode())
            for tag, flat in zip(tags, found, strict=True)
            for hold_id, score in zip(flat[::2], flat[1::2], strict=True)
        ]
        return HoldsNow(
            open=sum(map(int, counts)),
            overdue=sum(map(int, overdue)),
            first=await self._read(nsmallest(limit, due)),
        )

    async def _read(self, due: Sequence[tuple[int, str, str]]) -> Sequence[OpenHold]:
        """Those that did not end meanwhile."""
        replies = await asyncio.gather(
            *(
                self._client.run(lua.HOLD, encode.hold(tag, hold_id), list)
                for _, tag, hold_id in due
            )
        )
        holds = [
            decode.open_hold(hold_id, reply)
            for (_, _, hold_id), reply in zip(due, replies, strict=True)
        ]
        return [hold for hold in holds if hold is not None]
