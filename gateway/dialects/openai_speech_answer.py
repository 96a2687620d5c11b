"""Readers of spoken answers: sound as it is, or events that carry it.

What nobody reports is counted: a token for each 50 ms of sound that was relayed. Where speech is
sold by the character the whole input is owed as soon as the provider has it, however much of the
answer was heard. Sources: OpenAI API reference, "Create speech", events `speech.audio.delta` and
`speech.audio.done`; "Managing costs" in OpenAI's realtime guide (read 2026-11-26).
"""

import binascii
from math import ceil

from gateway.dialects.base import AnswerReader, OutputPiece, Reported
from gateway.dialects.openai_speech_usage import read_usage
from gateway.dialects.passing import NeverCut, no_glance
from gateway.dialects.sound_stream import SoundStream
from gateway.dialects.story_readers import StreamReader
from gateway.metering.call import Call
from gateway.metering.usage import NOTHING, Usage

TOKENS_PER_S = 20
RAW_FORMAT = "pcm"


def stream_reader(call: Call) -> AnswerReader:
    return StreamReader(SpeechStory(call), NeverCut(), glance=no_glance)


class SpeechStory:
    """What the events have told. Implements `StreamStory`."""

    __slots__ = ("_call", "_sound", "reported")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._sound = _sound(call)
        self.reported: Reported | None = None

    @property
    def so_far(self) -> Usage | None:
        """Nothing: it is told at the end."""
        return None

    @property
    def extra(self) -> Usage:
        return _spoken(self._call, self._sound)

    def take_pieces(self) -> list[OutputPiece]:
        """None of it is text."""
        return []

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        data = document.get("audio")
        if isinstance(data, str):
            self._sound.feed(_decoded(data))
        reported = read_usage(document.get("usage"))
        if reported is not None:
            self.reported = _with_characters(self._call, reported)


class SoundReader:
    """Reads sound that comes as it is. Implements `AnswerReader`."""

    __slots__ = ("_call", "_new", "_sound", "pending_bytes")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._sound = _sound(call)
        self._new: list[bytes] = []
        self.pending_bytes = 0

    def feed(self, data: bytes) -> None:
        self._new.append(data)
        self.pending_bytes += len(data)

    def digest(self) -> list[OutputPiece]:
        for data in self._new:
            self._sound.feed(data)
        self._new.clear()
        self.pending_bytes = 0
        return []

    def close(self) -> Reported | None:
        """Nothing: sound says nothing of its price."""
        return None

    @property
    def so_far(self) -> Usage | None:
        return None

    @property
    def extra(self) -> Usage:
        return _spoken(self._call, self._sound)

    def boundary(self, data: bytes, start: int) -> int:  # noqa: ARG002 (the protocol's)
        """Never: an ending of ours could not be heard."""
        return -1

    def withdraw(self) -> None:
        """Nothing: it is never cut."""

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        return b""


def _sound(call: Call) -> SoundStream:
    return SoundStream(raw=call.document.get("response_format") == RAW_FORMAT)


def _spoken(call: Call, sound: SoundStream) -> Usage:
    if not call.counts_tokens:
        return NOTHING
    return Usage(output_audio=ceil(sound.seconds * TOKENS_PER_S))


def _with_characters(call: Call, reported: Reported) -> Reported:
    """Where the card sells by the character, these are charged beside what is reported."""
    return Reported(reported.usage + Usage(pieces=call.owed), reported.unmapped)


def _decoded(data: str) -> bytes:
    try:
        return binascii.a2b_base64(data)
    except (binascii.Error, ValueError):
        return b""
