"""What is worth remembering of an object when it is created, because later calls depend on it.

A batch is sized by its file, a run by its assistant: both are created long before, in requests of
their own. Pure; nothing of what is remembered is a prompt.
"""

from collections.abc import Generator, Mapping
from typing import Protocol

from gateway.dialects.base import Format, Request
from gateway.dialects.batch_lines import BatchLines, lines_of
from gateway.dialects.endpoint import OPENAI
from gateway.dialects.forms import is_form, read_form
from gateway.dialects.stored_references import references
from gateway.errors import BadCall

Facts = Mapping[str, object]
NO_FACTS: Facts = {}
# Of a file: the stored objects that the requests in it refer to. Only looked at, never stored.
REFERS = "refers"

# Some milliseconds of reading: then others have their turn.
SLICE_BYTES = 256 * 1024


class Memo(Protocol):
    """For one endpoint that creates something."""

    def facts(self, request: Request) -> Generator[None, None, Facts]:
        """Returns them when it is done, and yields now and then until then. Never raises for what
        is in the request: of what cannot be read, nothing is remembered."""
        ...


class UploadedFile:
    """An OpenAI file (`POST /v1/files`): its length; of a batch's, what its requests come to."""

    def __init__(self, formats: Mapping[str, Format]) -> None:
        """`formats` of the requests of a batch, by URL."""
        self._formats = formats

    def facts(self, request: Request) -> Generator[None, None, Facts]:
        if not is_form(request.content_type):
            return NO_FACTS
        try:
            form = read_form(request.body, request.content_type)
            purpose, file = form.text("purpose"), form.one("file")
        except BadCall:
            return NO_FACTS
        if file is None:
            return NO_FACTS
        if purpose != "batch":
            lines = request.body.count(b"\n", file.start, file.end) + 1
            return {"purpose": purpose or "", "bytes": file.end - file.start, "lines": lines}
        sums = BatchLines(self._formats)
        refers: set[str] = set()
        read_bytes = 0
        for line in lines_of(request.body, start=file.start, end=file.end):
            sums.add(line)
            refers |= _referred(line)
            read_bytes += len(line)
            if read_bytes >= SLICE_BYTES:
                read_bytes = 0
                yield
        return {"purpose": purpose, REFERS: sorted(refers), **sums.facts()}


def _referred(line: bytes) -> set[str]:
    try:
        return set(references(line, api=OPENAI)) if line.strip() else set()
    except BadCall:
        # Not to be told: then to nothing of the caller's.
        return {line[:40].decode("latin-1")}
