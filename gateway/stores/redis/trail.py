"""The audit trail on Redis or Valkey: one hash by number, which is drawn from a counter."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import orjson

from gateway.metering.changes import Change
from gateway.stores.auditing import KEPT, Noted
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import TRAIL, TRAIL_NUMBER
from gateway.stores.redis.ledger import RedisLedger


class RedisTrail:
    """Answers `stores.auditing.Trail`. The ledger knows the server's clock."""

    def __init__(self, client: RedisClient, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger

    async def begin(self, change: Change) -> int:
        number = int(await self._client.command("INCR", TRAIL_NUMBER))
        await self._put(number, replace(change, begun_ms=self._ledger.now_ms()))
        await self._client.command("HDEL", TRAIL, number - KEPT)
        return number

    async def end(self, number: int, change: Change) -> None:
        found = await self._client.command("HGET", TRAIL, number)
        begun_ms = orjson.loads(found)["begun_ms"] if found else 0
        ended_ms = self._ledger.now_ms()
        await self._put(number, replace(change, begun_ms=begun_ms, ended_ms=ended_ms))

    async def _put(self, number: int, change: Change) -> None:
        await self._client.command("HSET", TRAIL, number, orjson.dumps(asdict(change)))

    async def listed(self, *, before: int | None, limit: int) -> Sequence[Noted]:
        if before is None:
            before = int(await self._client.command("GET", TRAIL_NUMBER) or 0) + 1
        numbers = range(before - 1, max(0, before - 1 - limit), -1)
        if not numbers:
            return ()
        found = await self._client.command("HMGET", TRAIL, *numbers)
        return [
            Noted(number, Change(**orjson.loads(stored)))
            for number, stored in zip(numbers, found, strict=True)
            if stored is not None
        ]
