"""Long JSON answers of which only a few members matter, near their beginning or their end.

Embeddings of two thousand texts take a hundred megabytes, their usage thirty bytes: the ends are
kept, the middle is forgotten as it comes. Knows nothing of what the members mean.
"""

from collections.abc import Callable

import orjson

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.json_scan import members
from gateway.dialects.sse import BOM
from gateway.metering.usage import NOTHING, Usage

# A usage object with all that follows it takes less than 1 KB.
END_BYTES = 16 * 1024
# How often a name may stand deeper down behind the one that is looked for.
OCCURRENCES_MAX = 8


class JsonEnds:
    """The first and the last END_BYTES of one JSON object."""

    __slots__ = ("_head", "_tail", "size")

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self.size = 0

    def feed(self, data: bytes) -> None:
        if self.size < END_BYTES:
            self._head += data[: END_BYTES - self.size]
        self.size += len(data)
        self._tail = (self._tail + data[-END_BYTES:])[-END_BYTES:]

    def member(self, name: str) -> object:
        """The object's own member of that name; None when it is not in either end."""
        quoted = b'"%b"' % name.encode()
        value = self._last(name, quoted)
        return self._first(name, quoted) if value is None else value

    def _last(self, name: str, quoted: bytes) -> object:
        """A name stands at the top level if all from there on reads as the rest of one object:
        deeper down more than one brace would follow, and in a text its quotes were escaped."""
        at = len(self._tail)
        for _ in range(OCCURRENCES_MAX):
            at = self._tail.rfind(quoted, 0, at)
            if at < 0:
                return None
            try:
                rest = orjson.loads(b"{" + self._tail[at:])
            except orjson.JSONDecodeError:
                continue
            if isinstance(rest, dict):
                return rest.get(name)
        return None

    def _first(self, name: str, quoted: bytes) -> object:
        head = self._head.removeprefix(BOM)
        if quoted not in head or not head.lstrip().startswith(b"{"):
            return None
        try:
            for found in members(head):
                if found.key == name and found.end < len(head):
                    return orjson.loads(head[found.start : found.end])
        except (IndexError, ValueError):
            # The head ends in the middle of a member, or this is no JSON.
            return None
        return None


class EndsReader:
    """Watches such an answer; `read` finds the usage among its members. Implements `AnswerReader`.

    Nothing in it becomes output tokens.
    """

    __slots__ = ("_ends", "_read", "pending_bytes")

    def __init__(self, read: Callable[[JsonEnds], Reported | None]) -> None:
        self._ends = JsonEnds()
        self._read = read
        self.pending_bytes = 0

    def feed(self, data: bytes) -> None:
        self._ends.feed(data)
        self.pending_bytes += len(data)

    def digest(self) -> list[OutputPiece]:
        self.pending_bytes = 0
        return []

    def close(self) -> Reported | None:
        return self._read(self._ends)

    @property
    def so_far(self) -> Usage | None:
        return None

    @property
    def extra(self) -> Usage:
        return NOTHING

    def boundary(self, data: bytes, start: int) -> int:  # noqa: ARG002 (the protocol's)
        """Never: there is no place in a JSON object where an ending of ours could follow."""
        return -1

    def withdraw(self) -> None:
        """Nothing: what cannot be cut has no ending of ours."""

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""
