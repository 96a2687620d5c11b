"""The holds that are open, on Redis or Valkey: each shard has its own by the end of their lease."""

import asyncio
from collections.abc import Sequence
from heapq import nsmallest

from gateway.metering.journal import SHARDS
from gateway.stores.operating import AccountHolds, HoldsNow, OpenHold
from gateway.stores.redis import decode, encode_holds, lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import due_key, hold_key, shard, shard_tag
from gateway.stores.redis.ledger import RedisLedger

Due = tuple[int, str, str]
"""When its lease ends, the shard's tag, its id."""
# Holds of a shard, most of them other accounts', of which one account's are looked for: two
# commands, and some milliseconds.
LOOKED_AT = 5_000


class RedisOpenHolds:
    """Answers `stores.operating.OpenHolds`. The ledger knows the server's clock; `lease_ms` is that
    of a call which was not heard of yet: it tells when it began."""

    def __init__(self, client: RedisClient, ledger: RedisLedger, *, lease_ms: int) -> None:
        self._client = client
        self._ledger = ledger
        self._lease_ms = lease_ms

    async def look(self, *, limit: int) -> HoldsNow:
        tags = [shard(number) for number in range(SHARDS)]
        ask, now_ms = self._client.command, self._ledger.now_ms()
        counts = await asyncio.gather(*(ask("ZCARD", due_key(tag)) for tag in tags))
        overdue = await asyncio.gather(
            *(ask("ZCOUNT", due_key(tag), "-inf", now_ms) for tag in tags)
        )
        found = await asyncio.gather(
            *(ask("ZRANGE", due_key(tag), 0, limit - 1, "WITHSCORES") for tag in tags)
        )
        due = [each for tag, flat in zip(tags, found, strict=True) for each in _due(tag, flat)]
        return HoldsNow(
            open=sum(map(int, counts)),
            overdue=sum(map(int, overdue)),
            first=await self._read(nsmallest(limit, due)),
        )

    async def of_account(self, account_id: str, *, limit: int) -> AccountHolds:
        tag = shard_tag(account_id)
        flat = await self._client.command("ZRANGE", due_key(tag), 0, LOOKED_AT - 1, "WITHSCORES")
        if not (due := _due(tag, flat)):
            return AccountHolds(holds=(), more=False)
        texts = await self._client.command("MGET", *(hold_key(tag, each[2]) for each in due))
        own = [
            each
            for each, text in zip(due, texts, strict=True)
            if decode.is_hold_of(account_id, text)
        ]
        return AccountHolds(
            holds=await self._read(own[:limit]),
            more=len(own) > limit or len(due) == LOOKED_AT,
        )

    async def _read(self, due: Sequence[Due]) -> Sequence[OpenHold]:
        """Those that did not end meanwhile."""
        replies = await asyncio.gather(
            *(
                self._client.run(lua.HOLD, encode_holds.hold(tag, hold_id), list)
                for _, tag, hold_id in due
            )
        )
        holds = [
            decode.open_hold(hold_id, reply, lease_ms=self._lease_ms)
            for (_, _, hold_id), reply in zip(due, replies, strict=True)
        ]
        return [hold for hold in holds if hold is not None]


def _due(tag: str, flat: Sequence[bytes]) -> Sequence[Due]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [(int(float(score)), tag, hold_id.decode()) for hold_id, score in pairs]
