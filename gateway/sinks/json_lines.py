"""Files of JSON lines: a CloudEvent on each, for whatever reads files.

A process writes `<name>-<host>-<worker>.jsonl.part` and renames it to
`<name>-<time>-<host>-<worker>.jsonl` when it is large or old enough: a finished file never
changes. Batches are acknowledged after `fsync`, unless that is switched off. What a crash left
half written is cut off at the next start; its records, never acknowledged, come again. Readers
tell duplicates by `id`.
"""

import asyncio
import errno
import fcntl
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.metering.records import rfc3339
from gateway.sinks.base import DELIVERED, Customers, Limits, Outcome, Shipment, retry

PART = ".jsonl.part"
TAIL_BYTES = 64 * 1024
# Processes of one name: a worker, its successor, and what else may have been left.
WRITERS_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLinesOptions:
    """`fsync`: whether a record is on the disk before it counts as delivered."""

    folder: Path
    file_bytes_max: int
    file_age_max_s: float
    fsync: bool


class JsonLinesSink:
    customers = Customers()

    def __init__(
        self,
        name: str,
        options: JsonLinesOptions,
        limits: Limits,
        *,
        writer: str,
        now_ms: Callable[[], int],
    ) -> None:
        self.name, self.limits = name, limits
        self._options = options
        self._writer = writer
        self._now_ms = now_ms
        self._descriptor: int | None = None
        self._part = Path()
        self._bytes = 0
        self._opened_s = 0.0
        # Lanes take turns: a file has one writer.
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        await asyncio.to_thread(self._recover)

    async def close(self) -> None:
        async with self._turn:
            await asyncio.to_thread(self._finish)

    async def deliver(self, shipments: Sequence[Shipment]) -> Sequence[Outcome]:
        lines = b"".join(
            orjson.dumps(each.record.cloud_event(), option=orjson.OPT_APPEND_NEWLINE)
            for each in shipments
        )
        async with self._turn:
            try:
                await asyncio.to_thread(self._append, lines)
            except OSError as error:
                return [retry(f"the file cannot be written: {error.strerror}")] * len(shipments)
        return [DELIVERED] * len(shipments)

    # What follows blocks, and runs in a thread.

    def _recover(self) -> None:
        """Finish what dead processes of this name had open."""
        self._options.folder.mkdir(parents=True, exist_ok=True)
        for number in range(WRITERS_MAX):
            part = self._part_of(number)
            if part.exists() and (descriptor := _locked(part)) is not None:
                _cut_torn_line(part)
                self._rename(part)
                os.close(descriptor)

    def _open(self) -> int:
        """A part of our own: while a worker is being replaced, two processes have one name."""
        for number in range(WRITERS_MAX):
            part = self._part_of(number)
            if (descriptor := _locked(part)) is not None:
                self._part = part
                return descriptor
        raise OSError(errno.EAGAIN, "other processes write all the files of this name")

    def _part_of(self, number: int) -> Path:
        more = f".{number}" if number else ""
        return self._options.folder / f"{self.name}-{self._writer}{more}{PART}"

    def _append(self, lines: bytes) -> None:
        if self._descriptor is not None and self._is_full():
            self._finish()
        if self._descriptor is None:
            self._descriptor = self._open()
            self._bytes, self._opened_s = os.fstat(self._descriptor).st_size, time.monotonic()
        start = self._bytes
        try:
            _write_all(self._descriptor, lines)
            if self._options.fsync:
                os.fsync(self._descriptor)
        except OSError:
            # Half a batch would put half a line before the next one.
            os.ftruncate(self._descriptor, start)
            raise
        self._bytes += len(lines)

    def _is_full(self) -> bool:
        age_s = time.monotonic() - self._opened_s
        return self._bytes >= self._options.file_bytes_max or age_s >= self._options.file_age_max_s

    def _finish(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._rename(self._part)
            os.close(descriptor)

    def _rename(self, part: Path) -> None:
        if part.stat().st_size == 0:
            part.unlink()
            return
        stamp = rfc3339(self._now_ms()).translate(str.maketrans("", "", "-:."))
        number = 0
        while (final := self._final(stamp, number)).exists():
            number += 1
        part.rename(final)

    def _final(self, stamp: str, number: int) -> Path:
        more = f".{number}" if number else ""
        return self._options.folder / f"{self.name}-{stamp}-{self._writer}{more}.jsonl"


def _locked(part: Path) -> int | None:
    """Open for appending, ours as long as it is open; None while another process has it."""
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It may have been finished between opening and locking: then it is another file's name.
        if os.fstat(descriptor).st_ino == part.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _cut_torn_line(path: Path) -> None:
    """Without what stands behind the last line break."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - TAIL_BYTES)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        file.truncate(end)
