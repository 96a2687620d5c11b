"""When which account is to be looked at, on Redis or Valkey. The ledger's scripts write it too."""

import asyncio
from collections.abc import Sequence

from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.each_shard import claimed
from gateway.stores.redis.layout import ACCOUNTS, TERMS, agenda_key, shard_tag

# Put down again at a time when the terms changed.
BATCH = 500


class RedisAgenda:
    """Answers `stores.agenda.Agenda`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[str]:
        return await claimed(self._client, lua.CLAIM, agenda_key, limit, claim_ms)

    async def review(self, terms: str) -> bool:
        if await self._client.command("GET", TERMS) == terms.encode():
            return False
        ids = [each.decode() for each in await self._client.command("SMEMBERS", ACCOUNTS)]
        for start in range(0, len(ids), BATCH):
            await asyncio.gather(*map(self._put_down, ids[start : start + BATCH]))
        # Last: whoever dies before has it done again.
        await self._client.command("SET", TERMS, terms)
        return True

    async def _put_down(self, account_id: str) -> None:
        await self._client.command("ZADD", agenda_key(shard_tag(account_id)), 0, account_id)
