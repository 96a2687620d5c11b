"""Plain commands to the store, on a connection of their own: for what is no ledger operation and
no hot path. More patient than calls are: a store that is being connected is waited for."""

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.stores.redis import lua
from gateway.stores.redis.address import Address
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.encode import request
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.swapping import swap, together
from gateway.stores.redis.wire import Command, Decode, Part, Request, T
from gateway.tasks import TaskSet

# Commands and start-up have more patience than calls.
ANSWER_S = 2.0


class PlainClient:
    """Connects when it is first asked."""

    def __init__(self, url: str) -> None:
        self._tasks = TaskSet()
        self._client = RedisClient(url, tasks=self._tasks, timeout_s=ANSWER_S)

    async def close(self) -> None:
        await self._client.close()
        await self._tasks.cancel()

    async def masters(self) -> Sequence[Address]:
        """The servers that take writes now. Raises StoreUnavailable."""
        await self._ready(ANSWER_S)
        return self._client.masters

    async def ask(
        self, *commands: Command, until_s: float | None = None
    ) -> list[Any]:  # Any: a raw reply is whatever the command answers
        """The replies, in one round trip to each server; `until_s`: by the event loop's clock."""
        if until_s is None:
            until_s = asyncio.get_running_loop().time() + ANSWER_S
        try:
            async with asyncio.timeout_at(until_s):
                await self._client.ready()
                return await asyncio.gather(*(self._client.command(*each) for each in commands))
        except TimeoutError:
            raise unavailable("a record was not answered in time") from None

    async def ask_together(
        self, *commands: Command
    ) -> list[Any]:  # Any: a raw reply is whatever the command answers
        """All of them or none, in one step; their keys, which come first, share a slot."""
        return await self._run(lua.TOGETHER, together(*commands), list)

    async def swap(self, key: str, read: Sequence[Part], *commands: Command) -> bool:
        """All of them in one step, if the fields of the hash `key` still are as they were `read`
        (names and values in turn); else none, and False."""
        return bool(await self._run(lua.SWAP, swap(key, read, *commands), int))

    async def run(self, script: lua.Script, keys: Sequence[str], words: Sequence[Part]) -> int:
        return await self._run(script, request(keys, words), int)

    async def _run(self, script: lua.Script, asked: Request, decode: Decode[T]) -> T:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._client.ready()
                return await self._client.run(script, asked, decode)
        except TimeoutError:
            raise unavailable("a record was not answered in time") from None

    async def _ready(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._client.ready()
        except TimeoutError:
            raise unavailable("nobody answers at its address") from None
