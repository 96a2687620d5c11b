"""Operations of one event-loop turn, in one script call: what a script costs before its first line
is paid once for all of them.

Only those that may share a script do: of one slot in a cluster, any on one server. Nothing waits:
what is asked in a turn leaves at its end, alone or together. Each has its own answer or error, and
an unknown outcome if the call they shared has one. Knows nothing of money.
"""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from hiredis import ReplyError

from gateway.stores.redis.replies import failure
from gateway.stores.redis.wire import Decode, Request, T, bulk

# A script keeps everybody else waiting: so many, with eight limits each, for a third of a
# millisecond on a quiet core. Twice as many would save another twentieth (docs/scaling.md).
TOGETHER_MAX = 8


@dataclass(frozen=True, slots=True)
class Operation:
    """Keys and arguments encoded, and how many there are. `letter`: as `calls.lua` knows it."""

    letter: bytes
    key_count: int
    keys: bytes
    argument_count: int
    arguments: bytes

    @property
    def alone(self) -> Request:
        """As a script of its own takes it."""
        parts = bulk(self.key_count), self.keys, self.arguments
        return 1 + self.key_count + self.argument_count, b"".join(parts)


def together(operations: Sequence[Operation]) -> Request:
    """As `calls.lua` takes them."""
    key_count = argument_count = 0
    plan = keys = arguments = b""
    for each in operations:
        key_count += each.key_count
        argument_count += each.argument_count
        plan += b"%b%c%c" % (each.letter, each.key_count, each.argument_count)
        keys += each.keys
        arguments += each.arguments
    return 2 + key_count + argument_count, b"".join((bulk(key_count), keys, bulk(plan), arguments))


Asked = tuple[Operation, Decode[Any], asyncio.Future[Any]]
# Sends a call of these operations; its future gets the decoded reply, or an error.
Send = Callable[[int, Request, Decode[None]], asyncio.Future[None]]


class Gathering:
    """`send` queues a script call; `flush` has what is queued written."""

    def __init__(self, send: Send, flush: Callable[[], None]) -> None:
        self._send = send
        self._flush = flush
        self._asked: dict[int, list[Asked]] = {}

    def ask(self, operation: Operation, decode: Decode[T], *, slot: int) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._turn_ends)
        asked = self._asked.setdefault(slot, [])
        asked.append((operation, decode, future))
        if len(asked) == TOGETHER_MAX:
            self._leave(slot, self._asked.pop(slot))
        return future

    def leave(self) -> None:
        """Queue what was asked, before anything that is asked from now on."""
        while self._asked:
            self._leave(*self._asked.popitem())

    def _turn_ends(self) -> None:
        self.leave()
        self._flush()

    def _leave(self, slot: int, asked: Sequence[Asked]) -> None:
        def answered(replies: Sequence[object]) -> None:
            for (_, decode, future), reply in zip(asked, replies, strict=True):
                _answer(future, decode, reply)

        def ended(call: asyncio.Future[None]) -> None:
            error = call.exception()
            if error is None:
                return
            for _, _, future in asked:
                if not future.done():
                    future.set_exception(copy(error))

        call = self._send(slot, together([operation for operation, _, _ in asked]), answered)
        call.add_done_callback(ended)


def _answer(future: asyncio.Future[Any], decode: Decode[Any], reply: object) -> None:
    if future.done():
        return
    if isinstance(reply, ReplyError):
        future.set_exception(failure("an operation", reply))
        return
    try:
        future.set_result(decode(reply))
    except Exception as error:  # noqa: BLE001 - whoever asked gets it, others their answers
        future.set_exception(error)
