"""Readers of transcriptions: JSON, events, or plain text (`text`, `srt`, `vtt`).

Plain text reports nothing: what was heard is then as long as the uploaded file, and what is said of
it is counted. A file that claims less than its transcript can take to be spoken is not believed.
Source: OpenAI API reference, "Create transcription" (read 2026-11-26).
"""

import codecs
from collections.abc import Mapping
from math import ceil

from gateway.dialects.base import AnswerReader, OutputPiece, Reported
from gateway.dialects.openai_transcription_usage import read_seconds, read_tokens
from gateway.dialects.passing import NeverCut, no_glance
from gateway.dialects.story_readers import JsonReader, StreamReader
from gateway.metering.call import Call
from gateway.metering.usage import NOTHING, Usage

# Nobody speaks faster: fifteen are usual, the fastest stay below thirty.
CHARACTERS_PER_S_MAX = 50


def stream_reader(call: Call) -> AnswerReader:
    return StreamReader(Transcript(call), NeverCut(), glance=no_glance)


def json_reader(call: Call) -> AnswerReader:
    def tell(document: object) -> Transcript:
        transcript = Transcript(call)
        transcript.add(document)
        return transcript

    return JsonReader(tell, in_words=False)


class Transcript:
    """What was told of it. Implements `StreamStory`; a whole answer is like a last event."""

    __slots__ = ("_call", "_characters", "_in_parts", "_texts", "reported")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._texts: list[str] = []
        self._characters = 0
        # Its text has come in parts: the whole at the end says them again.
        self._in_parts = False
        self.reported: Reported | None = None

    @property
    def so_far(self) -> Usage | None:
        """Nothing: it is told at the end."""
        return None

    @property
    def extra(self) -> Usage:
        return more_seconds(self._call, self._characters)

    def take_pieces(self) -> list[OutputPiece]:
        pieces = [OutputPiece("text", "".join(self._texts))] if self._texts else []
        self._texts = []
        return pieces

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        kind = document.get("type")
        if kind == "transcript.text.delta":
            self._say(document.get("delta"))
        elif kind != "transcript.text.segment" and not self._in_parts:
            self._say(document.get("text"))
        self._in_parts = self._in_parts or kind == "transcript.text.delta"
        reported = self._read(document)
        self.reported = reported or self.reported

    def _read(self, document: Mapping[str, object]) -> Reported | None:
        if self._call.counts_tokens:
            return read_tokens(document)
        seconds = read_seconds(document)
        if seconds is not None:
            return seconds
        # Sold by the second and told in tokens: those are kept, ours are charged.
        tokens = read_tokens(document)
        if tokens is None:
            return None
        return Reported(tokens.usage + Usage(pieces=self._call.owed), tokens.unmapped)

    def _say(self, text: object) -> None:
        if isinstance(text, str) and text:
            self._texts.append(text)
            self._characters += len(text)


class TextReader:
    """Reads plain text. Implements `AnswerReader`."""

    __slots__ = ("_call", "_characters", "_decoder", "_new", "pending_bytes")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._new: list[bytes] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._characters = 0
        self.pending_bytes = 0

    def feed(self, data: bytes) -> None:
        self._new.append(data)
        self.pending_bytes += len(data)

    def digest(self) -> list[OutputPiece]:
        text = self._decoder.decode(b"".join(self._new))
        self._new.clear()
        self.pending_bytes = 0
        self._characters += len(text)
        return [OutputPiece("text", text)] if text else []

    def close(self) -> Reported | None:
        """Nothing: a text says nothing of its price."""
        return None

    @property
    def so_far(self) -> Usage | None:
        return None

    @property
    def extra(self) -> Usage:
        return more_seconds(self._call, self._characters)

    def boundary(self, data: bytes, start: int) -> int:  # noqa: ARG002 (the protocol's)
        return -1

    def withdraw(self) -> None:
        """Nothing: it is never cut."""

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""


def more_seconds(call: Call, characters: int) -> Usage:
    """Seconds that it takes to speak so many characters, beyond those that are owed anyway."""
    owed = sum(count for name, count in call.owed if name == "audio_second")
    more = ceil(characters / CHARACTERS_PER_S_MAX) - owed
    if call.counts_tokens or more <= 0:
        return NOTHING
    return Usage(pieces=(("audio_second", more),))
