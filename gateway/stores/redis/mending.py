"""What operators do about deliveries on Redis or Valkey: look at dead letters, have things sent
once more, forget a sink. The running exporter does the sending."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

from gateway.metering.journal import SHARDS
from gateway.stores.delivering import DeadLetter
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.decode import Hash, pairs
from gateway.stores.redis.deliveries import USAGE_KINDS
from gateway.stores.redis.encode import request
from gateway.stores.redis.layout import again_key, dead_key, outbox_key, shard, sums_key

PAGE = 500


class RedisMending:
    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def sinks(self) -> Sequence[str]:
        """All that have a place in the outboxes, configured or not; by name."""
        names: set[str] = set()
        for number in range(SHARDS):
            key = outbox_key(shard(number))
            if await self._client.command("EXISTS", key):
                for group in await self._client.command("XINFO", "GROUPS", key):
                    names.add(pairs(group)[b"name"].decode())
        return sorted(names)

    async def dead(self, sink: str, *, limit: int) -> Sequence[DeadLetter]:
        """The oldest of each shard, at most `limit` together."""
        letters: list[DeadLetter] = []
        for number in range(SHARDS):
            left = limit - len(letters)
            if left <= 0:
                break
            key = dead_key(shard(number), sink)
            found = await self._client.command("XRANGE", key, "-", "+", "COUNT", left)
            letters += (_letter(number, letter_id, pairs(fields)) for letter_id, fields in found)
        return letters

    async def redrive(self, sink: str, letters: Sequence[DeadLetter]) -> int:
        """Give them to the sink once more; answers how many were still there."""

        async def one(letter: DeadLetter) -> int:
            tag = shard(letter.shard)
            keys = dead_key(tag, sink), again_key(tag, sink), sums_key(tag, sink)
            asked = request(keys, (letter.letter_id,))
            return await self._client.run(lua.REDRIVE, asked, int)

        return sum(await asyncio.gather(*map(one, letters)))

    async def replay(
        self, sink: str, *, first_ms: int, last_ms: int, requests: Collection[str] = ()
    ) -> int:
        """Have settlements of that time sent once more, or of these only those requests'; answers
        how many. Reaches as far back as the outboxes do."""
        count = 0
        async for number, entry_id, fields in self._entries(first_ms, last_ms):
            known = pairs(fields)
            wanted = not requests or known[b"id"].decode() in requests
            if known[b"kind"] in USAGE_KINDS and wanted:
                stream = again_key(shard(number), sink)
                await self._client.command("XADD", stream, "*", "entry", entry_id, *fields)
                count += 1
        return count

    async def _entries(
        self, first_ms: int, last_ms: int
    ) -> AsyncIterator[tuple[int, bytes, Sequence[bytes]]]:
        for number in range(SHARDS):
            after = str(first_ms).encode()
            while True:
                page = await self._client.command(
                    *("XRANGE", outbox_key(shard(number)), after, last_ms, "COUNT", PAGE)
                )
                for entry_id, fields in page:
                    yield number, entry_id, fields
                if len(page) < PAGE:
                    break
                after = b"(" + page[-1][0]

    async def forget(self, sink: str) -> None:
        """Drop the sink's place and all that waits for it."""
        for number in range(SHARDS):
            tag = shard(number)
            if await self._client.command("EXISTS", outbox_key(tag)):
                await self._client.command("XGROUP", "DESTROY", outbox_key(tag), sink)
            gone = again_key(tag, sink), dead_key(tag, sink), sums_key(tag, sink)
            await self._client.command("DEL", *gone)


def _letter(number: int, letter_id: bytes, fields: Hash) -> DeadLetter:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode("utf-8", "replace")

    return DeadLetter(
        shard=number,
        letter_id=letter_id.decode(),
        reason=text(b"reason"),
        entry_id=text(b"entry"),
        account_id=text(b"account"),
        request_id=text(b"id"),
        amount_ucr=int(fields.get(b"amount", 0)),
        identifier=text(b"identifier"),
    )
