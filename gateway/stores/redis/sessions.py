"""Who is signed in to the dashboard: a key each, which the store forgets when its time is over."""

import orjson

from gateway.stores.redis.plain import PlainClient
from gateway.stores.signing_in import StoredSession


class RedisSessions:
    """Implements `SessionStore`."""

    def __init__(self, url: str) -> None:
        self._client = PlainClient(url)

    async def shut(self) -> None:
        await self._client.close()

    async def open(self, session: str, key_digest: str, *, ends_ms: int, lives_ms: int) -> None:
        stored = orjson.dumps([key_digest, ends_ms])
        await self._client.ask(("SET", _session(session), stored, "PX", lives_ms))

    async def find(self, session: str) -> StoredSession | None:
        (found,) = await self._client.ask(("GET", _session(session)))
        return None if found is None else StoredSession(*orjson.loads(found))

    async def close(self, session: str) -> None:
        await self._client.ask(("DEL", _session(session)))


def _session(digest: str) -> str:
    return f"session:{digest}"
