"""When which account is to be looked at, on Redis or Valkey. The ledger's scripts write it too."""

import asyncio
from collections.abc import Sequence

from gateway.metering.journal import SHARDS
from gateway.stores.redis import encode, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import ACCOUNTS, TERMS, agenda_key, shard, shard_tag

# Put down again at a time when the terms changed.
BATCH = 500


class RedisAgenda:
    """Answers `stores.agenda.Agenda`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[str]:
        claimed = await asyncio.gather(
            *(
                self._client.run(
                    lua.CLAIM,
                    encode.claim(agenda_key(shard(number)), limit=limit, claim_ms=claim_ms),
                    _names,
                )
                for number in range(SHARDS)
            )
        )
        return [name for some in claimed for name in some]

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


def _names(reply: Sequence[bytes]) -> list[str]:
    return [name.decode() for name in reply]
