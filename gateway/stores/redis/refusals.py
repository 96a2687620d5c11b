"""Counts of calls that came to nothing, on Redis or Valkey: a hash for each account and day."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from gateway.metering.history import DAY_MS
from gateway.metering.refusals import Counts, RefusalSum, Turned
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.encode import request
from gateway.stores.redis.layout import ACCOUNTS, REFUSALS_SINCE, day_of, refusals_key
from gateway.stores.refusing import KEEP_MS

# Of one account and day: what is new beyond is counted by its reason alone.
TOLD_APART_MAX = 4000


class RedisRefusals:
    """Implements `stores.refusing.Refusals`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def begin(self, now_ms: int) -> None:
        """From now on all are counted, unless that was so before."""
        known = await self._client.command("SCARD", ACCOUNTS)
        await self._client.command("SET", REFUSALS_SINCE, now_ms if known else 0, "NX")

    async def add(self, account_id: str, *, hour_ms: int, counts: Counts) -> None:
        words = [
            word
            for turned, count in counts.items()
            for word in (_field(hour_ms, turned), _field(hour_ms, Turned(turned.reason)), count)
        ]
        key = refusals_key(account_id, day_of(hour_ms))
        asked = request((key,), (KEEP_MS, TOLD_APART_MAX, *words))
        await self._client.run(lua.COUNT, asked, int)

    async def sums(
        self, account_id: str, *, start_ms: int, end_ms: int, width_ms: int
    ) -> Sequence[RefusalSum]:
        days = range(day_of(start_ms), end_ms, DAY_MS)
        kept = await asyncio.gather(
            *(self._client.command("HGETALL", refusals_key(account_id, day)) for day in days)
        )
        sums: Counter[tuple[int, Turned]] = Counter()
        for pairs in kept:
            for name, count in zip(pairs[::2], pairs[1::2], strict=True):
                hour, reason, key_id, model = name.decode().split(" ", 3)
                if start_ms <= int(hour) < end_ms:
                    turned = Turned(reason, key_id, model)
                    sums[int(hour) // width_ms * width_ms, turned] += int(count)
        return [
            RefusalSum(
                bucket_ms=bucket_ms,
                reason=turned.reason,
                key_id=turned.key_id,
                model=turned.model,
                count=count,
            )
            for (bucket_ms, turned), count in sorted(sums.items())
        ]

    async def since_ms(self) -> int:
        return int(await self._client.command("GET", REFUSALS_SINCE) or 0)


def _field(hour_ms: int, turned: Turned) -> str:
    """Of these only a model may have spaces."""
    return f"{hour_ms} {turned.reason} {turned.key_id} {turned.model}"
