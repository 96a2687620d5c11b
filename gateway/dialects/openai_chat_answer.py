"""Readers of chat answers: an event stream, or one JSON object.

Both keep the bytes and parse late. A stream that ends with its usage event is judged by its
tail alone; everything is parsed only when somebody asks for the texts, or when the tail does
not tell. What each vendor field means is `openai_usage.py`'s and `openai_chat_story.py`'s
business.
"""

import re

import orjson

from gateway.dialects.base import OutputPiece
from gateway.dialects.openai_chat_story import Story
from gateway.dialects.openai_usage import read_usage, write_usage
from gateway.dialects.sse import BOM, EventBuffer, payload
from gateway.metering.call import Call
from gateway.metering.usage import Usage

DONE = b"[DONE]"
# A usage event with all its details takes less than 1 KB, but the last chunk may carry text.
TAIL_BYTES = 16 * 1024
# The terminator's line, with room for trailing line ends.
DONE_LINE_BYTES = 64
# What is fed and never asked for is turned into its texts here: a tenth of the size.
UNREAD_BYTES_MAX = 8 * 1024 * 1024
# One JSON answer: hundreds of choices with spoken output stay below it.
JSON_BYTES_MAX = 64 * 1024 * 1024

# Inside a JSON string these quotes would be escaped, so both match keys only.
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_DONE_LINE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]\s*$")
_LINE_END = re.compile(rb"[\r\n]|$")


class StreamReader:
    """Reads `text/event-stream`."""

    __slots__ = ("_call", "_closed", "_ended", "_events", "_read_bytes", "_story")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._events = EventBuffer()
        self._story = Story()
        # Bytes already parsed whose texts nobody has taken yet.
        self._read_bytes = 0
        self._closed = False
        self._ended = False

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

    def close(self) -> Usage | None:
        self._closed = True
        tail = self._events.tail(TAIL_BYTES)
        # With one choice, its finish reason says as much as the terminator.
        self._ended = bool(
            _DONE_LINE.search(tail[-DONE_LINE_BYTES:])
            or (self._call.choices == 1 and _FINISH.search(tail))
        )
        usage = _last_usage(tail)
        if usage is None:
            self._read()
            usage = self._story.usage
        return read_usage(usage)

    @property
    def finished(self) -> bool:
        if self._ended:
            return True
        # A choice may have begun in what was not parsed yet.
        self._read()
        return self._story.finished

    @property
    def extra_tokens(self) -> int:
        return self._story.extra_tokens

    @property
    def at_boundary(self) -> bool:
        return self._events.at_boundary

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:
        """Told with the stream's own id, model and time. Nothing after a `[DONE]`."""
        if self._story.done:
            return b""
        seen = self._story.open_choices
        cut = [
            index for index in sorted({*range(self._call.choices), *seen}) if seen.get(index, True)
        ]
        chunks = [
            self._chunk(
                [{"index": index, "delta": {}, "logprobs": None, "finish_reason": "length"}]
            )
            for index in cut
        ]
        if include_usage:
            for chunk in chunks:
                chunk["usage"] = None
            if not self._story.usage_told:
                chunks.append(self._chunk([]) | {"usage": write_usage(usage)})
        lines = [orjson.dumps(chunk) for chunk in chunks]
        return b"".join(b"data: %b\n\n" % line for line in (*lines, DONE))

    def _chunk(self, choices: list[dict[str, object]]) -> dict[str, object]:
        header = {"id": "", "object": "chat.completion.chunk", "created": 0}
        return header | {"model": self._call.model} | self._story.header | {"choices": choices}

    def _read(self) -> None:
        """Move what is complete from bytes to story; once closed, the open end as well."""
        before = self._events.pending_bytes
        payloads = self._events.take(final=self._closed)
        self._read_bytes += before - self._events.pending_bytes
        story = self._story
        for document in _documents(payloads):
            if document is DONE:
                story.done = True
            else:
                story.add(document, part="delta")


class JsonReader:
    """Reads `application/json`, and whatever else turns out to be JSON."""

    __slots__ = ("_bytes", "_closed", "_pieces", "_story", "finished", "pending_bytes")

    def __init__(self, *, audio_format: str) -> None:
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._story = Story(audio_format=audio_format)
        self._closed = False
        self.finished = False
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
        if self._closed:
            self.pending_bytes = 0
        return self._story.take_pieces()

    def close(self) -> Usage | None:
        if not self._closed:
            self._closed = True
            document = _decoded(b"".join(self._pieces).removeprefix(BOM))
            self._pieces.clear()
            self.finished = isinstance(document, dict)
            self._story.add(document, part="message")
        return read_usage(self._story.usage)

    @property
    def extra_tokens(self) -> int:
        return self._story.extra_tokens

    @property
    def at_boundary(self) -> bool:
        """Never: there is no place in a JSON object where an ending of ours could follow."""
        return False

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""


def _last_usage(tail: bytes) -> object:
    """The last usage object among these bytes, if it can be read without cutting events."""
    at = tail.rfind(b'"usage":{')
    at = max(at, tail.rfind(b'"usage": {', max(at, 0)))
    if at < 0:
        at = max((found.start() for found in _USAGE.finditer(tail)), default=-1)
    if at < 0:
        return None
    begin = max(tail.rfind(b"\n", 0, at), tail.rfind(b"\r", 0, at)) + 1
    end = _LINE_END.search(tail, at)
    document = _decoded(payload(tail[begin : end.start() if end else None]) or b"")
    usage = document.get("usage") if isinstance(document, dict) else None
    return usage if isinstance(usage, dict) else None


def _documents(payloads: list[bytes]) -> list[object]:
    """Each payload decoded: DONE for the terminator, None for what is no JSON."""
    done = [at for at, text in enumerate(payloads) if text.startswith(DONE)]
    chunks = [text for text in payloads if not text.startswith(DONE)] if done else payloads
    documents = _decoded(b"[%b]" % b",".join(chunks))
    # One parse for all is several times cheaper, but a broken one must not spoil its neighbours.
    if not isinstance(documents, list) or len(documents) != len(chunks):
        documents = [_decoded(text) for text in chunks]
    return [*documents, DONE] if done else documents


def _decoded(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
