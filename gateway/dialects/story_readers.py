"""Readers of answers: a stream of documents, or one JSON document.

Both keep the bytes and parse late: most answers are judged by a glance at their end, and are
parsed as a whole only when somebody asks for the texts or the glance does not tell. What the
documents mean is the business of a story and a closing, one of each per format; this knows bytes
only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import orjson

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.sse import BOM, EVENT_BYTES_MAX, EventBuffer
from gateway.metering.usage import NOTHING, Usage

Tail = Callable[[int], bytes]
"""The end of what was fed and not yet read: at least so many bytes, or all."""

DONE = b"[DONE]"
# What is fed and never asked for is turned into its texts here: a tenth of the size.
UNREAD_BYTES_MAX = 8 * 1024 * 1024
# Where an answer's last members stand, whatever else there is in it.
TAIL_BYTES = 16 * 1024
# One JSON answer: hundreds of choices with spoken output stay below it.
JSON_BYTES_MAX = 64 * 1024 * 1024


class Story(Protocol):
    """What an answer has told so far."""

    @property
    def reported(self) -> Reported | None: ...

    @property
    def extra(self) -> Usage: ...

    def take_pieces(self) -> list[OutputPiece]:
        """The texts since the last time, which are forgotten here."""
        ...


class StreamStory(Story, Protocol):
    @property
    def so_far(self) -> Usage | None:
        """See `AnswerReader`; None in formats that report at their end."""
        ...

    def add(self, document: object) -> None:
        """The decoded data of one event; None for what is no JSON."""
        ...


class Closing(Protocol):
    """What the client has of a stream by now, and how it can be ended there."""

    def add(self, document: object) -> None: ...

    def end(self) -> None:
        """The stream's own terminator has passed."""
        ...

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes: ...


class Framing(Protocol):
    """How the documents of a stream stand in its bytes, which are kept until `take`."""

    @property
    def pending_bytes(self) -> int: ...

    def feed(self, data: bytes) -> None: ...

    def tail(self, size: int) -> bytes: ...

    def take(self, *, final: bool = False) -> Sequence[bytes]:
        """The documents that are complete; `final`: the stream is over."""
        ...

    def boundary(self, data: bytes, start: int) -> int:
        """As `AnswerReader.boundary`; what is before `start` was fed and taken."""
        ...

    def withdraw(self) -> None:
        """What was taken last was not relayed."""
        ...


class StreamReader:
    """Reads `text/event-stream`, or what another framing makes documents of. Implements
    `AnswerReader`."""

    __slots__ = ("_closed", "_closing", "_events", "_glance", "_latest", "_read_bytes", "_story")

    def __init__(
        self,
        story: StreamStory,
        closing: Closing,
        *,
        glance: Callable[[Tail], Reported | None],
        event_bytes_max: int = EVENT_BYTES_MAX,
        framing: Framing | None = None,
    ) -> None:
        """`glance`: what the end of the stream reports, if it can be read without the rest."""
        self._story = story
        self._closing = closing
        self._glance = glance
        self._events = EventBuffer(event_bytes_max=event_bytes_max) if framing is None else framing
        # What the last digest read, if that was one event: only such may turn out not to have been
        # relayed. Decoded, the many of a digest would be most of what an open stream takes.
        self._latest: list[object] = []
        # Bytes already parsed whose texts nobody has taken yet.
        self._read_bytes = 0
        self._closed = False

    @property
    def pending_bytes(self) -> int:
        return self._events.pending_bytes + self._read_bytes

    def feed(self, data: bytes) -> None:
        self._events.feed(data)
        if self._events.pending_bytes > UNREAD_BYTES_MAX:
            self._read()

    def digest(self) -> list[OutputPiece]:
        self._read()
        self._read_bytes = 0
        return self._story.take_pieces()

    def close(self) -> Reported | None:
        self._closed = True
        reported = self._glance(self._events.tail)
        if reported is None:
            self._read()
            reported = self._story.reported
        return reported

    @property
    def so_far(self) -> Usage | None:
        return self._story.so_far

    @property
    def extra(self) -> Usage:
        return self._story.extra

    def boundary(self, data: bytes, start: int) -> int:
        return self._events.boundary(data, start)

    def withdraw(self) -> None:
        self._latest = []
        self._events.withdraw()

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:
        self._close_in()
        return self._closing.ending(usage, include_usage=include_usage)

    def _read(self) -> None:
        """Move what is complete from bytes to story; once closed, the open end as well."""
        before = self._events.pending_bytes
        payloads = self._events.take(final=self._closed)
        self._read_bytes += before - self._events.pending_bytes
        self._close_in()
        self._latest = _documents(payloads)
        for document in self._latest:
            if document is not DONE:
                self._story.add(document)
        if len(self._latest) > 1:
            self._close_in()

    def _close_in(self) -> None:
        """The latest was relayed: whatever ends the stream from here on builds on it."""
        for document in self._latest:
            if document is DONE:
                self._closing.end()
            else:
                self._closing.add(document)
        self._latest = []


class JsonReader:
    """Reads `application/json`, and whatever else turns out to be JSON. Implements `AnswerReader`.

    `story` makes one of the decoded document; `glance`: what its bytes report, if that can be read
    without decoding all of them.
    """

    __slots__ = (
        "_body",
        "_bytes",
        "_glance",
        "_in_words",
        "_pieces",
        "_reported",
        "_story",
        "_story_of",
        "_unread",
        "pending_bytes",
    )

    def __init__(
        self,
        story: Callable[[object], Story],
        *,
        glance: Callable[[bytes], Reported | None] | None = None,
        in_words: bool = True,
    ) -> None:
        """`in_words`: what is no JSON was words all the same, and counts as what it is."""
        self._story_of = story
        self._glance = glance
        self._in_words = in_words
        self._pieces: list[bytes] = []
        self._bytes = 0
        # The whole answer, once it is over, and what was read of it if anybody asked.
        self._body: bytes | None = None
        self._story: Story | None = None
        self._unread = b""
        self._reported: Reported | None = None
        self.pending_bytes = 0

    def feed(self, data: bytes) -> None:
        self.pending_bytes += len(data)
        self._bytes += len(data)
        if self._bytes <= JSON_BYTES_MAX:
            self._pieces.append(data)
        else:
            self._pieces.clear()

    def digest(self) -> list[OutputPiece]:
        """Nothing before the end: half an object says nothing."""
        if self._body is None:
            return []
        self.pending_bytes = 0
        pieces = self._read().take_pieces()
        if self._unread:
            pieces.append(OutputPiece("unread", self._unread.decode("utf-8", "replace")))
            self._unread = b""
        return pieces

    def close(self) -> Reported | None:
        if self._body is None:
            self._body = b"".join(self._pieces).removeprefix(BOM)
            self._pieces.clear()
            reported = None if self._glance is None else self._glance(self._body)
            self._reported = self._read().reported if reported is None else reported
        return self._reported

    @property
    def so_far(self) -> Usage | None:
        """Nothing: half an object says nothing."""
        return None

    @property
    def extra(self) -> Usage:
        return NOTHING if self._story is None else self._story.extra

    def _read(self) -> Story:
        if self._story is None:
            document = decoded(self._body or b"")
            if document is None and self._in_words:
                self._unread = self._body or b""
            self._story = self._story_of(document)
        return self._story

    def withdraw(self) -> None:
        """Nothing is ever read before the end."""

    def boundary(self, data: bytes, start: int) -> int:  # noqa: ARG002 (the protocol's)
        """Never: there is no place in a JSON object where an ending of ours could follow."""
        return -1

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""


def decoded(text: bytes) -> object:
    """None for what is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def members_from(body: bytes, key: bytes) -> Mapping[str, object] | None:
    """The members of an object from its last `key` (quoted) on, if that one stands at the top
    level and near the end.

    It does if all that follows it reads as the rest of one object: deeper down, more than one
    brace would follow; and in a text its quotes would be escaped.
    """
    at = body.rfind(key)
    if at < 0 or len(body) - at > TAIL_BYTES or not body.startswith(b"{"):
        return None
    document = decoded(b"{" + body[at:])
    return document if isinstance(document, dict) else None


def _documents(payloads: Sequence[bytes]) -> list[object]:
    """Each payload decoded: DONE for the terminator, None for what is no JSON."""
    done = [at for at, text in enumerate(payloads) if text.startswith(DONE)]
    chunks = [text for text in payloads if not text.startswith(DONE)] if done else payloads
    documents = decoded(b"[%b]" % b",".join(chunks))
    # One parse for all is several times cheaper, but a broken one must not spoil its neighbours.
    if not isinstance(documents, list) or len(documents) != len(chunks):
        documents = [decoded(text) for text in chunks]
    return [*documents, DONE] if done else documents
