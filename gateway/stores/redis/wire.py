"""One connection to the server: calls of one event-loop turn in one write, answers in order.

Knows RESP and deadlines, nothing of money, URLs or reconnecting. A call that timed out keeps
its place in the queue, so that its answer, when it comes after all, is not taken for another's.
Nothing is ever sent twice, except what the server says it did not run: a script it does not have
(NOSCRIPT), or, in a cluster, a call of a slot that is not its own (`elsewhere`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from hiredis import ProtocolError, Reader, ReplyError, pack_command

from gateway.errors import GatewayError
from gateway.stores.redis.lua import Script
from gateway.stores.redis.replies import failure, script_missing, unavailable

# Far more than one worker's calls in a time-out at full speed; beyond it something hangs.
PENDING_MAX = 10_000
# A server this long without a byte while calls wait is given up and connected to anew.
SILENCE_S = 2.0
# A timer that fires this late tells of a blocked loop, whose answers may lie in the socket unread.
LATE_S = 0.02

Part = str | bytes | int
Command = tuple[Part, ...]
# How many parts, and these encoded one after the other: a command without its beginning.
Request = tuple[int, bytes]
T = TypeVar("T")
Decode = Callable[[Any], T]

# hiredis declares a tuple of exactly one part; it takes any number.
_pack = cast(Callable[[tuple[Part, ...]], bytes], pack_command)
_ASKING: Request = (0, b"*1\r\n$6\r\nASKING\r\n")


def bulk(part: Part) -> bytes:
    """One part of a command."""
    return framed(part if isinstance(part, bytes) else str(part).encode())


def framed(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def _by_digest(script: Script | None, request: Request) -> bytes:
    count, parts = request
    return parts if script is None else b"*%d\r\n%b%b" % (count + 2, script.by_digest, parts)


class Call(Protocol):
    """A command or script on its way. `answered` and `failed` tell whoever asked; neither raises,
    and what comes second is told nobody."""

    name: str
    script: Script | None
    """None: a command, which is `request` whole."""
    request: Request
    slot: int
    """In a cluster; -1: it belongs to no slot."""
    asked_at: float
    sent_at: float
    """To whom it was sent last; `asked_at`: to the first."""

    @property
    def over(self) -> bool:
        """Nobody waits for it any more."""
        ...

    def answered(self, reply: object) -> None: ...

    def failed(self, error: GatewayError) -> None: ...


@dataclass(slots=True)
class Single:
    """Of one who asked."""

    future: asyncio.Future[Any]
    decode: Decode[Any]
    name: str
    script: Script | None
    request: Request
    slot: int
    asked_at: float = 0.0
    sent_at: float = 0.0

    @property
    def over(self) -> bool:
        return self.future.done()

    def answered(self, reply: object) -> None:
        if self.future.done():
            return
        try:
            self.future.set_result(self.decode(reply))
        except Exception as error:  # noqa: BLE001 - whoever asked gets it, others their answers
            self.future.set_exception(error)

    def failed(self, error: GatewayError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True)
class _Asking:
    """Leave for the call behind it; nobody waits for the answer."""

    asked_at: float
    sent_at: float
    name: str = "ASKING"
    script: Script | None = None
    request: Request = _ASKING
    slot: int = -1

    @property
    def over(self) -> bool:
        return True

    def answered(self, reply: object) -> None:
        del reply

    def failed(self, error: GatewayError) -> None:
        del error


def _whole(call: Call) -> bytes:
    count, parts = call.request
    script = call.script
    return parts if script is None else b"*%d\r\n%b%b" % (count + 2, script.whole, parts)


# What to do with a call that a server refused: True if another is asked, or this one later.
Elsewhere = Callable[[Call, str], bool]


def nowhere(_call: Call, _error: str) -> bool:
    return False


class Wire(asyncio.Protocol):
    """`lost` is called once, when the connection is gone and every call on it has failed."""

    def __init__(
        self, *, timeout_s: float, lost: Callable[[], None], elsewhere: Elsewhere = nowhere
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._lost = lost
        self._elsewhere = elsewhere
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._pending: deque[Call] = deque()
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

    def command(
        self, parts: tuple[Part, ...], decode: Decode[T], *, slot: int = -1
    ) -> asyncio.Future[T]:
        """Queue a command; its future gets `decode(reply)` or a GatewayError."""
        return self._call(str(parts[0]), None, (0, _pack(parts)), decode, slot)

    def run(
        self, script: Script, request: Request, decode: Decode[T], *, slot: int = -1
    ) -> asyncio.Future[T]:
        """Queue a script by its digest; `request`: the number of keys, the keys, the arguments."""
        return self._call(script.name, script, request, decode, slot)

    def _call(
        self, name: str, script: Script | None, request: Request, decode: Decode[T], slot: int
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self.send(Single(future, decode, name, script, request, slot))
        return future

    def send(self, call: Call) -> None:
        """Queue it for the next `flush`, which is the caller's to see to, in this turn."""
        why = self._refusal()
        if why:
            call.failed(unavailable(why))
        else:
            self._queue(_by_digest(call.script, call.request))
            call.asked_at = call.sent_at = self._turn_at
            self._pending.append(call)

    def take(self, call: Call, *, asking: bool = False) -> bool:
        """A call that another server refused unrun; False if it cannot be taken. `asking`: of a
        slot that is on its way here."""
        if self._refusal():
            return False
        if asking:
            self._queue_soon(_ASKING[1])
            self._pending.append(_Asking(self._turn_at, self._turn_at))
        # The leave is for one command: a script is brought along, lest it be missing there.
        self._queue_soon(_whole(call) if asking else _by_digest(call.script, call.request))
        call.sent_at = self._turn_at
        self._pending.append(call)
        return True

    def _refusal(self) -> str:
        """Why nothing can be sent now, if so."""
        if self._transport is None:
            return "the connection is lost"
        if self.stalled:
            return "the store does not answer"
        if len(self._pending) >= PENDING_MAX:
            return "too many calls are waiting for the store"
        return ""

    def _queue_soon(self, packed: bytes) -> None:
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._queue(packed)

    def _queue(self, packed: bytes) -> None:
        if not self._outgoing:
            # One look at the clock for all calls that leave together.
            self._turn_at = self._loop.time()
            if self._watch_timer is None:
                self._watch_at(self._turn_at + self._timeout_s)
        self._outgoing.append(packed)

    def flush(self) -> None:
        """Write what is queued: at the end of the turn, or now."""
        if self._transport is not None and self._outgoing:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def close(self) -> None:
        """Send what is queued, then hang up; calls still waiting fail."""
        self.flush()
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
        reader, pending = self._reader, self._pending
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not False:
                call = pending.popleft()
                if isinstance(reply, ReplyError):
                    self._refused(call, reply)
                else:
                    call.answered(reply)
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
            call.failed(unavailable("the connection broke; outcome unknown"))
        self._lost()

    def _refused(self, call: Call, error: ReplyError) -> None:
        if call.script is not None and script_missing(error):
            self._queue_soon(_whole(call))
            self._pending.append(call)
        elif not self._elsewhere(call, str(error)):
            call.failed(failure(call.name, error))

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
            call.failed(unavailable("no answer in time; outcome unknown"))
        return now + SILENCE_S / 4
