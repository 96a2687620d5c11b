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
        "_held",
        "_on_end",
        "_source",
        "error",
        "headers",
        "over",
        "reason",
        "sink",
        "status",
    )

    def __init__(self, source: Source) -> None:
        self.status = 0
        self.reason = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self._source: Source | None = source
        self.sink: Callable[[bytes], None] | None = None
        """Where its body goes as it comes; None: it is kept."""
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._held = False
        self._ended: asyncio.Future[None] | None = None
        self._on_end: Callable[[], None] | None = None
        self.over = False
        """Nothing more comes: it is complete, or was broken off by `error`."""
        self.error: Exception | None = None

    @property
    def ended(self) -> "asyncio.Future[None]":
        """Done when the body is complete (None) or broken off (UpstreamFailed, UpstreamTimeout)."""
        # A task cancelled while it awaits the future cancels it: the next one gets its own.
        if self._ended is None or self._ended.cancelled():
            self._ended = asyncio.get_running_loop().create_future()
            if self.over:
                resolve(self._ended, self.error)
        return self._ended

    def relay_to(
        self, sink: Callable[[bytes], None], *, ended: Callable[[], None] | None = None
    ) -> None:
        """Hand body bytes to `sink`, at once those that came before this call; call `ended` when it
        is `over`, if it is not yet.

        Both run inside the event loop's read callback: they must not wait. What the sink raises
        there breaks the answer off by that error.
        """
        if self._source is not None:
            self.sink, self._on_end = sink, ended
        if self._early:
            early = b"".join(self._early)
            self._early.clear()
            self._early_bytes = 0
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
        self.sink = self._on_end = None
        self._early.clear()
        if self._source is not None:
            self._source.fail(UpstreamFailed("The gateway gave the provider's answer up."))

    def keep(self, body: bytes) -> None:
        """Called by the connection, with what one read of the socket brought while there is no
        sink."""
        self._early.append(body)
        self._early_bytes += len(body)
        if self._early_bytes >= EARLY_BYTES_MAX and self._source is not None:
            self._source.pause_reading()

    def end(self, error: Exception | None) -> None:
        """Called by the connection, once: it has nothing more to say."""
        self._source = None
        self.over, self.error = True, error
        # Both know the answer: as long as it holds them, all of the call that is over would wait in
        # memory for the garbage collector.
        on_end = self._on_end
        self.sink = self._on_end = None
        if self._ended is not None:
            resolve(self._ended, error)
        if on_end is not None:
            on_end()


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
