"""Hears of changed keys and accounts, and knows when it may have missed one.

One subscription on a connection of its own. A ping goes out every 0.3 s; its answer proves that
every change published before it was heard, so the cache is complete until 0.9 s after the ping was
*sent*. No answer, no proof: a connection that is silently dead, a stopped server or a stopped
process of our own all end in look-ups at the source, never in an old record.
"""

import asyncio
import contextlib
import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from gateway.stores.redis.key_cache import UNWATCHED_S, KeyCache
from gateway.stores.redis.layout import KEYS_CHANNEL

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
    def __init__(self, client: Redis, cache: KeyCache) -> None:
        self._client = client
        self._cache = cache

    async def run(self) -> None:
        """Watch until cancelled, over as many connections as it takes."""
        while True:
            subscription = self._client.pubsub()
            try:
                await self._watch(subscription)
            except (RedisError, OSError, TimeoutError, Lost):
                self._cache.complete_until(0.0)
            finally:
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    async with asyncio.timeout(CONNECT_S):
                        await subscription.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(PAUSE_S)

    async def _watch(self, subscription: PubSub) -> None:
        async with asyncio.timeout(CONNECT_S):
            await subscription.subscribe(KEYS_CHANNEL)
            await self._heard(subscription, "subscribe")
        # What was read before the subscription may have changed unheard.
        self._cache.forget_all()
        while True:
            sent_s = time.monotonic()
            async with asyncio.timeout(ANSWER_S):
                await subscription.ping(message=str(sent_s))
                await self._heard(subscription, "pong")
            self._cache.complete_until(sent_s + UNWATCHED_S)
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
            # A newer version's message: what it means is unknown, so nothing is kept.
            self._cache.forget_all()
