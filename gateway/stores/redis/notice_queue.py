"""Webhook endpoints, and notices on their way to them, on Redis or Valkey: all in one slot."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace

import orjson

from gateway.metering.happenings import happening_of
from gateway.metering.journal import Drained, Entry
from gateway.metering.webhooks import ENDPOINTS_MAX, Endpoint, Message, told_by_webhook
from gateway.stores.noticing import DEAD_MAX
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.encode import claim, enrol
from gateway.stores.redis.layout import (
    NOTICE_OWNERS,
    NOTICES,
    NOTICES_DEAD,
    NOTICES_DUE,
    notice_endpoints_key,
    notice_seen_key,
)
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.swapping import swap
from gateway.stores.redis.wire import Command

SEEN_MS = 24 * 3_600_000


class RedisEndpoints:
    """Answers `stores.noticing.Endpoints`."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def add(self, endpoint: Endpoint) -> bool:
        asked = enrol(
            notice_endpoints_key(endpoint.account_id),
            NOTICE_OWNERS,
            endpoint_id=endpoint.endpoint_id,
            account_id=endpoint.account_id,
            stored=_stored(endpoint)[1],
            most=ENDPOINTS_MAX,
        )
        return await self._client.run(lua.ENROL, asked, bool)

    async def change(self, read: Endpoint, changed: Endpoint) -> bool:
        mine = notice_endpoints_key(read.account_id)
        return await self._swap(read, ("HSET", mine, *_stored(changed)))

    async def get(self, endpoint_id: str) -> Endpoint | None:
        owner = await self._client.command("HGET", NOTICE_OWNERS, endpoint_id)
        if owner is None:
            return None
        mine = notice_endpoints_key(owner.decode())
        stored = await self._client.command("HGET", mine, endpoint_id)
        return None if stored is None else _endpoint(stored)

    async def listed(self, account_id: str | None = None) -> Sequence[Endpoint]:
        if account_id is not None:
            return await self._of(account_id)
        owners = set(await self._client.command("HVALS", NOTICE_OWNERS))
        found = [each for owner in owners for each in await self._of(owner.decode())]
        return sorted(found, key=lambda each: each.endpoint_id)

    async def _of(self, account_id: str) -> Sequence[Endpoint]:
        stored = await self._client.command("HVALS", notice_endpoints_key(account_id))
        return sorted(map(_endpoint, stored), key=lambda each: each.endpoint_id)

    async def remove(self, read: Endpoint) -> bool:
        """What is on its way finds nobody, and is dropped when its time comes."""
        places = notice_endpoints_key(read.account_id), NOTICE_OWNERS
        return await self._swap(read, *(("HDEL", place, read.endpoint_id) for place in places))

    async def _swap(self, read: Endpoint, *commands: Command) -> bool:
        asked = swap(notice_endpoints_key(read.account_id), _stored(read), *commands)
        return bool(await self._client.run(lua.SWAP, asked, int))


class RedisNoticeQueue:
    """Answers `stores.noticing.NoticeQueue`. The ledger knows the server's clock."""

    def __init__(self, client: RedisClient, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger
        self._endpoints = RedisEndpoints(client)

    async def enqueue(self, found: Sequence[Drained]) -> None:
        wanted = [
            (drained.shard, entry)
            for drained in found
            for entry in drained.entries
            if told_by_webhook(entry)
        ]
        if not wanted:
            return
        concerned = {entry.account_id for _, entry in wanted}
        endpoints = {each: await self._endpoints.listed(each) for each in concerned}
        for shard, entry in wanted:
            for endpoint in endpoints[entry.account_id]:
                if endpoint.wants(entry):
                    await self._add(_message(shard, entry, endpoint))

    async def _add(self, message: Message) -> None:
        """In this order: what dies in between is added once more, and stands there once."""
        seen = notice_seen_key(message.message_id)
        if await self._client.command("EXISTS", seen):
            return
        await self._put(message)
        await self._client.command(
            *("ZADD", NOTICES_DUE, "NX", self._ledger.now_ms(), message.message_id)
        )
        await self._client.command("SET", seen, 1, "PX", SEEN_MS)

    async def _put(self, message: Message) -> None:
        await self._client.command(
            "HSET", NOTICES, message.message_id, orjson.dumps(asdict(message))
        )

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[Message]:
        asked = claim(NOTICES_DUE, limit=limit, claim_ms=claim_ms)
        [names] = await self._client.run(lua.CLAIM, asked, list)
        if not names:
            return ()
        stored = await self._client.command("HMGET", NOTICES, *names)
        lost = [name for name, each in zip(names, stored, strict=True) if each is None]
        if lost:
            await self._client.command("ZREM", NOTICES_DUE, *lost)
        return [_of(each) for each in stored if each is not None]

    async def sent(self, message: Message) -> None:
        await self._client.command("ZREM", NOTICES_DUE, message.message_id)
        await self._client.command("HDEL", NOTICES, message.message_id)

    async def postpone(self, message: Message, *, pause_ms: int) -> None:
        await self._put(message)
        due_ms = self._ledger.now_ms() + pause_ms
        await self._client.command("ZADD", NOTICES_DUE, due_ms, message.message_id)

    async def bury(self, message: Message) -> None:
        now_ms = self._ledger.now_ms()
        await self._put(replace(message, died_ms=now_ms))
        await self._client.command("ZADD", NOTICES_DEAD, now_ms, message.message_id)
        await self._client.command("ZREM", NOTICES_DUE, message.message_id)
        oldest = await self._client.command("ZRANGE", NOTICES_DEAD, 0, -DEAD_MAX - 1)
        if oldest:
            await self._client.command("HDEL", NOTICES, *oldest)
            await self._client.command("ZREM", NOTICES_DEAD, *oldest)

    async def dead(self, endpoint_id: str, *, limit: int) -> Sequence[Message]:
        names = await self._client.command("ZREVRANGE", NOTICES_DEAD, 0, -1)
        mine = [name for name in names if name.endswith(f".{endpoint_id}".encode())][:limit]
        if not mine:
            return ()
        stored = await self._client.command("HMGET", NOTICES, *mine)
        return [_of(each) for each in stored if each is not None]

    async def redrive(self, messages: Sequence[Message]) -> int:
        return sum(await asyncio.gather(*map(self._redrive, messages)))

    async def _redrive(self, message: Message) -> int:
        if not await self._client.command("ZREM", NOTICES_DEAD, message.message_id):
            return 0
        await self.postpone(replace(message, attempts=0, died_ms=0), pause_ms=0)
        return 1


def _message(shard: int, entry: Entry, endpoint: Endpoint) -> Message:
    return Message(
        message_id=f"msg_{entry.entry_id}.{shard}.{endpoint.endpoint_id}",
        endpoint_id=endpoint.endpoint_id,
        document=happening_of(entry).document(),
    )


def _stored(endpoint: Endpoint) -> tuple[str, bytes]:
    return endpoint.endpoint_id, orjson.dumps(asdict(endpoint))


def _endpoint(stored: bytes) -> Endpoint:
    fields = orjson.loads(stored)
    return Endpoint(**{**fields, "types": tuple(fields["types"])})


def _of(stored: bytes) -> Message:
    return Message(**orjson.loads(stored))
