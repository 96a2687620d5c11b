"""Running calls are looked at a few at a time: what passes through the worker goes on meanwhile."""

import asyncio

from gateway.metering.events import End
from gateway.proxy.running import AT_ONCE, RunningCalls


class Looked:
    """A call that notes when it was looked at, in turns of the event loop."""

    def __init__(self, turns: "Turns") -> None:
        self._turns = turns
        self.at: list[int] = []

    def tick(self, now_s: float) -> None:
        assert now_s > 0
        self.at.append(self._turns.number)

    def cut(self, end: End) -> None:
        raise AssertionError(end)


class Turns:
    """Counts turns of the event loop, as whoever waits for bytes has them."""

    def __init__(self) -> None:
        self.number = 0
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self.number += 1
        asyncio.get_running_loop().call_soon(self._next)


def fails(fault: Exception) -> None:
    raise AssertionError from fault


def calls_of(turns: Turns, count: int) -> tuple[RunningCalls, list[Looked]]:
    running = RunningCalls(on_fault=fails)
    calls = [Looked(turns) for _ in range(count)]
    for call in calls:
        running.add(call)
    return running, calls


async def test_bytes_pass_between_a_few_calls_and_the_next() -> None:
    running, calls = calls_of(turns := Turns(), 10 * AT_ONCE)

    await running.look()

    assert all(len(call.at) == 1 for call in calls)
    in_one_turn = [sum(call.at == [number] for call in calls) for number in range(turns.number + 1)]
    assert max(in_one_turn) == AT_ONCE


async def test_a_call_that_ended_while_others_were_looked_at_is_left_alone() -> None:
    running, calls = calls_of(Turns(), 3 * AT_ONCE)
    looking = asyncio.ensure_future(running.look())
    await asyncio.sleep(0)
    waiting = [call for call in calls if not call.at]
    for call in waiting[:5]:
        running.discard(call)

    await looking

    assert 2 * AT_ONCE == len(waiting)
    assert [[]] * 5 == [call.at for call in waiting[:5]]
    assert all(len(call.at) == 1 for call in waiting[5:])
