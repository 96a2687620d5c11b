"""What a dialect says of the jobs that its calls begin: where one stands, and what it used.

A job is told of in many answers: to the call that begins it, whenever it is asked for, in lists, in
the events of a stream. `StatusReader` watches a copy of any of them for the job's own object, which
the dialect's `Jobs` can read. Pure; knows no job that was not in the bytes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import orjson

from gateway.dialects.base import Reported, Request
from gateway.dialects.sse import BOM, EventBuffer
from gateway.metering.jobs import JobStatus, Told
from gateway.metering.usage import NOTHING

EVENT_STREAM = "text/event-stream"
JSON = "application/json"
# A finished response brings all of its output along, made pictures included.
JSON_BYTES_MAX = 64 * 1024 * 1024
# One line of a batch's results: a whole answer. Longer ones cannot be read.
LINE_BYTES_MAX = 16 * 1024 * 1024
# Under which names vendors list their objects.
LISTS = ("data", "operations")
# No event that tells of a job lacks this word.
STATUS = b'"status"'


class Jobs(Protocol):
    """Never raises for what a provider says: what cannot be read tells nothing."""

    @property
    def lifetime_s(self) -> int:
        """When the provider has ended a job for certain, and told of it."""
        ...

    def read(self, document: Mapping[str, object]) -> JobStatus | None:
        """A job's object, or an event that carries one; None for anything else."""
        ...

    def named(self, request: Request) -> Sequence[str]:
        """The stored objects that a call is sized by: what is remembered of them is given to
        `read_call`. Raises BadCall as that does."""
        ...

    def path(self, created: str, status: JobStatus) -> str:
        """Where a job is asked for that was begun at the path `created`."""
        ...

    @property
    def links(self) -> Sequence[str]:
        """Members of its answers that hold URLs of the provider's, by which clients go on."""
        ...

    @property
    def results(self) -> "Results | None":
        """For jobs that name results (`JobStatus.results`)."""
        ...


class Results(Protocol):
    """What tells call by call, line by line, what a job used. Never raises either."""

    def job_of(self, path: str, segments: Mapping[str, str]) -> str:
        """The id of the job whose results stand at that path; empty where it does not tell."""
        ...

    def path(self, asked: str, result: str) -> str:
        """Where one of `JobStatus.results` is, of the job that is asked for at the path `asked`."""
        ...

    def read(self, line: bytes) -> Told | None:
        """Of a call that was not served: nothing, and no call. None for what is no result."""
        ...


class StatusReader:
    """The latest of each job that one answer tells of. `feed` it, `close` it, read `statuses`."""

    __slots__ = ("_bytes", "_events", "_jobs", "_json", "_pieces", "statuses")

    def __init__(self, jobs: Jobs, *, content_type: str) -> None:
        """`content_type` of the answer: lower case, without parameters."""
        streamed = content_type == EVENT_STREAM
        self._jobs = jobs
        self._json = content_type == JSON or content_type.endswith("+json")
        self._events = EventBuffer(event_bytes_max=JSON_BYTES_MAX) if streamed else None
        self._pieces: list[bytes] = []
        self._bytes = 0
        self.statuses: dict[str, JobStatus] = {}

    def feed(self, data: bytes) -> None:
        if self._events is not None:
            self._events.feed(data)
            self._note_events(self._events.take())
            return
        self._bytes += len(data)
        if self._json and self._bytes <= JSON_BYTES_MAX:
            self._pieces.append(data)
        else:
            self._pieces.clear()

    def close(self) -> None:
        if self._events is not None:
            self._note_events(self._events.take(final=True))
            return
        document = decoded(b"".join(self._pieces).removeprefix(BOM))
        self._pieces.clear()
        if not isinstance(document, dict):
            return
        self._note(document)
        for name in LISTS:
            listed = document.get(name)
            if isinstance(listed, list):
                for item in listed:
                    if isinstance(item, dict):
                        self._note(item)

    def _note_events(self, payloads: Iterable[bytes]) -> None:
        for payload in payloads:
            document = decoded(payload) if STATUS in payload else None
            if isinstance(document, dict):
                self._note(document)

    def _note(self, document: Mapping[str, object]) -> None:
        status = self._jobs.read(document)
        if status is not None:
            self.statuses[status.job_id] = status


class LineReader:
    """JSON Lines as they come: `read` gets each whole line; never is more than one kept.

    A line that is too long is not read.
    """

    __slots__ = ("_bytes", "_open", "_read")

    def __init__(self, read: Callable[[bytes], None]) -> None:
        self._read = read
        self._open: list[bytes] = []
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        for line in ended:
            self._keep(line)
            self.close()
        self._keep(rest)

    def close(self) -> None:
        """The last line needs no end."""
        line = b"".join(self._open).strip()
        self._open.clear()
        self._bytes = 0
        if line:
            self._read(line)

    def _keep(self, piece: bytes) -> None:
        self._bytes += len(piece)
        if self._bytes <= LINE_BYTES_MAX:
            self._open.append(piece)
        else:
            self._open.clear()


NOT_SERVED = Told(usage=NOTHING, calls=0)


def told(reported: Reported, *, calls: int = 1) -> Told:
    return Told(usage=reported.usage, calls=calls, unmapped=reported.unmapped)


def decoded(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def text_of(document: Mapping[str, object], name: str) -> str:
    """A member that is a text; empty otherwise."""
    value = document.get(name)
    return value if isinstance(value, str) else ""
