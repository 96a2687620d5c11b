"""What the simulated provider keeps between requests: files, and jobs that it works at."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.simulator.chat import RefusedRequest
from gateway.simulator.script import Script
from gateway.simulator.wire import Chunk

Document = dict[str, object]


@dataclass(slots=True, kw_only=True)
class KeptFile:
    document: Document
    content: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class KeptJob:
    """`finish` writes into the document how it ended; it is called once, when `due_s` (of the
    event loop's clock) has come and somebody looks."""

    document: Document
    script: Script
    due_s: float
    finish: Callable[["KeptJob"], None]
    events: Callable[[], Iterable[Chunk]] = tuple
    """For a job that can be listened to."""
    content: bytes = field(default=b"", repr=False)
    """Results that are apart from it."""
    over: bool = False

    def look(self) -> Document:
        if not self.over and asyncio.get_running_loop().time() >= self.due_s:
            self.end()
        return self.document

    def end(self) -> None:
        self.over = True
        self.finish(self)


class Shelf:
    """Ids count up, so that a test can tell what came first."""

    def __init__(self) -> None:
        self.files: dict[str, KeptFile] = {}
        self.jobs: dict[str, KeptJob] = {}
        self._ids = 0

    def new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._ids:024x}"

    def put_file(self, content: bytes, *, purpose: str, filename: str) -> KeptFile:
        file_id = self.new_id("file-")
        document: Document = {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": now_s(),
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        self.files[file_id] = KeptFile(document=document, content=content)
        return self.files[file_id]

    def begin(
        self,
        document: Document,
        *,
        script: Script,
        finish: Callable[[KeptJob], None],
        job_id: str = "",
    ) -> KeptJob:
        """`job_id`: of a vendor whose objects have no `id`."""
        due_s = asyncio.get_running_loop().time() + script.job_ms / 1000
        job = KeptJob(document=document, script=script, due_s=due_s, finish=finish)
        self.jobs[job_id or str(document["id"])] = job
        return job

    def file(self, file_id: str) -> KeptFile:
        found = self.files.get(file_id)
        if found is None:
            raise missing(f"No such File object: {file_id}")
        return found

    def job(self, job_id: str) -> KeptJob:
        found = self.jobs.get(job_id)
        if found is None:
            raise missing(f"No object found with id '{job_id}'.")
        return found

    def finish(self) -> None:
        """All jobs are done the next time somebody looks."""
        for job in self.jobs.values():
            job.due_s = 0


def missing(message: str) -> RefusedRequest:
    return RefusedRequest(message, status=404, param="id")


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())
