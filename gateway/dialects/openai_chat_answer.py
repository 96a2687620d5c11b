"""Readers of chat answers, and what ends their streams.

A stream that ends with its usage event is judged by its tail alone, and so is a JSON answer. What
each vendor field means is `openai_usage.py`'s and `openai_chat_story.py`'s business.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import orjson

from gateway.dialects.base import AnswerReader, Reported
from gateway.dialects.openai_chat_prompt import under_schema
from gateway.dialects.openai_chat_search import made_searches, may_name_a_searcher
from gateway.dialects.openai_chat_story import PiecesOf, Story, choice_index, no_pieces
from gateway.dialects.openai_usage import read_answer, usage_in, write_usage
from gateway.dialects.sse import line_around, payload
from gateway.dialects.story_readers import (
    DONE,
    TAIL_BYTES,
    JsonReader,
    StreamReader,
    Tail,
    decoded,
    members_from,
)
from gateway.metering.call import Call
from gateway.metering.usage import Usage

# A usage event with all its details takes less than 1 KB, but the last chunk may carry text: what
# is not in the near tail may be in the longer one.
NEAR_TAIL_BYTES = 2 * 1024

# Inside a JSON string these quotes would be escaped, so it matches keys only.
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_HEADER = ("id", "created", "model", "service_tier", "system_fingerprint")


def stream_reader(call: Call) -> AnswerReader:
    pieces = partial(made_searches, call)
    return StreamReader(
        Story(under_schema=under_schema(call.document), pieces=pieces),
        ChoicesClosing(call.model, call.choices, CHAT),
        glance=partial(last_chunk, pieces=pieces),
    )


def json_reader(call: Call) -> AnswerReader:
    return JsonReader(partial(_story, call), glance=partial(_glance, call))


def _story(call: Call, document: object) -> Story:
    story = Story(
        part="message",
        audio_format=_audio_format(call),
        under_schema=under_schema(call.document),
        pieces=partial(made_searches, call),
    )
    story.add(document)
    return story


def _glance(call: Call, body: bytes) -> Reported | None:
    # The model's name stands before the members that a glance sees.
    if may_name_a_searcher(body):
        return None
    return last_members(body, pieces=partial(made_searches, call))


@dataclass(frozen=True, slots=True)
class ChunkForm:
    """What the chunks of a format are called, and how a choice in them says nothing."""

    name: str
    silence: Mapping[str, object]


CHAT = ChunkForm("chat.completion.chunk", {"delta": {}})


class ChoicesClosing:
    """Ends a stream with finish reason `length` for each choice still open.

    Told with the stream's own id, model and time. Implements `Closing`.
    """

    def __init__(self, model: str, choices: int, form: ChunkForm) -> None:
        self._model = model
        self._form = form
        self._header: dict[str, object] = {}
        # Every choice seen, and whether it still lacks a finish reason.
        self._open: dict[int, bool] = dict.fromkeys(range(choices), True)
        # A usage event of its own has passed.
        self._usage_told = False
        self._done = False

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        if not self._header and "id" in document:
            self._header = {name: document[name] for name in _HEADER if name in document}
        choices = document.get("choices")
        if choices == [] and isinstance(document.get("usage"), dict):
            self._usage_told = True
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._add_choice(choice)

    def _add_choice(self, choice: Mapping[str, object]) -> None:
        index = choice_index(choice)
        if choice.get("finish_reason") is not None:
            self._open[index] = False
        else:
            self._open.setdefault(index, True)

    def end(self) -> None:
        self._done = True

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes:
        """Nothing after a `[DONE]`."""
        if self._done:
            return b""
        said = dict(self._form.silence)
        chunks = [
            self._chunk([{"index": index, **said, "logprobs": None, "finish_reason": "length"}])
            for index, is_open in sorted(self._open.items())
            if is_open
        ]
        if include_usage:
            for chunk in chunks:
                chunk["usage"] = None
            if not self._usage_told:
                chunks.append(self._chunk([]) | {"usage": write_usage(usage)})
        lines = [orjson.dumps(chunk) for chunk in chunks]
        return b"".join(b"data: %b\n\n" % line for line in (*lines, DONE))

    def _chunk(self, choices: list[dict[str, object]]) -> dict[str, object]:
        header = {"id": "", "object": self._form.name, "created": 0}
        return header | {"model": self._model} | self._header | {"choices": choices}


def last_chunk(tail: Tail, *, pieces: PiecesOf = no_pieces) -> Reported | None:
    """What the last chunk with a usage reports, if it can be read without cutting events.

    `pieces`: what is used for the answer that a chunk is of.
    """
    chunk = _last_with_usage(tail(NEAR_TAIL_BYTES))
    if chunk is None:
        chunk = _last_with_usage(tail(TAIL_BYTES))
    return None if chunk is None else read_answer(chunk, pieces=pieces(chunk))


def last_members(body: bytes, *, pieces: PiecesOf = no_pieces) -> Reported | None:
    """What an answer's members from its last "usage" on report. A service tier may stand before."""
    document = members_from(body, b'"usage"')
    if document is None or body.find(b'"service_tier"', 0, body.rfind(b'"usage"')) >= 0:
        return None
    return read_answer(document, pieces=pieces(document))


def _last_with_usage(tail: bytes) -> Mapping[str, object] | None:
    at = tail.rfind(b'"usage":{')
    at = max(at, tail.rfind(b'"usage": {', max(at, 0)))
    if at < 0:
        at = max((found.start() for found in _USAGE.finditer(tail)), default=-1)
    if at < 0:
        return None
    document = decoded(payload(line_around(tail, at)) or b"")
    return document if isinstance(document, dict) and usage_in(document) is not None else None


def _audio_format(call: Call) -> str:
    audio = call.document.get("audio")
    named = audio.get("format") if isinstance(audio, dict) else None
    return named if isinstance(named, str) else "wav"
