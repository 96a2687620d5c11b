"""Settlements on disk while the store is away, as the event loop sees them.

All file work happens on one thread of its own, in order; appends that come while one fsync runs
share the next. Knows not when to write here or when to replay.

Each worker process has a file. Those that dead processes left are taken over when a spool is
opened, so that their settlements reach the ledger; one that is replayed twice is answered there,
not applied. A file is emptied when everything in it is confirmed, which the end of an outage
brings about: nothing is appended while the store answers.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from gateway.errors import ConfigError, StoreUnavailable
from gateway.stores.base import Ask, Spooled
from gateway.stores.spool_file import SpoolFile
from gateway.stores.spool_lines import line_of, payload_for

# Some 250 000 settlements: an hour's outage at 70 calls a second.
BYTES_MAX = 256 * 1024 * 1024
# Calls under way when room runs out still get a place: admission must stop this much earlier.
RESERVE_BYTES = 4 * 1024 * 1024
# Several gateways may share a data directory; each takes the first free file of its worker.
FILES_PER_WORKER = 16
ADOPTED_AT_ONCE = 1000
PROBE_S = 1.0
RETRY_AFTER_S = 5.0

Result = TypeVar("Result")
Waiter = tuple[bytes, asyncio.Future[None]]


class FileSpool:
    """The Spool of one worker process, with what dead processes left in `folder`.

    Opening blocks; it is done by the process that uses it, not before a fork, since the file is
    locked by it. Raises ConfigError if there is no place.
    """

    def __init__(
        self,
        folder: Path,
        *,
        worker_index: int,
        bytes_max: int = BYTES_MAX,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._file = _open(folder, worker_index, bytes_max=bytes_max - reserve_bytes)
        self._bytes_max = bytes_max
        self._reserve_bytes = reserve_bytes
        self._queue: list[Waiter] = []
        self._queued_bytes = 0
        self._writing = False
        self._failed = False
        self._probe_due = False
        self._closed = False
        self._asking = asyncio.Lock()
        self._took_s = -PROBE_S
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")

    @property
    def healthy(self) -> bool:
        """False while the disk refuses or room runs out: admit nothing that could not settle."""
        used = self._file.size + self._queued_bytes
        return not self._failed and used + self._reserve_bytes <= self._bytes_max

    async def takes_more(self) -> bool:
        """`healthy`, of a disk that took something less than a second ago."""
        async with self._asking:
            if time.monotonic() - self._took_s > PROBE_S and not self._closed:
                try:
                    await self._on_thread(self._file.probe)
                except StoreUnavailable:
                    self._note(failed=True)
                else:
                    self._note(failed=False)
        return self.healthy

    @property
    def waiting(self) -> int:
        """Settlements on disk and not confirmed."""
        return self._file.waiting

    @property
    def damaged(self) -> int:
        """Lines found unreadable when the file was opened: an incident, they are lost."""
        return self._file.damaged

    async def append(self, ask: Ask) -> None:
        """Returns once it is on disk, and gets there even if the caller is cancelled.

        Raises StoreUnavailable if there is no room or the disk refuses.
        """
        line = line_of(payload_for(ask))
        if self._closed:
            raise _refusal("the spool is closed")
        if self._file.size + self._queued_bytes + len(line) > self._bytes_max:
            raise _refusal(f"the spool has reached {self._bytes_max} bytes")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((line, written))
        self._queued_bytes += len(line)
        if not self._writing:
            self._write_queue()
        await written

    async def pending(self, *, batch: int = 100) -> Sequence[Spooled]:
        """The oldest first. Raises StoreUnavailable if the disk refuses."""
        found = await self._on_thread(lambda: self._file.pending(batch))
        return [Spooled(position, ask) for position, ask in found]

    async def confirm(self, position: int) -> None:
        """Raises StoreUnavailable if the disk refuses; replaying the same again does no harm."""
        await self._on_thread(lambda: self._file.confirm(position))

    async def close(self) -> None:
        """Wait for what is being written, and leave the file to whoever opens it next."""
        if self._closed:
            return
        self._closed = True
        while self._writing:
            # Queued behind the write, and back after its outcome was handed out.
            await self._on_thread(lambda: None)
        self._thread.shutdown()
        self._file.close()

    def _write_queue(self) -> None:
        batch, self._queue = self._queue, []
        self._writing = True
        lines = [line for line, _ in batch]
        written = asyncio.get_running_loop().run_in_executor(self._thread, self._file.append, lines)
        written.add_done_callback(lambda done: self._written(done, batch))

    def _written(self, done: "asyncio.Future[None]", batch: list[Waiter]) -> None:
        self._writing = False
        error = done.exception()
        for line, waiter in batch:
            self._queued_bytes -= len(line)
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(_refusal("its disk does not take it"))
        self._note(failed=error is not None)
        if self._queue:
            self._write_queue()

    def _note(self, *, failed: bool) -> None:
        """A disk that refused is asked again until it takes something: admission waits for it."""
        self._failed = failed
        if not failed:
            self._took_s = time.monotonic()
        if failed and not self._probe_due:
            self._probe_due = True
            asyncio.get_running_loop().call_later(PROBE_S, self._probe)

    def _probe(self) -> None:
        self._probe_due = False
        if self._failed and not self._closed:
            asked = asyncio.get_running_loop().run_in_executor(self._thread, self._file.probe)
            asked.add_done_callback(lambda done: self._note(failed=done.exception() is not None))

    async def _on_thread(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            raise _refusal("its disk does not answer") from error


def _open(folder: Path, worker_index: int, *, bytes_max: int) -> SpoolFile:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = _own_file(folder, worker_index)
        for path in sorted(folder.glob("*.spool")):
            left = SpoolFile.open(path) if path != own.path else None
            if left is not None:
                # What does not fit is left for a later start.
                if own.size + left.size <= bytes_max:
                    _adopt(own, left)
                left.close()
    except OSError as error:
        raise ConfigError(
            f"There is no place for unsettled charges: {folder}: {error.strerror}. "
            "Choose another store.data_dir."
        ) from error
    return own


def _own_file(folder: Path, worker_index: int) -> SpoolFile:
    for number in range(FILES_PER_WORKER):
        file = SpoolFile.open(folder / f"{worker_index}-{number}.spool")
        if file is not None:
            return file
    raise ConfigError(
        f"{FILES_PER_WORKER} other processes use the spool files of worker {worker_index} in "
        f"{folder}. Choose another store.data_dir."
    )


def _adopt(own: SpoolFile, left: SpoolFile) -> None:
    """Copied first, emptied then: a crash in between leaves a settlement twice, never none."""
    unconfirmed = left.unconfirmed()
    position = 0
    while chunk := list(islice(unconfirmed, ADOPTED_AT_ONCE)):
        own.append([line_of(payload) for _, payload in chunk])
        position = chunk[-1][0]
    left.confirm(position)


def _refusal(why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"A charge could not be written to disk: {why}.", retry_after_s=RETRY_AFTER_S
    )
