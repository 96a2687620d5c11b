"""What operators do about deliveries on Redis or Valkey: look at dead letters, have things sent
once more, forget a sink. The running exporter does the sending."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence

from gateway.errors import BadCall
from gateway.metering.journal import SHARDS
from gateway.stores.delivering import DeadLetter
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.decode import Hash, entry_fields, pairs
from gateway.stores.redis.deliveries import USAGE_KINDS
from gateway.stores.redis.encode import request
from gateway.stores.redis.layout import (
    again_key,
    dead_key,
    outbox_key,
    shard,
    sink_key,
    sums_key,
)

PAGE = 500
NAME = re.compile(r"([0-9]{1,2}):([0-9]{1,15}-[0-9]{1,15})")


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

    async def dead(self, sink: str, *, limit: int, after: str = "") -> Sequence[DeadLetter]:
        """By shard and age, at most `limit`; `after`: only those behind the letter of that name."""
        letters: list[DeadLetter] = []
        first, letter_id = _place(after) if after else (0, "")
        for number in range(first, SHARDS):
            left = limit - len(letters)
            if left <= 0:
                break
            start = f"({letter_id}" if after and number == first else "-"
            letters += await self._range(sink, number, start, "+", limit=left)
        return letters

    async def letters(self, sink: str, names: Collection[str]) -> Sequence[DeadLetter]:
        """Those of these names that there are. Raises BadCall for what is no such name."""
        places = [_place(name) for name in names]
        found = [
            await self._range(sink, number, letter_id, letter_id, limit=1)
            for number, letter_id in places
        ]
        return [letter for some in found for letter in some]

    async def _range(
        self, sink: str, number: int, start: str, end: str, *, limit: int
    ) -> list[DeadLetter]:
        key = dead_key(shard(number), sink)
        found = await self._client.command("XRANGE", key, start, end, "COUNT", limit)
        return [_letter(number, letter_id, entry_fields(fields)) for letter_id, fields in found]

    async def discard(self, sink: str, letters: Sequence[DeadLetter]) -> int:
        """Forget them for good; answers how many were still there."""
        gone = [
            await self._client.command("XDEL", dead_key(shard(each.shard), sink), each.letter_id)
            for each in letters
        ]
        return sum(gone)

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
        under_way: list[Awaitable[object]] = []
        async for number, entry_id, fields in self._entries(first_ms, last_ms):
            known = entry_fields(fields)
            wanted = not requests or known[b"id"].decode() in requests
            if known[b"kind"] in USAGE_KINDS and wanted:
                stream = again_key(shard(number), sink)
                sent = self._client.command("XADD", stream, "*", "entry", entry_id, *fields)
                under_way.append(sent)
                count += 1
            if len(under_way) >= PAGE:
                await asyncio.gather(*under_way)
                under_way.clear()
        await asyncio.gather(*under_way)
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
        await self._client.command("DEL", sink_key(sink))


def _place(name: str) -> tuple[int, str]:
    """Shard and entry of a dead letter's name."""
    known = NAME.fullmatch(name)
    if known is None or int(known[1]) >= SHARDS:
        raise BadCall(f"{name[:60]!r} is no dead letter's name, such as 17:1795688107250-0.")
    return int(known[1]), known[2]


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
