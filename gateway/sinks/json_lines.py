"""Files of JSON lines: a CloudEvent on each, for whatever reads files.

A process writes `<name>-<host>-<worker>.jsonl.part` and renames it to
`<name>-<time>-<host>-<worker>.jsonl` when it is large or old enough: a finished file never
changes. Batches are acknowledged after `fsync`, unless that is switched off. What a crash left
half written is cut off at the next start; its records, never acknowledged, come again. Readers
tell duplicates by `id`.
"""

import asyncio
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
        self._bytes = 0
        self._opened_s = 0.0
        # Lanes take turns: a file has one writer.
        self._turn = asyncio.Lock()

    @property
    def _part(self) -> Path:
        return self._options.folder / f"{self.name}-{self._writer}{PART}"

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
        """Finish what the last process of this name had open."""
        self._options.folder.mkdir(parents=True, exist_ok=True)
        if self._part.exists():
            _cut_torn_line(self._part)
            self._rename()

    def _append(self, lines: bytes) -> None:
        if self._descriptor is not None and self._is_full():
            self._finish()
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._part, flags, 0o640)
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
            os.close(descriptor)
            self._rename()

    def _rename(self) -> None:
        part = self._part
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
