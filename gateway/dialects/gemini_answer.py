"""Readers of Gemini's answers: events, a JSON array that grows, or one JSON object; and what ends
the former two.

What each field means is `gemini_story.py`'s and `gemini_usage.py`'s business.
"""

import orjson

from gateway.dialects.base import AnswerReader, Reported
from gateway.dialects.gemini_story import Story, candidate_index
from gateway.dialects.gemini_usage import write_usage
from gateway.dialects.json_array import ElementBuffer, Phase
from gateway.dialects.story_readers import JsonReader, StreamReader, Tail
from gateway.metering.call import Call
from gateway.metering.usage import Usage

EVENT_STREAM = "text/event-stream"
_HEADER = ("modelVersion", "responseId")


def answer_reader(call: Call, *, content_type: str) -> AnswerReader:
    if content_type == EVENT_STREAM:
        return event_reader(call)
    return element_reader(call) if call.stream else json_reader(call)


def event_reader(call: Call) -> AnswerReader:
    """`?alt=sse`: a response an event, and nothing that ends them."""
    return StreamReader(Story(call), EventClosing(call), glance=_nothing)


def element_reader(call: Call) -> AnswerReader:
    """Without it: an array whose elements are the responses."""
    elements = ElementBuffer()
    closing = ElementClosing(call, elements)
    return StreamReader(Story(call), closing, glance=_nothing, framing=elements)


def json_reader(call: Call) -> AnswerReader:
    def tell(document: object) -> Story:
        story = Story(call)
        story.add(document)
        story.end()
        return story

    return JsonReader(tell)


def _nothing(_: Tail) -> Reported | None:
    """Responses are few, and each may tell of searches: the last alone does not do."""
    return None


class LastResponse:
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

    def written(self, usage: Usage, *, include_usage: bool) -> bytes:
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


class EventClosing:
    """Implements `Closing`."""

    __slots__ = ("_last", "add")

    def __init__(self, call: Call) -> None:
        self._last = LastResponse(call)
        self.add = self._last.add

    def end(self) -> None:
        """These streams have no terminator."""

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes:
        response = self._last.written(usage, include_usage=include_usage)
        return b"data: %b\r\n\r\n" % response if response else b""


class ElementClosing:
    """Implements `Closing`."""

    __slots__ = ("_elements", "_last", "add")

    def __init__(self, call: Call, elements: ElementBuffer) -> None:
        self._elements = elements
        self._last = LastResponse(call)
        self.add = self._last.add

    def end(self) -> None:
        """The array's own end is seen by its brackets."""

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes:
        response = self._last.written(usage, include_usage=include_usage)
        match self._elements.relayed:
            case Phase.CLOSED:
                return b""
            case Phase.BEFORE:
                return b"[%b]\n" % response
            case Phase.OPENED | Phase.COMMA:
                return b"%b\n]\n" % response
            case Phase.AFTER | Phase.INSIDE:
                return b",\r\n%b\n]\n" % response if response else b"\n]\n"
