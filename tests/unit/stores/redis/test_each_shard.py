"""What is asked about every shard, of a client played by the test."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hiredis import Reader

from gateway.errors import StoreUnavailable
from gateway.metering.journal import SHARDS
from gateway.stores.redis.each_shard import SHARDS_TOGETHER, ask_shards, claimed
from gateway.stores.redis.layout import due_key, shard
from gateway.stores.redis.lua import DUE, Script
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.wire import Decode, Request


@dataclass
class Played:
    """Answers each key with its own name, but for what holds the silent one's."""

    sharded: bool
    silent: str = ""
    asked: list[list[bytes]] = field(default_factory=list)

    def run(self, script: Script, request: Request, decode: Decode[Any]) -> asyncio.Future[Any]:
        assert script is DUE
        parser = Reader()
        parser.feed(b"*%d\r\n%b" % request)
        count, *parts = parser.gets()
        keys, arguments = parts[: int(count)], parts[int(count) :]
        assert [b"7", b"word"] == arguments
        self.asked.append(keys)
        future = asyncio.get_running_loop().create_future()
        if self.silent.encode() in keys:
            future.set_exception(unavailable("no answer in time"))
        else:
            future.set_result(decode([[key] for key in keys]))
        return future


KEYS = [due_key(shard(number)) for number in range(SHARDS)]


@pytest.mark.parametrize("size", [1, SHARDS_TOGETHER])
async def test_each_shard_is_answered_in_its_place(size: int) -> None:
    client = Played(sharded=size == 1)

    found = await ask_shards(client, DUE, due_key, 7, "word")  # type: ignore[arg-type]

    assert [[key.encode()] for key in KEYS] == found
    assert [size] * (SHARDS // size) == [len(keys) for keys in client.asked]


@pytest.mark.parametrize("size", [1, SHARDS_TOGETHER])
async def test_those_that_were_not_answered_say_why(size: int) -> None:
    client = Played(sharded=size == 1, silent=KEYS[20])

    found = await ask_shards(client, DUE, due_key, 7, "word")  # type: ignore[arg-type]

    silent = [n for n, each in enumerate(found) if isinstance(each, StoreUnavailable)]
    first = 20 // size * size
    assert [*range(first, first + size)] == silent
    assert len(KEYS) == len(found)


async def test_names_are_those_of_all_or_an_error() -> None:
    assert KEYS == await claimed(Played(sharded=False), DUE, due_key, 7, "word")  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        await claimed(Played(sharded=False, silent=KEYS[0]), DUE, due_key, 7, "word")  # type: ignore[arg-type]
