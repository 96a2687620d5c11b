"""Answers to requests with an `Idempotency-Key`, kept for two days.

One key a request: first a note that it is running (for as long as an operation may take), then its
answer. A process that dies in between leaves the note to expire.
"""

import hashlib

import orjson

from gateway.stores.base import InFlight, Other, Replay
from gateway.stores.redis.plain import PlainClient

RUNNING_MS = 60_000
# Stripe keeps them for a day, and people retry after a weekend day.
KEPT_MS = 48 * 3_600_000


class RedisReplays:
    """Implements `Replays`."""

    def __init__(self, url: str) -> None:
        self._client = PlainClient(url)

    async def close(self) -> None:
        await self._client.close()

    async def begin(
        self, owner: str, key: str, fingerprint: str
    ) -> Replay | InFlight | Other | None:
        name = _name(owner, key)
        note = orjson.dumps([fingerprint])
        set_now, found = await self._client.ask(
            ("SET", name, note, "NX", "PX", RUNNING_MS), ("GET", name)
        )
        if set_now is not None or found is None:
            return None
        known, *answer = orjson.loads(found)
        if known != fingerprint:
            return Other()
        if not answer:
            return InFlight()
        status, body = answer
        return Replay(status, body.encode())

    async def finish(
        self, owner: str, key: str, fingerprint: str, *, status: int, body: bytes
    ) -> None:
        answer = orjson.dumps([fingerprint, status, body.decode()])
        await self._client.ask(("SET", _name(owner, key), answer, "PX", KEPT_MS))

    async def forget(self, owner: str, key: str) -> None:
        await self._client.ask(("DEL", _name(owner, key)))


def _name(owner: str, key: str) -> str:
    # Digested: what callers choose is of any length and holds any character.
    digest = hashlib.sha256(b"%b\0%b" % (owner.encode(), key.encode())).hexdigest()
    return f"idem:{digest}"
