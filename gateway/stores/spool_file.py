"""One file of the spool: locked by its process, read after a crash, appended, confirmed, emptied.

Blocking, and for one thread at a time. Knows offsets, fsync and torn lines; nothing of event
loops or of who replays.

Bytes become part of the file when they are synced: `size` then moves past them. What a failed
write left behind lies beyond it, is written over by the next, and is cut off when the file is
opened again.
"""

import fcntl
import os
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from gateway.stores.base import Ask
from gateway.stores.spool_lines import (
    ask_of,
    confirmed_of,
    line_of,
    payload_for_confirmed,
    payload_of,
)

# More than any settlement's line: what a disk must take before it counts as well again.
PROBE_BYTES = 64 * 1024


class SpoolFile:
    """Positions count the bytes ever written by this object; unlike offsets they only grow."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.size = 0
        """Bytes of whole, synced lines."""
        self.damaged = 0
        """Lines whose checksum was wrong when the file was opened; a torn last one not counted."""
        self._file = file
        self._emptied = 0
        self._confirmed = 0
        # Where the settlements end that are not confirmed, as positions.
        self._ends: deque[int] = deque()
        self._recover()

    @classmethod
    def open(cls, path: Path) -> "SpoolFile | None":
        """None if a living process has it. Raises OSError."""
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(path, file)
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise

    @property
    def waiting(self) -> int:
        return len(self._ends)

    def append(self, lines: Sequence[bytes]) -> None:
        """Settlements, all of them on disk or, with OSError, none of them counted."""
        start = self._emptied + self.size
        self._write(b"".join(lines))
        for line in lines:
            start += len(line)
            self._ends.append(start)

    def pending(self, batch: int) -> list[tuple[int, Ask]]:
        """The oldest unconfirmed settlements with their positions."""
        oldest = islice(self.unconfirmed(), batch)
        return [(position, ask_of(payload)) for position, payload in oldest]

    def unconfirmed(self) -> Iterator[tuple[int, bytes]]:
        """Position and payload of each settlement not confirmed; confirm nothing meanwhile."""
        for end, line in self._lines(self._confirmed):
            if end > self.size:
                return
            payload = payload_of(line)
            if payload is not None and confirmed_of(payload) is None:
                yield self._emptied + end, payload

    def confirm(self, position: int) -> None:
        """Forget, durably, the settlements up to there; empty the file if no other is left."""
        if self._ends and self._ends[-1] > position:
            offset = max(self._confirmed, position - self._emptied)
            self._write(line_of(payload_for_confirmed(offset)))
            self._confirmed = offset
            while self._ends[0] <= position:
                self._ends.popleft()
        else:
            self._empty()

    def probe(self) -> None:
        """Raises OSError unless the disk takes a little more."""
        self._put(bytes(PROBE_BYTES))
        os.ftruncate(self._file, self.size)

    def close(self) -> None:
        os.close(self._file)

    def _recover(self) -> None:
        for end, line in self._lines(0):
            payload = payload_of(line)
            self.size = end if line.endswith(b"\n") else self.size
            if payload is None:
                self.damaged += line.endswith(b"\n")
            elif (offset := confirmed_of(payload)) is not None:
                self._confirmed = offset
            else:
                self._ends.append(end)
        while self._ends and self._ends[0] <= self._confirmed:
            self._ends.popleft()
        if self._ends:
            os.ftruncate(self._file, self.size)
            os.fsync(self._file)
        else:
            self._empty()
        _sync_directory(self.path.parent)

    def _lines(self, offset: int) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as lines:
            lines.seek(offset)
            for line in lines:
                offset += len(line)
                yield offset, line

    def _empty(self) -> None:
        os.ftruncate(self._file, 0)
        self._emptied += self.size
        self.size = self._confirmed = 0
        self._ends.clear()
        os.fsync(self._file)

    def _write(self, content: bytes) -> None:
        self._put(content)
        self.size += len(content)

    def _put(self, content: bytes) -> None:
        rest, offset = memoryview(content), self.size
        try:
            while rest:
                written = os.pwrite(self._file, rest, offset)
                rest, offset = rest[written:], offset + written
            os.fsync(self._file)
        except OSError:
            # Gives the room back; should this fail too, the next write goes over it.
            os.ftruncate(self._file, self.size)
            raise


def _sync_directory(folder: Path) -> None:
    """A new file's name must survive a power cut as its contents do."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
