"""Hears of changed keys and accounts, and knows when it may have missed one.

One subscription at each master, on a connection of its own: a change is told where it is written.
A ping goes out every 0.3 s; its answer proves that every change published there before was heard,
so the cache is complete until 0.9 s after the ping was *sent* at the master that is furthest
behind. No answer, no proof: a connection that is silently dead, a stopped server or a stopped
process of our own all end in look-ups at the source, never in an old record.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.stores.redis.address import Address
from gateway.stores.redis.key_cache import UNWATCHED_S, KeyCache
from gateway.stores.redis.layout import KEYS_CHANNEL
from gateway.tasks import TaskSet

PING_S = 0.3
# Longer than this without an answer and the connection is given up for a new one.
ANSWER_S = 0.7
CONNECT_S = 2.0
PAUSE_S = 0.1

KEY = "k"
ACCOUNT = "a"


def key_changed(digest: str) -> str:
    """The message that makes every process look this key up again."""
    return f"{KEY} {digest}"


def account_changed(account_id: str) -> str:
    return f"{ACCOUNT} {account_id}"


class Lost(Exception):
    """The subscription may have missed something."""


class KeyWatch:
    """`masters` answers the servers that take writes, as often as it is asked."""

    def __init__(
        self, masters: Callable[[], Awaitable[Sequence[Address]]], cache: KeyCache
    ) -> None:
        self._masters = masters
        self._cache = cache
        self._tasks = TaskSet()
        self._until_s: dict[tuple[str, int], float] = {}
        """Of each master that is watched: until when all its changes have been heard of."""

    async def run(self) -> None:
        """Watch until cancelled, whichever servers are masters, over as many connections as it
        takes."""
        try:
            while True:
                with contextlib.suppress(StoreUnavailable):
                    self._follow(await self._masters())
                await asyncio.sleep(PING_S)
        finally:
            await self._tasks.cancel()

    def _follow(self, masters: Sequence[Address]) -> None:
        for former in set(self._until_s) - {master.place for master in masters}:
            del self._until_s[former]
        for master in masters:
            if master.place not in self._until_s:
                self._heard_until(master, 0.0)
                self._tasks.start(self._keep_watching(master), name="watch one server's changes")

    def _heard_until(self, master: Address, time_s: float) -> None:
        self._until_s[master.place] = time_s
        self._cache.complete_until(min(self._until_s.values()))

    async def _keep_watching(self, master: Address) -> None:
        async with _client(master) as client:
            while master.place in self._until_s:
                subscription = client.pubsub()
                try:
                    await self._watch(subscription, master)
                except (RedisError, OSError, TimeoutError, Lost):
                    if master.place in self._until_s:
                        self._heard_until(master, 0.0)
                finally:
                    with contextlib.suppress(RedisError, OSError, TimeoutError):
                        async with asyncio.timeout(CONNECT_S):
                            await subscription.aclose()  # type: ignore[no-untyped-call]
                await asyncio.sleep(PAUSE_S)

    async def _watch(self, subscription: PubSub, master: Address) -> None:
        async with asyncio.timeout(CONNECT_S):
            await subscription.subscribe(KEYS_CHANNEL)
            await self._heard(subscription, "subscribe")
        # What was read before the subscription may have changed unheard.
        self._cache.doubt_all()
        while master.place in self._until_s:
            sent_s = time.monotonic()
            async with asyncio.timeout(ANSWER_S):
                await subscription.ping(message=str(sent_s))
                await self._heard(subscription, "pong")
            if master.place in self._until_s:
                self._heard_until(master, sent_s + UNWATCHED_S)
            while (left_s := sent_s + PING_S - time.monotonic()) > 0:
                self._take(await subscription.get_message(timeout=left_s))

    async def _heard(self, subscription: PubSub, kind: str) -> None:
        """Take messages until one of that kind came."""
        while True:
            message = await subscription.get_message(timeout=None)
            if message is not None and message["type"] == kind:
                return
            self._take(message)

    def _take(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] != "message":
            # A second subscription: the library reconnected by itself, with a gap.
            raise Lost
        kind, _, name = message["data"].decode().partition(" ")
        if kind == KEY:
            self._cache.forget_key(name)
        elif kind == ACCOUNT:
            self._cache.forget_account(name)
        else:
            # A newer version's message: what it means is unknown, so nothing is believed.
            self._cache.doubt_all()


def _client(master: Address) -> Redis:
    return Redis.from_pool(
        ConnectionPool(
            **{
                **master.options,
                # The library's own retries would hide a gap.
                "retry": Retry(NoBackoff(), 0),
                "socket_connect_timeout": CONNECT_S,
                "socket_timeout": CONNECT_S,
                "protocol": 2,
            }
        )
    )
