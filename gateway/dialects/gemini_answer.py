"""Readers of Gemini's answers: events, a JSON array that grows, or one JSON object; and what ends
the former two.

All keep the bytes and parse late. What each field means is `gemini_story.py`'s and
`gemini_usage.py`'s business.
"""

from collections.abc import Sequence
from typing import Protocol

import orjson

from gateway.dialects.base import AnswerReader, OutputPiece, Reported
from gateway.dialects.gemini_story import Story, candidate_index
from gateway.dialects.gemini_usage import write_usage
from gateway.dialects.json_array import ElementBuffer, Phase, step
from gateway.dialects.sse import EventBuffer, first_event_end
from gateway.dialects.story_readers import JsonReader, decoded
from gateway.metering.call import Call
from gateway.metering.usage import Usage

EVENT_STREAM = "text/event-stream"
_HEADER = ("modelVersion", "responseId")


def answer_reader(call: Call, *, content_type: str) -> AnswerReader:
    if content_type == EVENT_STREAM:
        return StreamReader(call, Events())
    return StreamReader(call, Elements()) if call.stream else json_reader(call)


def json_reader(call: Call) -> AnswerReader:
    def tell(document: object) -> Story:
        story = Story(call)
        story.add(document)
        story.end()
        return story

    return JsonReader(tell)


class Framing(Protocol):
    """How the responses of a stream stand in its bytes."""

    @property
    def pending_bytes(self) -> int: ...

    def feed(self, data: bytes) -> None: ...

    def take(self, *, final: bool = False) -> Sequence[bytes]:
        """The responses that are complete, as JSON; they are forgotten here."""
        ...

    def boundary(self, data: bytes, start: int) -> int:
        """As `AnswerReader.boundary`."""
        ...

    def withdraw(self) -> None:
        """What was taken last was not relayed."""
        ...

    def ending(self, response: bytes) -> bytes:
        """This last response, and what closes the stream; an empty one only closes it."""
        ...


class Events:
    """`?alt=sse`: a response an event, and nothing that ends them. Implements `Framing`."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = EventBuffer()

    @property
    def pending_bytes(self) -> int:
        return self._buffer.pending_bytes

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def take(self, *, final: bool = False) -> Sequence[bytes]:
        return self._buffer.take(final=final)

    def boundary(self, data: bytes, start: int) -> int:
        return first_event_end(data, start)

    def withdraw(self) -> None:
        """Nothing: an event may follow wherever another could."""

    def ending(self, response: bytes) -> bytes:
        return b"data: %b\r\n\r\n" % response if response else b""


class Elements:
    """Without it: an array whose elements are the responses. Implements `Framing`."""

    __slots__ = ("_before", "_buffer", "_relayed")

    def __init__(self) -> None:
        self._buffer = ElementBuffer()
        # How far the array has come for the client, and before what was taken last.
        self._relayed = self._before = Phase.BEFORE

    @property
    def pending_bytes(self) -> int:
        return self._buffer.pending_bytes

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def take(self, *, final: bool = False) -> Sequence[bytes]:
        self._before = self._relayed
        elements = self._buffer.take(final=final)
        self._relayed = self._buffer.place.phase
        return elements

    def boundary(self, data: bytes, start: int) -> int:
        return step(data, start, self._buffer.place).end

    def withdraw(self) -> None:
        self._relayed = self._before

    def ending(self, response: bytes) -> bytes:
        match self._relayed:
            case Phase.CLOSED:
                return b""
            case Phase.BEFORE:
                return b"[%b]\n" % response
            case Phase.OPENED | Phase.COMMA:
                return b"%b\n]\n" % response
            case Phase.AFTER | Phase.INSIDE:
                return b",\r\n%b\n]\n" % response if response else b"\n]\n"


class Closing:
    """What the client has of a stream by now, and the response that ends it there."""

    __slots__ = ("_header", "_model", "_open")

    def __init__(self, call: Call) -> None:
        self._model = call.model
        self._header: dict[str, object] = {}
        # Every candidate seen or to come, and whether it still lacks a finish reason.
        self._open = dict.fromkeys(range(call.choices), True)

    def add(self, response: object) -> None:
        if not isinstance(response, dict):
            return
        self._header |= {name: response[name] for name in _HEADER if name in response}
        candidates = response.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                index = candidate_index(candidate)
                finished = bool(candidate.get("finishReason"))
                self._open[index] = self._open.get(index, True) and not finished

    def response(self, usage: Usage, *, include_usage: bool) -> bytes:
        """Told with the stream's own id and model; empty when every candidate has ended."""
        cut = [index for index, is_open in sorted(self._open.items()) if is_open]
        if not cut:
            return b""
        candidates = [
            {
                "content": {"parts": [{"text": ""}], "role": "model"},
                "finishReason": "MAX_TOKENS",
                "index": index,
            }
            for index in cut
        ]
        told = {"usageMetadata": write_usage(usage)} if include_usage else {}
        header = {"modelVersion": self._model} | self._header
        return orjson.dumps({"candidates": candidates, **told, **header})


class StreamReader:
    """Reads what streamGenerateContent answers. Implements `AnswerReader`."""

    __slots__ = ("_closed", "_closing", "_framing", "_latest", "_read_bytes", "_story")

    def __init__(self, call: Call, framing: Framing) -> None:
        self._framing = framing
        self._story = Story(call)
        self._closing = Closing(call)
        # What the last digest read: it may yet turn out not to have been relayed.
        self._latest: list[object] = []
        # Bytes already parsed whose texts nobody has taken yet.
        self._read_bytes = 0
        self._closed = False

    @property
    def pending_bytes(self) -> int:
        return self._framing.pending_bytes + self._read_bytes

    def feed(self, data: bytes) -> None:
        self._framing.feed(data)

    def digest(self) -> list[OutputPiece]:
        self._read()
        self._read_bytes = 0
        return self._story.take_pieces()

    def close(self) -> Reported | None:
        """None for an answer that did not come to its end: what it had told is `so_far`."""
        self._closed = True
        self._read()
        return self._story.reported

    @property
    def so_far(self) -> Usage | None:
        """Every response tells the whole prompt, and what was produced up to it."""
        return self._story.so_far

    @property
    def extra(self) -> Usage:
        return self._story.extra

    def boundary(self, data: bytes, start: int) -> int:
        return self._framing.boundary(data, start)

    def withdraw(self) -> None:
        self._latest = []
        self._framing.withdraw()

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:
        self._close_in()
        return self._framing.ending(self._closing.response(usage, include_usage=include_usage))

    def _read(self) -> None:
        """Move what is complete from bytes to story; once closed, the open end as well."""
        before = self._framing.pending_bytes
        responses = self._framing.take(final=self._closed)
        self._read_bytes += before - self._framing.pending_bytes
        self._close_in()
        self._latest = [decoded(response) for response in responses]
        for response in self._latest:
            self._story.add(response)

    def _close_in(self) -> None:
        """The latest was relayed: whatever ends the stream from here on builds on it."""
        for response in self._latest:
            self._closing.add(response)
        self._latest = []
