"""What accounts created at providers, on Redis or Valkey: one small string each.

Each is forgotten `KEPT_S` after it was last asked for, so that what a provider has long deleted
does not fill the store.
"""

import asyncio
from collections.abc import Mapping, Sequence

import orjson

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import object_key

# Longer than any provider keeps what nobody uses: OpenAI deletes responses after 30 days.
KEPT_S = 400 * 86_400
BRIEFLY_KEPT_S = 31 * 86_400


class RedisObjects:
    """Answers `stores.base.ObjectStore`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def put(
        self, account_id: str, name: str, record: Mapping[str, object], *, briefly: bool = False
    ) -> None:
        seconds = BRIEFLY_KEPT_S if briefly else KEPT_S
        key = object_key(account_id, name)
        await self._client.command("SET", key, orjson.dumps(record), "EX", seconds)

    async def get(
        self, account_id: str, names: Sequence[str]
    ) -> Sequence[Mapping[str, object] | None]:
        asked = [
            self._client.command("GETEX", object_key(account_id, name), "EX", KEPT_S)
            for name in names
        ]
        return [
            None if text is None else orjson.loads(text) for text in await asyncio.gather(*asked)
        ]

    async def own(self, account_id: str, names: Sequence[str]) -> Sequence[bool]:
        if not names:
            return []
        keys = [object_key(account_id, name) for name in names]
        return [text is not None for text in await self._client.command("MGET", *keys)]

    async def drop(self, account_id: str, name: str) -> None:
        await self._client.command("DEL", object_key(account_id, name))
