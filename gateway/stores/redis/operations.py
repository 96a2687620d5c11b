"""Operations of one event-loop turn, in one script call: what a script costs before its first line
is paid once for all of them.

Only those that may share a script do: of one slot in a cluster, any on one server. Nothing waits:
what is asked in a turn leaves at its end, alone or together. Each has its own answer or error, and
an unknown outcome if the call they shared has one. Knows nothing of money.
"""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache
from typing import Any

from hiredis import ReplyError

from gateway.errors import GatewayError
from gateway.stores.redis.lua import CALLS, Script
from gateway.stores.redis.replies import failure
from gateway.stores.redis.wire import Decode, Request, T, bulk

# A script keeps everybody else waiting: so many, with eight limits each, for a third of a
# millisecond on a quiet core. Twice as many would save another twentieth (docs/scaling.md).
TOGETHER_MAX = 8


Operation = tuple[bytes, bytes, bytes]
"""Its plan as `calls.lua` reads it: a letter, how many keys, how many arguments, a byte each; then
these keys and arguments, encoded."""


def alone(operation: Operation) -> Request:
    """As a script of its own takes it."""
    (_, key_count, argument_count), keys, arguments = operation
    return 1 + key_count + argument_count, b"".join((bulk(key_count), keys, arguments))


def together(operations: Sequence[Operation]) -> Request:
    """As `calls.lua` takes them."""
    plan, keys, arguments = operations[0]
    if len(operations) > 1:
        plan, keys, arguments = map(b"".join, zip(*operations, strict=True))
    key_count = sum(plan[1::3])
    parts = b"%b%b$%d\r\n%b\r\n%b" % (_count(key_count), keys, len(plan), plan, arguments)
    return 2 + key_count + sum(plan[2::3]), parts


# Of the few numbers of keys there are.
_count = lru_cache(maxsize=256)(bulk)


class Shared:
    """One call of all who asked, who are `waiting`: each for what `decode` makes of its own reply,
    or an error."""

    __slots__ = (
        "asked_at",
        "name",
        "operations",
        "request",
        "script",
        "sent_at",
        "slot",
        "waiting",
    )

    def __init__(self, slot: int) -> None:
        self.name = CALLS.name
        self.script: Script | None = CALLS
        self.request: Request = (0, b"")
        self.slot = slot
        self.asked_at = self.sent_at = 0.0
        self.operations: list[Operation] = []
        self.waiting: list[tuple[Decode[Any], asyncio.Future[Any]]] = []

    @property
    def over(self) -> bool:
        return all(future.done() for _, future in self.waiting)

    def answered(self, reply: object) -> None:
        replies = reply if isinstance(reply, list) else ()
        try:
            for (decode, future), each in zip(self.waiting, replies, strict=True):
                if future.done():
                    continue
                if isinstance(each, ReplyError):
                    future.set_exception(failure("an operation", each))
                    continue
                try:
                    future.set_result(decode(each))
                except Exception as error:  # noqa: BLE001 - whoever asked gets it, others theirs
                    future.set_exception(error)
        except ValueError:
            self.failed(GatewayError("The store answered too few operations, or too many."))

    def failed(self, error: GatewayError) -> None:
        for _, future in self.waiting:
            if not future.done():
                # Each has its own traceback.
                future.set_exception(copy(error))


class Gathering:
    """`send` queues a call; `flush`, before the turn is over, has what is queued written."""

    def __init__(self, send: Callable[[Shared], None], flush: Callable[[], None]) -> None:
        self._send = send
        self._flush = flush
        self._asked: dict[int, Shared] = {}

    def ask(self, operation: Operation, decode: Decode[T], *, slot: int) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._turn_ends)
        shared = self._asked.get(slot)
        if shared is None:
            shared = self._asked[slot] = Shared(slot)
        shared.operations.append(operation)
        shared.waiting.append((decode, future))
        if len(shared.operations) == TOGETHER_MAX:
            self._leave(self._asked.pop(slot))
        return future

    def leave(self) -> None:
        """Queue what was asked, before anything that is asked from now on."""
        while self._asked:
            self._leave(self._asked.popitem()[1])

    def _turn_ends(self) -> None:
        self.leave()
        self._flush()

    def _leave(self, shared: Shared) -> None:
        shared.request = together(shared.operations)
        self._send(shared)
