"""One connection to the server: calls of one event-loop turn in one write, answers in order.

Knows RESP and deadlines, nothing of money, URLs or reconnecting. A call that timed out keeps
its place in the queue, so that its answer, when it comes after all, is not taken for another's.
Nothing is ever sent twice, except a script the server says it did not run (NOSCRIPT).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from hiredis import ProtocolError, Reader, ReplyError, pack_command

from gateway.stores.redis.lua import Script
from gateway.stores.redis.replies import failure, script_missing, unavailable

# Far more than one worker's calls in a time-out at full speed; beyond it something hangs.
PENDING_MAX = 10_000
# A server this long without a byte while calls wait is given up and connected to anew.
SILENCE_S = 2.0
# A timer that fires this late tells of a blocked loop, whose answers may lie in the socket unread.
LATE_S = 0.02

Part = str | bytes | int
# How many parts, and these encoded one after the other: a command without its beginning.
Request = tuple[int, bytes]
_NO_REQUEST: Request = (0, b"")
T = TypeVar("T")
Decode = Callable[[Any], T]

# hiredis declares a tuple of exactly one part; it takes any number.
_pack = cast(Callable[[tuple[Part, ...]], bytes], pack_command)


def bulk(part: Part) -> bytes:
    """One part of a command."""
    text = part if isinstance(part, bytes) else str(part).encode()
    return b"$%d\r\n%b\r\n" % (len(text), text)


@dataclass(slots=True)
class _Call:
    future: asyncio.Future[Any]
    decode: Decode[Any]
    name: str
    script: Script | None
    request: Request
    sent_at: float


class Wire(asyncio.Protocol):
    """`lost` is called once, when the connection is gone and every call on it has failed."""

    def __init__(self, *, timeout_s: float, lost: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._lost = lost
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._pending: deque[_Call] = deque()
        self._outgoing: list[bytes] = []
        self._watch_timer: asyncio.TimerHandle | None = None
        self._heard_at = self._turn_at = self._loop.time()
        self.stalled = False

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def expect_answers_within(self, timeout_s: float) -> None:
        """From now on; the first calls, which set the connection up, had longer."""
        self._timeout_s = timeout_s
        if self._watch_timer is not None:
            self._watch_timer.cancel()
            self._watch_at(self._loop.time() + timeout_s)

    def command(self, parts: tuple[Part, ...], decode: Decode[T]) -> asyncio.Future[T]:
        """Queue a command; its future gets `decode(reply)` or a GatewayError."""
        return self._call(_pack(parts), decode, str(parts[0]), None, _NO_REQUEST)

    def run(self, script: Script, request: Request, decode: Decode[T]) -> asyncio.Future[T]:
        """Queue a script by its digest; `request`: the number of keys, the keys, the arguments."""
        packed = b"*%d\r\n%b%b" % (request[0] + 2, script.by_digest, request[1])
        return self._call(packed, decode, script.name, script, request)

    def _call(
        self,
        packed: bytes,
        decode: Decode[T],
        name: str,
        script: Script | None,
        request: Request,
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(unavailable("the connection is lost"))
        elif self.stalled:
            future.set_exception(unavailable("the store does not answer"))
        elif len(self._pending) >= PENDING_MAX:
            future.set_exception(unavailable("too many calls are waiting for the store"))
        else:
            self._queue(packed)
            self._pending.append(_Call(future, decode, name, script, request, self._turn_at))
        return future

    def _queue(self, packed: bytes) -> None:
        if not self._outgoing:
            # One look at the clock for all calls that leave together.
            self._turn_at = self._loop.time()
            self._loop.call_soon(self._flush)
            if self._watch_timer is None:
                self._watch_at(self._turn_at + self._timeout_s)
        self._outgoing.append(packed)

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def close(self) -> None:
        """Send what is queued, then hang up; calls still waiting fail."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream, by construction

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        reader = self._reader
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not False:
                self._answer(self._pending.popleft(), reply)
        except (ProtocolError, IndexError):
            # Not RESP, or an answer nobody asked for: what follows cannot be matched to calls.
            self.abort()
        if self.stalled:
            self.stalled = self._overdue(self._heard_at)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._watch_timer is not None:
            self._watch_timer.cancel()
        pending, self._pending = self._pending, deque()
        for call in pending:
            if not call.future.done():
                call.future.set_exception(unavailable("the connection broke; outcome unknown"))
        self._lost()

    def _answer(self, call: _Call, reply: object) -> None:
        future = call.future
        if isinstance(reply, ReplyError):
            if call.script is not None and script_missing(reply):
                count, parts = call.request
                self._queue(b"*%d\r\n%b%b" % (count + 2, call.script.whole, parts))
                self._pending.append(call)
            elif not future.done():
                future.set_exception(failure(call.name, reply))
        elif not future.done():
            try:
                future.set_result(call.decode(reply))
            except Exception as error:  # noqa: BLE001 - whoever asked gets it, others their answers
                future.set_exception(error)

    # The watchdog

    def _overdue(self, now: float) -> bool:
        return bool(self._pending) and now - self._pending[0].sent_at >= self._timeout_s

    def _watch_at(self, when: float) -> None:
        self._watch_timer = self._loop.call_at(when, self._watch, when)

    def _watch(self, planned: float) -> None:
        now = self._loop.time()
        if not self._pending:
            self._watch_timer = None
        elif now - planned > LATE_S:
            self._watch_at(now + LATE_S / 2)
        elif now - max(self._heard_at, self._pending[0].sent_at) >= SILENCE_S:
            self.abort()
        else:
            self.stalled = self._overdue(now)
            self._watch_at(self._fail_overdue(now))

    def _fail_overdue(self, now: float) -> float:
        """Fail what waited too long; answer when to look again."""
        for call in self._pending:
            if now - call.sent_at < self._timeout_s:
                return max(call.sent_at + self._timeout_s, now + LATE_S / 2)
            if not call.future.done():
                call.future.set_exception(unavailable("no answer in time; outcome unknown"))
        return now + SILENCE_S / 4
