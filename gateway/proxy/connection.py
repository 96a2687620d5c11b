"""One connection to a provider: an asyncio.Protocol, one exchange at a time.

Body bytes go straight from `data_received` to a callback: no stream object, no task and no timer
between the provider's socket and the client's. Deadlines are kept by `sweep`, called for all
connections a few times a second. Knows nothing of pools, retries, metering or header policy.
"""

import asyncio
from typing import Protocol, cast

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.proxy.answer import Answer, resolve
from gateway.proxy.connection_reader import ResponseReader
from gateway.proxy.framing import MalformedAnswer

JOINED_BYTES_MAX = 64 * 1024
"""Bodies up to this size are joined to the head: the copy costs less than a second buffer."""


class Unanswered(UpstreamFailed):
    """The provider closed the connection before it sent a single byte of an answer."""


class Timeouts(Protocol):
    """The part of the pool's settings that a connection enforces."""

    @property
    def first_byte_timeout_s(self) -> float: ...
    @property
    def idle_timeout_s(self) -> float: ...
    @property
    def keepalive_s(self) -> float: ...
    @property
    def head_bytes_max(self) -> int: ...


class Owner(Protocol):
    """Who is told what becomes of a connection. Called synchronously; must not raise."""

    def opened(self, connection: "Connection") -> None: ...

    def released(self, connection: "Connection") -> None:
        """The exchange is over, and the connection can carry another one."""
        ...

    def lost(self, connection: "Connection") -> None:
        """The socket is closed."""
        ...


class Connection(asyncio.Protocol):
    """Carries one exchange after the other; tells its owner when it is free and when it is gone."""

    __slots__ = (
        "_answer",
        "_deadline_s",
        "_head",
        "_loop",
        "_owner",
        "_paused",
        "_reader",
        "_stirred",
        "_timeouts",
        "_transport",
        "closed",
        "used",
    )

    def __init__(self, timeouts: Timeouts, owner: Owner) -> None:
        self._timeouts = timeouts
        self._owner = owner
        self._reader = ResponseReader(head_bytes_max=timeouts.head_bytes_max)
        self._transport: asyncio.Transport | None = None
        # Kept because asking for it costs a system call each time.
        self._loop = asyncio.get_running_loop()
        self._answer: Answer | None = None
        self._head: asyncio.Future[None] | None = None
        self._paused = False
        self._stirred = True
        self._deadline_s = 0.0
        self.closed = False
        """Closed or closing: carries no further exchange."""
        self.used = False
        """Has carried an exchange: the provider may have closed it since."""

    async def exchange(self, head: bytes, body: bytes, *, head_only: bool) -> Answer:
        """Send one request; return when the head of the final response is there.

        Raises UpstreamFailed or UpstreamTimeout; Unanswered if it could have been stale. Being
        cancelled closes the connection.
        """
        if self.closed or self._transport is None:
            raise Unanswered("The provider closed the connection.")
        self.used = True
        self._stirred = True
        self._reader.expect(head_only=head_only)
        self._answer = answer = Answer(self)
        self._head = arrival = self._loop.create_future()
        if len(body) <= JOINED_BYTES_MAX:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        try:
            await arrival
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except BaseException:
            # Both know the error, which knows this frame: a ring that only a collection would find.
            del answer, arrival
            raise
        return answer

    def sweep(self, now_s: float) -> None:
        """Enforce the deadline of whatever this connection is waiting for.

        Whatever moved since the last sweep starts the wait anew, so a deadline is late by up to two
        sweeps and costs one assignment per read.
        """
        if self._stirred or self._paused:
            self._stirred = False
            self._deadline_s = now_s + self._patience_s()
        elif now_s >= self._deadline_s:
            self._give_up_waiting()

    def pause_reading(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def fail(self, error: Exception) -> None:
        """Break the running exchange off and close."""
        answer, arrival = self._answer, self._head
        self._answer = self._head = None
        self.close()
        if arrival is not None:
            resolve(arrival, error)
        if answer is not None:
            answer.end(error)

    def close(self) -> None:
        """Drop the socket without waiting for anyone. The owner hears of it in `lost`."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        else:
            self._reader.forget()

    # What follows is called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        if self.closed:
            self._transport.abort()
        else:
            self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            # Nobody asked: surplus after a response, or a farewell such as 408.
            self.close()
            return
        reader = self._reader
        fault: Exception | None = None
        try:
            body = reader.feed(data)
        except MalformedAnswer as error:
            fault = _malformed(error)
            body = reader.taken()
        if self._head is not None and reader.status:
            self._head_arrived(answer, self._head)
        if body:
            self._stirred = True
            try:
                if answer.sink is None:
                    answer.keep(body)
                else:
                    answer.sink(body)
            except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the answer
                fault = error
        if self._answer is not answer:
            # The sink gave the answer up.
            return
        if fault is not None:
            self.fail(fault)
        elif reader.complete:
            self._finish(answer)

    def eof_received(self) -> None:
        self.closed = True
        if self._answer is None:
            return
        if self._reader.close():
            self._finish(self._answer)
        else:
            self.fail(self._broken_off())

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answer is not None:
            error = self._broken_off()
            error.__cause__ = exc
            self.fail(error)
        self._reader.forget()
        self._owner.lost(self)

    def _head_arrived(self, answer: Answer, arrival: "asyncio.Future[None]") -> None:
        self._head = None
        self._stirred = True
        reader = self._reader
        answer.status, answer.reason = reader.status, reader.reason
        # Its alone: they are a stream's to forget.
        answer.headers, reader.headers = reader.headers, []
        resolve(arrival, None)

    def _finish(self, answer: Answer) -> None:
        self._answer = None
        if self._paused and not self.closed:
            self.resume_reading()
        answer.end(None)
        # An answer may overtake its question; the rest of that would be read as the next one.
        if self._reader.persistent and not self.closed and self._sent():
            self._stirred = True
            self._owner.released(self)
        else:
            self.close()

    def _sent(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() == 0

    def _patience_s(self) -> float:
        if self._answer is None:
            return self._timeouts.keepalive_s
        if self._head is not None:
            return self._timeouts.first_byte_timeout_s
        return self._timeouts.idle_timeout_s

    def _give_up_waiting(self) -> None:
        waited = f"for {self._patience_s():g} s"
        if self._answer is None:
            self.close()
        elif self._head is not None:
            self.fail(UpstreamTimeout(f"The provider did not begin its answer {waited}."))
        else:
            self.fail(UpstreamTimeout(f"The provider's answer stood still {waited}."))

    def _broken_off(self) -> UpstreamFailed:
        if self._head is None:
            return UpstreamFailed("The provider broke its answer off.")
        if self._reader.silent:
            return Unanswered("The provider closed the connection instead of answering.")
        return UpstreamFailed("The provider broke off within the head of its answer.")


def _malformed(reason: MalformedAnswer) -> UpstreamFailed:
    # Its text is all there is to it. With the error itself would come its traceback, whose frames
    # know the answer, which knows the error.
    return UpstreamFailed(f"The provider's answer is malformed: {reason}.")
