"""Operations that share a script call, with a server played by the test."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hiredis import Reader, ReplyError

from gateway.errors import GatewayError, StoreUnavailable
from gateway.stores.redis.operations import TOGETHER_MAX, Gathering, Operation, together
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.wire import Decode, Request, bulk


def operation(number: int) -> Operation:
    return Operation(b"r", 1, bulk(f"key {number}"), 2, bulk(number) + bulk("more"))


def parts(request: Request) -> list[bytes]:
    parser = Reader()
    parser.feed(b"*%d\r\n%b" % request)
    found: list[bytes] = parser.gets()
    return found


class Played:
    """Keeps what was sent, and how often it was to be written; answers when it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, list[bytes], Decode[None], asyncio.Future[None]]] = []
        self.flushed = 0

    def send(self, slot: int, request: Request, decode: Decode[None]) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.calls.append((slot, parts(request), decode, future))
        return future

    def flush(self) -> None:
        self.flushed += 1

    def answer(self, replies: Sequence[Any]) -> None:
        *_, decode, future = self.calls.pop(0)
        future.set_result(decode(replies))


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def gathering(played: Played) -> Gathering:
    return Gathering(played.send, played.flush)


def test_keys_come_first_then_the_plan_then_arguments() -> None:
    assert [
        *(b"2", b"key 7", b"key 8", b"r\x01\x02r\x01\x02"),
        *(b"7", b"more", b"8", b"more"),
    ] == parts(together([operation(7), operation(8)]))


async def test_what_is_asked_in_one_turn_leaves_together_and_is_answered_one_by_one(
    played: Played, gathering: Gathering
) -> None:
    futures = [gathering.ask(operation(n), str, slot=-1) for n in range(3)]
    assert [] == played.calls
    await asyncio.sleep(0)

    assert (1, 1) == (len(played.calls), played.flushed)
    played.answer([10, 11, 12])
    assert ["10", "11", "12"] == await asyncio.gather(*futures)


async def test_a_call_has_so_many_at_the_most_and_one_slot(
    played: Played, gathering: Gathering
) -> None:
    for n in range(TOGETHER_MAX + 1):
        gathering.ask(operation(n), str, slot=1)
    gathering.ask(operation(99), str, slot=2)
    await asyncio.sleep(0)

    sizes = sorted((slot, int(sent[0])) for slot, sent, *_ in played.calls)
    assert [(1, 1), (1, TOGETHER_MAX), (2, 1)] == sizes


async def test_an_error_is_its_own(played: Played, gathering: Gathering) -> None:
    def refusing(reply: object) -> str:
        raise GatewayError(f"cannot read {reply}")

    asked = [gathering.ask(operation(n), refusing if n == 2 else str, slot=-1) for n in range(5)]
    asked[3].cancel()
    await asyncio.sleep(0)
    played.answer([1, ReplyError("OOM command not allowed"), 3, 4, 5])
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert ["1", StoreUnavailable, GatewayError, asyncio.CancelledError, "5"] == [
        each if isinstance(each, str) else type(each) for each in answers
    ]


async def test_an_unknown_outcome_is_that_of_each(played: Played, gathering: Gathering) -> None:
    futures = [gathering.ask(operation(n), str, slot=-1) for n in range(2)]
    await asyncio.sleep(0)
    played.calls[0][3].set_exception(unavailable("no answer in time"))
    one, other = await asyncio.gather(*futures, return_exceptions=True)

    assert isinstance(one, StoreUnavailable)
    assert isinstance(other, StoreUnavailable)
    # Each has its own traceback.
    assert one is not other
    assert (str(one), one.retry_after_s) == (str(other), other.retry_after_s)
