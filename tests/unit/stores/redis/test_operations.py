"""Operations that share a script call, with a server played by the test."""

import asyncio

import pytest
from hiredis import Reader, ReplyError

from gateway.errors import GatewayError, StoreUnavailable
from gateway.stores.redis.operations import (
    TOGETHER_MAX,
    Gathering,
    Operation,
    Shared,
    alone,
    together,
)
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.wire import Request, bulk


def operation(number: int) -> Operation:
    return b"r\x01\x02", bulk(f"key {number}"), bulk(number) + bulk("more")


def parts(request: Request) -> list[bytes]:
    parser = Reader()
    parser.feed(b"*%d\r\n%b" % request)
    found: list[bytes] = parser.gets()
    return found


class Played:
    """Keeps what was sent, and how often it was to be written; the test answers."""

    def __init__(self) -> None:
        self.calls: list[Shared] = []
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def gathering(played: Played) -> Gathering:
    return Gathering(played.calls.append, played.flush)


def test_keys_come_first_then_the_plan_then_arguments() -> None:
    assert [
        *(b"2", b"key 7", b"key 8", b"r\x01\x02r\x01\x02"),
        *(b"7", b"more", b"8", b"more"),
    ] == parts(together([operation(7), operation(8)]))


def test_one_that_has_a_script_of_its_own_needs_no_plan() -> None:
    assert [b"1", b"key 7", b"7", b"more"] == parts(alone(operation(7)))


async def test_what_is_asked_in_one_turn_leaves_together_and_is_answered_one_by_one(
    played: Played, gathering: Gathering
) -> None:
    futures = [gathering.ask(operation(n), str, slot=-1) for n in range(3)]
    assert [] == played.calls
    await asyncio.sleep(0)

    assert (1, 1) == (len(played.calls), played.flushed)
    played.calls[0].answered([10, 11, 12])
    assert ["10", "11", "12"] == await asyncio.gather(*futures)


async def test_a_call_has_so_many_at_the_most_and_one_slot(
    played: Played, gathering: Gathering
) -> None:
    for n in range(TOGETHER_MAX + 1):
        gathering.ask(operation(n), str, slot=1)
    gathering.ask(operation(99), str, slot=2)
    await asyncio.sleep(0)

    sizes = sorted((call.slot, int(parts(call.request)[0])) for call in played.calls)
    assert [(1, 1), (1, TOGETHER_MAX), (2, 1)] == sizes


async def test_an_error_is_its_own(played: Played, gathering: Gathering) -> None:
    def refusing(reply: object) -> str:
        raise GatewayError(f"cannot read {reply}")

    asked = [gathering.ask(operation(n), refusing if n == 2 else str, slot=-1) for n in range(5)]
    asked[3].cancel()
    await asyncio.sleep(0)
    played.calls[0].answered([1, ReplyError("OOM command not allowed"), 3, 4, 5])
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert played.calls[0].over
    assert ["1", StoreUnavailable, GatewayError, asyncio.CancelledError, "5"] == [
        each if isinstance(each, str) else type(each) for each in answers
    ]


async def test_an_unknown_outcome_is_that_of_each(played: Played, gathering: Gathering) -> None:
    futures = [gathering.ask(operation(n), str, slot=-1) for n in range(2)]
    await asyncio.sleep(0)
    assert not played.calls[0].over
    played.calls[0].failed(unavailable("no answer in time"))
    one, other = await asyncio.gather(*futures, return_exceptions=True)

    assert isinstance(one, StoreUnavailable)
    assert isinstance(other, StoreUnavailable)
    # Each has its own traceback.
    assert one is not other
    assert (str(one), one.retry_after_s) == (str(other), other.retry_after_s)


@pytest.mark.parametrize("replies", [[1], [1, 2, 3], None])
async def test_answers_that_are_not_one_for_each_leave_nobody_waiting(
    played: Played, gathering: Gathering, replies: list[int] | None
) -> None:
    futures = [gathering.ask(operation(n), str, slot=-1) for n in range(2)]
    await asyncio.sleep(0)
    played.calls[0].answered(replies)
    answers = await asyncio.gather(*futures, return_exceptions=True)

    told = ["1", "2"][: len(replies or ())]
    assert told == [each for each in answers if isinstance(each, str)]
    assert all(isinstance(each, GatewayError) for each in answers[len(told) :])
