"""Commands that are done in one step: all of them, or none if a record is no longer as it was read.

Their keys come first in each and share a slot.
"""

from collections.abc import Sequence

from gateway.stores.redis.encode import request
from gateway.stores.redis.wire import Command, Part, Request


def swap(key: str, read: Sequence[Part], *commands: Command) -> Request:
    """What `lua.SWAP` is asked. `read`: names and values in turn, as the hash `key` had them."""
    return request([key, *_keys(commands)], [len(read) // 2, *read, *_words(commands)])


def together(*commands: Command) -> Request:
    """What `lua.TOGETHER` is asked."""
    return request(_keys(commands), _words(commands))


def _keys(commands: Sequence[Command]) -> list[str]:
    return [str(parts[1]) for parts in commands if parts[0] != "PUBLISH"]


def _words(commands: Sequence[Command]) -> list[Part]:
    return [word for parts in commands for word in (len(parts), *parts)]
