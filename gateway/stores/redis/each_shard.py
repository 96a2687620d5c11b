"""One question about every shard: in a cluster to each by itself, elsewhere to some together.

Asked again and again of shards that mostly have nothing to answer: one by one, this would be most
of what an idle process does.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from gateway.metering.journal import SHARDS
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.layout import shard
from gateway.stores.redis.lua import Script
from gateway.stores.redis.wire import Part, bulk

# A script keeps everybody else waiting: of so many shards none has much to do.
SHARDS_TOGETHER = 16

KeyOf = Callable[[str], str]
"""Of a shard's tag."""


async def ask_shards(
    client: RedisClient, script: Script, key_of: KeyOf, *arguments: Part
) -> Sequence[list[Any] | BaseException]:  # Any: raw replies
    """What the script answers to each shard's key, in the shards' order; or why it does not."""
    encoded = b"".join(map(bulk, arguments))
    parts = _parts(key_of, 1 if client.sharded else SHARDS_TOGETHER)
    replies = await asyncio.gather(
        *(
            client.run(script, (1 + count + len(arguments), keys + encoded), list)
            for count, keys in parts
        ),
        return_exceptions=True,
    )
    found: list[list[Any] | BaseException] = []
    for (count, _), reply in zip(parts, replies, strict=True):
        found += [reply] * count if isinstance(reply, BaseException) else reply
    return found


async def claimed(
    client: RedisClient, script: Script, key_of: KeyOf, *arguments: Part
) -> Sequence[str]:
    """All names that the shards answer. Raises if one of them did not."""
    names: list[str] = []
    for some in await ask_shards(client, script, key_of, *arguments):
        if isinstance(some, BaseException):
            raise some
        names += [name.decode() for name in some]
    return names


@lru_cache(maxsize=16)
def _parts(key_of: KeyOf, size: int) -> Sequence[tuple[int, bytes]]:
    """How many keys, and that number and the keys encoded."""
    keys = [bulk(key_of(shard(number))) for number in range(SHARDS)]
    return [
        (size, b"".join((bulk(size), *keys[start : start + size])))
        for start in range(0, SHARDS, size)
    ]
