"""Readers of chat answers: an event stream, or one JSON object.

Both keep the bytes and parse late. A stream that ends with its usage event is judged by its
tail alone; everything is parsed only when somebody asks for the texts, or when the tail does
not tell. What each vendor field means is `openai_usage.py`'s and `openai_chat_story.py`'s
business.
"""

import re

import orjson

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.openai_chat_story import Story
from gateway.dialects.openai_usage import read_usage, write_usage
from gateway.dialects.sse import BOM, EventBuffer, first_event_end, payload
from gateway.metering.call import Call
from gateway.metering.usage import NOTHING, Usage

DONE = b"[DONE]"
# A usage event with all its details takes less than 1 KB, but the last chunk may carry text: what
# is not in the near tail may be in the longer one.
NEAR_TAIL_BYTES = 2 * 1024
TAIL_BYTES = 16 * 1024
# What is fed and never asked for is turned into its texts here: a tenth of the size.
UNREAD_BYTES_MAX = 8 * 1024 * 1024
# One JSON answer: hundreds of choices with spoken output stay below it.
JSON_BYTES_MAX = 64 * 1024 * 1024

# Inside a JSON string these quotes would be escaped, so it matches keys only.
_USAGE = re.compile(rb'"usage"\s*:\s*\{')


class StreamReader:
    """Reads `text/event-stream`."""

    __slots__ = ("_call", "_closed", "_events", "_read_bytes", "_story")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._events = EventBuffer()
        self._story = Story()
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
        usage = _last_usage(self._events.tail(NEAR_TAIL_BYTES))
        if usage is None:
            usage = _last_usage(self._events.tail(TAIL_BYTES))
        if usage is None:
            self._read()
            usage = self._story.usage
        return read_usage(usage)

    @property
    def so_far(self) -> Usage | None:
        """Nothing: this format reports at its end."""
        return None

    @property
    def extra(self) -> Usage:
        return self._story.extra

    def boundary(self, data: bytes, start: int) -> int:
        return first_event_end(data, start)

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

    __slots__ = ("_body", "_bytes", "_call", "_pieces", "_reported", "_story", "pending_bytes")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._pieces: list[bytes] = []
        self._bytes = 0
        # The whole answer, once it is over, and what was read of it if anybody asked.
        self._body: bytes | None = None
        self._story: Story | None = None
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
        return self._read().take_pieces()

    def close(self) -> Reported | None:
        if self._body is None:
            self._body = b"".join(self._pieces).removeprefix(BOM)
            self._pieces.clear()
            last = _last_members(self._body)
            self._reported = read_usage(self._read().usage if last is None else last["usage"])
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
            self._story = Story(audio_format=_audio_format(self._call))
            self._story.add(_decoded(self._body or b""), part="message")
        return self._story

    def boundary(self, data: bytes, start: int) -> int:  # noqa: ARG002 (the protocol's)
        """Never: there is no place in a JSON object where an ending of ours could follow."""
        return -1

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""


def _last_members(body: bytes) -> dict[str, object] | None:
    """An answer's members from its last "usage" on, if that one stands at the top level.

    It does if all that follows it reads as the rest of one object: deeper down, more than one
    brace would follow; and in a text its quotes would be escaped.
    """
    at = body.rfind(b'"usage"')
    if at < 0 or len(body) - at > TAIL_BYTES or not body.startswith(b"{"):
        return None
    document = _decoded(b"{" + body[at:])
    return document if isinstance(document, dict) else None


def _audio_format(call: Call) -> str:
    audio = call.document.get("audio")
    named = audio.get("format") if isinstance(audio, dict) else None
    return named if isinstance(named, str) else "wav"


def _last_usage(tail: bytes) -> object:
    """The last usage object among these bytes, if it can be read without cutting events."""
    at = tail.rfind(b'"usage":{')
    at = max(at, tail.rfind(b'"usage": {', max(at, 0)))
    if at < 0:
        at = max((found.start() for found in _USAGE.finditer(tail)), default=-1)
    if at < 0:
        return None
    begin = tail.rfind(b"\n", 0, at) + 1
    begin = max(begin, tail.rfind(b"\r", begin, at) + 1)
    # Here `find` is many times faster than a pattern for either line end.
    line = tail[begin:].partition(b"\n")[0].partition(b"\r")[0]
    document = _decoded(payload(line) or b"")
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
