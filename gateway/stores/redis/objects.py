"""What accounts created at providers, on Redis or Valkey: one small string each."""

from collections.abc import Mapping, Sequence

import orjson

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import object_key


class RedisObjects:
    """Answers `stores.base.ObjectStore`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def put(self, account_id: str, name: str, record: Mapping[str, object]) -> None:
        await self._client.command("SET", object_key(account_id, name), orjson.dumps(record))

    async def get(
        self, account_id: str, names: Sequence[str]
    ) -> Sequence[Mapping[str, object] | None]:
        if not names:
            return []
        keys = [object_key(account_id, name) for name in names]
        found = await self._client.command("MGET", *keys)
        return [None if text is None else orjson.loads(text) for text in found]

    async def drop(self, account_id: str, name: str) -> None:
        await self._client.command("DEL", object_key(account_id, name))
