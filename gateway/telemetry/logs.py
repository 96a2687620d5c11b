"""The log: one JSON line per call at its end, and a line for each rare change of state.

Lines wait in memory and a thread of our own writes them, so neither a full pipe nor a slow disk
ever stops the event loop; beyond a bound they are dropped and counted. Knows nothing of keys,
prompts or answers: no field could carry them.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from typing import TypedDict

import orjson

# How long a call's line may wait for company: one write takes many.
GATHER_S = 0.2
# Enough waiting to write at once.
GATHER_BYTES = 64 * 1024
# A reader that stands still for longer than this much loses lines: about 8 000 of them.
WAITING_BYTES_MAX = 4 * 1024 * 1024
# POSIX keeps writes to a pipe up to this size whole: lines of several workers do not mix.
WRITE_BYTES = select.PIPE_BUF
# Our own values stay far below; a line beyond this carries long text from outside, which is cut.
LINE_BYTES = 2048
TEXT_CHARS_MAX = 200
NS_PER_MS = 1_000_000


class Level(StrEnum):
    """INFO is normal, WARNING wants someone to look today, ERROR now."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


# Put together, not written anew: that would take as long as the rest of a line. By plain text: an
# enum member as a key is hashed by slow code.
_MS = tuple(b"%03dZ" % ms for ms in range(1_000))
_LEVELS = {level.value: b'","level":"%b",' % level.value.encode() for level in Level}


class CallLine(TypedDict):
    """One call, however it ended. Every key is always there; empty or 0 where it has no value.

    `event` is `call`, or `refusal` with the error's code as `reason`.
    """

    event: str
    request_id: str
    key_id: str
    account_id: str
    dialect: str
    provider: str
    attempts: int
    cut_off: str
    model: str
    status: int
    end: str
    reason: str
    provenance: str
    input_tokens: int
    output_tokens: int
    cost_ucr: int
    held_ucr: int
    overrun_ucr: int
    ttfb_ms: int
    duration_ms: int


class Log:
    """Writes lines to a file descriptor from a thread that `start` begins: after forking.

    `on_drop` is told, on the caller's thread, how many lines were lost since it was last told.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        on_drop: Callable[[int], None] = lambda _count: None,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._descriptor = descriptor
        self._on_drop = on_drop
        self._waiting_bytes_max = waiting_bytes_max
        self._lines: deque[bytes] = deque()
        # Each of these is written by one thread only: the caller's …
        self._accepted_bytes = 0
        self._refused_lines = 0
        self._told_lines = 0
        # … and the writer's.
        self._taken_bytes = 0
        self._failed_lines = 0
        self._hurry = threading.Event()
        self._closing = False
        self._writer: threading.Thread | None = None

    def start(self) -> None:
        # A daemon: a reader that never reads must not keep the process from ending.
        self._writer = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._writer.start()

    def close(self, *, timeout_s: float = 2.0) -> None:
        """Write what waits, up to the deadline. Blocks: call it when the loop is done."""
        self._closing = True
        self._hurry.set()
        if self._writer is not None:
            self._writer.join(timeout_s)

    @property
    def dropped_lines(self) -> int:
        """Lost so far: refused because too much was waiting, or the descriptor took no more."""
        return self._refused_lines + self._failed_lines

    def call(self, line: CallLine, *, level: Level = Level.INFO) -> None:
        """Queue a call's line; written within GATHER_S."""
        self._append(line, level)

    def state(
        self, event: str, *, level: Level = Level.INFO, **fields: str | float | bool | None
    ) -> None:
        """Queue a line about a change of state and have it written at once."""
        self._append({"event": event, **fields}, level)
        self._hurry.set()

    def _append(self, fields: Mapping[str, object], level: Level) -> None:
        line = _head(level) + encode(fields)[1:]
        waiting_bytes = self._accepted_bytes - self._taken_bytes
        line_bytes = len(line)
        if waiting_bytes + line_bytes > self._waiting_bytes_max:
            self._refused_lines += 1
        else:
            self._accepted_bytes += line_bytes
            self._lines.append(line)
            # Only the line that passes the mark wakes the writer: waking costs more than a line.
            if waiting_bytes <= GATHER_BYTES < waiting_bytes + line_bytes:
                self._hurry.set()
        if self._refused_lines + self._failed_lines != self._told_lines:
            self._tell_drops()

    def _tell_drops(self) -> None:
        dropped = self.dropped_lines
        self._on_drop(dropped - self._told_lines)
        self._told_lines = dropped

    def _write_on(self) -> None:
        # Five looks a second cost an idle process nothing; being told of each line would cost a
        # busy one more than writing it.
        while not self._closing:
            self._hurry.wait(GATHER_S)
            # Cleared before looking: a line that comes later wakes us again.
            self._hurry.clear()
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        while self._lines:
            batch = [self._lines.popleft()]
            batch_bytes = len(batch[0])
            while self._lines and batch_bytes + len(self._lines[0]) <= WRITE_BYTES:
                batch.append(self._lines.popleft())
                batch_bytes += len(batch[-1])
            try:
                write_all(self._descriptor, b"".join(batch))
            except OSError:
                # The reader is gone or the disk is full; the next batch may fare better.
                self._failed_lines += len(batch)
            self._taken_bytes += batch_bytes


def tell(
    descriptor: int, event: str, *, level: Level = Level.INFO, **fields: str | float | None
) -> None:
    """Write a line about a change of state at once, for a process without a log: it waits for the
    reader, and is silent when there is none."""
    with suppress(OSError):
        write_all(descriptor, _head(level) + encode({"event": event, **fields})[1:])


def _head(level: Level) -> bytes:
    """How every line begins; RFC 3339 time in UTC."""
    second, ms = divmod(time.time_ns() // NS_PER_MS, 1_000)
    return _second(second) + _MS[ms] + _LEVELS[level._value_]


@lru_cache(maxsize=2)
def _second(unix_s: int) -> bytes:
    return time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(unix_s)).encode()


def encode(fields: Mapping[str, object]) -> bytes:
    """A JSON object and a line end. Never raises: what JSON cannot carry is replaced, and long
    text is cut."""
    try:
        line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        # A lone surrogate from a header, or a number beyond 64 bits.
        return orjson.dumps(
            {name: _plain(value) for name, value in fields.items()},
            option=orjson.OPT_APPEND_NEWLINE,
        )
    if len(line) <= LINE_BYTES:
        return line
    return orjson.dumps(
        {name: _cut(value) for name, value in fields.items()}, option=orjson.OPT_APPEND_NEWLINE
    )


def _plain(value: object) -> str:
    return str(value)[:TEXT_CHARS_MAX].encode("utf-8", "replace").decode()


def _cut(value: object) -> object:
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) else value


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, waiting as long as it takes even if someone made the pipe non-blocking."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            writable = select.poll()
            writable.register(descriptor, select.POLLOUT)
            writable.poll()
