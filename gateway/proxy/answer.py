"""One response on its way: the head is there, the body goes to a callback as it arrives.

Knows nothing of sockets and framing; whoever reads the socket tells it what came and how it ended.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.errors import UpstreamFailed

EARLY_BYTES_MAX = 256 * 1024
"""Body kept while nobody has called `relay_to`: one read of the event loop, then reading stops."""


class Source(Protocol):
    """Whoever reads the socket."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def fail(self, error: Exception) -> None:
        """Break the running exchange off and close."""
        ...


class Answer:
    """One response. Its head is there; its body goes to the sink as it arrives.

    `headers` are raw: in order, case and duplicates kept.
    """

    __slots__ = (
        "_early",
        "_early_bytes",
        "_ended",
        "_error",
        "_held",
        "_sink",
        "_source",
        "headers",
        "reason",
        "status",
    )

    def __init__(self, source: Source) -> None:
        self.status = 0
        self.reason = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self._source: Source | None = source
        self._sink: Callable[[bytes], None] | None = None
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._held = False
        self._ended: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done when the body is complete (None) or broken off (UpstreamFailed, UpstreamTimeout)."""
        # A task cancelled while it awaits the future cancels it: the next one gets its own.
        if self._ended is None or self._ended.cancelled():
            self._ended = asyncio.get_running_loop().create_future()
            if self._source is None:
                resolve(self._ended, self._error)
        return self._ended

    def relay_to(self, sink: Callable[[bytes], None]) -> None:
        """Hand body bytes to `sink`, at once those that came before this call.

        The sink runs inside the event loop's read callback: it must not wait. What it raises
        there breaks the answer off and comes out of `ended`.
        """
        early = b"".join(self._early)
        self._early.clear()
        self._early_bytes = 0
        if self._source is not None:
            self._sink = sink
        if early:
            sink(early)
        if self._source is not None and not self._held:
            self._source.resume_reading()

    def pause(self) -> None:
        """Stop reading from the provider. While paused the answer is not idle."""
        self._held = True
        if self._source is not None:
            self._source.pause_reading()

    def resume(self) -> None:
        self._held = False
        if self._source is not None:
            self._source.resume_reading()

    def cancel(self) -> None:
        """Give the answer up: its connection is closed, the sink is not called again."""
        self._sink = None
        self._early.clear()
        if self._source is not None:
            self._source.fail(UpstreamFailed("The gateway gave the provider's answer up."))

    def deliver(self, body: bytes) -> None:
        """Called by the connection, with what one read of the socket brought."""
        if self._sink is not None:
            self._sink(body)
            return
        self._early.append(body)
        self._early_bytes += len(body)
        if self._early_bytes >= EARLY_BYTES_MAX and self._source is not None:
            self._source.pause_reading()

    def end(self, error: Exception | None) -> None:
        """Called by the connection, once: it has nothing more to say."""
        self._source = None
        # The sink knows the answer: as long as each holds the other, all of the call that is over
        # would wait in memory for the garbage collector.
        self._sink = None
        self._error = error
        if self._ended is not None:
            resolve(self._ended, error)


def resolve(future: "asyncio.Future[None]", error: Exception | None) -> None:
    """Settle `future` if nobody did, without the loop ever complaining that nobody looked."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
        # An exception that was looked at once counts as retrieved.
        future.exception()
