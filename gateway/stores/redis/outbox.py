"""The outboxes on Redis or Valkey, as whoever drains them sees them: read, claimed, trimmed.

Beside them the prices that the events name, so that what is drained on one machine can be told
in full although another machine charged it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.metering.journal import SHARDS, Drained, Position
from gateway.metering.pricing import ModelPrice
from gateway.stores.base import Turn
from gateway.stores.redis import decode, encode, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import JOURNAL, RATES, outbox_key, shard
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.stored_price import price_of, price_text

# A history that nobody drained into for a day was lost: another may take its place.
LOST_MS = 24 * 3_600_000
# Trims of one outbox in a row: millions of entries, then the other shards have their turn.
TRIMS_MAX = 500

_OUTBOXES = [outbox_key(shard(number)).encode() for number in range(SHARDS)]

# Of one outbox: its shard, and entries as the server lists them.
Page = tuple[int, Sequence[Any]]


class RedisOutbox:
    """Answers `stores.base.Outbox`. The ledger knows the server's clock."""

    def __init__(self, client: RedisClient, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger

    async def claim(self, history_id: str, *, holder: str, lease_ms: int) -> Turn:
        request = encode.lead(
            JOURNAL, history_id, holder=holder, lease_ms=lease_ms, lost_ms=LOST_MS
        )
        return await self._client.run(lua.LEAD, request, _turn)

    async def history_id(self) -> str:
        found = await self._client.command("HGET", JOURNAL, "history")
        return found.decode() if found else ""

    async def read(self, positions: Mapping[int, Position], *, limit: int) -> Sequence[Drained]:
        """Of each outbox what is behind its position, at most `limit` entries."""
        pages = await self._pages(positions, limit)
        return [
            Drained(number, positions[number].entry_id, [decode.entry(*found) for found in page])
            for number, page in pages
            if page
        ]

    async def _pages(self, positions: Mapping[int, Position], limit: int) -> Iterable[Page]:
        numbers = list(positions)
        keys = [_OUTBOXES[number] for number in numbers]
        ids = [positions[number].entry_id for number in numbers]
        if self._client.sharded:
            pages = await asyncio.gather(
                *(
                    self._client.command("XRANGE", key, f"({after}", "+", "COUNT", limit)
                    for key, after in zip(keys, ids, strict=True)
                )
            )
            return zip(numbers, pages, strict=True)
        # One question instead of sixty-four, most of which have nothing for an answer.
        found = await self._client.command("XREAD", "COUNT", limit, "STREAMS", *keys, *ids)
        return [(_OUTBOXES.index(key), page) for key, page in found or ()]

    async def trim(self, positions: Mapping[int, Position], *, keep_ms: int) -> None:
        """Shard by shard, some thousands at a time: no call waits for long because of it."""
        oldest = max(0, self._ledger.now_ms() - keep_ms), 0
        for number, position in positions.items():
            first = min(oldest, _parts(position.entry_id))
            request = encode.trim(outbox_key(shard(number)), "{}-{}".format(*first))
            for _ in range(TRIMS_MAX):
                if not await self._client.run(lua.TRIM, request, int):
                    break

    async def publish_prices(self, prices: Sequence[ModelPrice]) -> None:
        for price in prices:
            await self._client.command("HSETNX", RATES, price.rate_id, price_text(price))

    async def prices(self, rate_ids: Sequence[str]) -> Mapping[str, ModelPrice]:
        if not rate_ids:
            return {}
        lines = await self._client.command("HMGET", RATES, *rate_ids)
        return {
            rate_id: price_of(line)
            for rate_id, line in zip(rate_ids, lines, strict=True)
            if line is not None
        }


def _turn(reply: Any) -> Turn:  # noqa: ANN401  Any: a raw reply
    return Turn(reply.decode())


def _parts(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number)
