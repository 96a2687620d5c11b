"""Readers of what is answered in a realtime session: a response, or a transcription.

Fed with the events that belong to it, one frame at a time; each frame is an event, so nothing is
ever pending. What else a session tells is `openai_realtime.py`'s business.
"""

from collections.abc import Mapping

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.openai_chat_prompt import TOOL_CALL_TOKENS
from gateway.dialects.openai_realtime import decoded, kind, text_at
from gateway.dialects.openai_realtime_usage import read_response_usage, read_transcription_usage
from gateway.metering.usage import NOTHING, Usage

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
NOT_TRANSCRIBED = "conversation.item.input_audio_transcription.failed"

_SPOKEN = ("response.output_audio.delta", "response.audio.delta")
_WRITTEN = (
    "response.output_text.delta",
    "response.text.delta",
    "response.output_audio_transcript.delta",
    "response.audio_transcript.delta",
    "response.function_call_arguments.delta",
    "response.mcp_call_arguments.delta",
)


class ResponseReader:
    """Implements `AnswerReader` for one response; fed with its events, one at a time, undecoded."""

    __slots__ = ("_call_ids", "_reported", "_spoken_chars", "_spoken_chars_per_token", "_texts")

    pending_bytes = 0
    so_far = None

    def __init__(self, spoken_chars_per_token: int) -> None:
        self._spoken_chars_per_token = spoken_chars_per_token
        self._spoken_chars = 0
        self._texts: dict[str, list[str]] = {}
        self._call_ids: set[str] = set()
        self._reported: Reported | None = None

    def feed(self, data: bytes) -> None:
        self.take(decoded(data))

    def take(self, event: Mapping[str, object]) -> None:
        named = kind(event)
        if named in _SPOKEN:
            self._spoken_chars += len(text_at(event, "delta"))
        elif named in _WRITTEN:
            stream = f"{text_at(event, 'item_id')}.{named}"
            self._texts.setdefault(stream, []).append(text_at(event, "delta"))
        elif named == "response.output_item.added":
            self._begin(event.get("item"))
        elif named == "response.done":
            response = event.get("response")
            usage = response.get("usage") if isinstance(response, dict) else None
            self._reported = read_response_usage(usage)

    def _begin(self, item: object) -> None:
        if isinstance(item, dict) and item.get("type") == "function_call":
            self._call_ids.add(text_at(item, "id"))
            self._texts.setdefault(f"{text_at(item, 'id')}.name", []).append(text_at(item, "name"))

    def digest(self) -> list[OutputPiece]:
        pieces = [OutputPiece(stream, "".join(texts)) for stream, texts in self._texts.items()]
        self._texts = {}
        return pieces

    def close(self) -> Reported | None:
        return self._reported

    @property
    def extra(self) -> Usage:
        return Usage(
            output_text=len(self._call_ids) * TOOL_CALL_TOKENS,
            output_audio=-(-self._spoken_chars // self._spoken_chars_per_token),
        )

    def boundary(self, data: bytes, start: int) -> int:
        """Frames are events: each ends where it ends."""
        return len(data) if len(data) > start else -1

    def withdraw(self) -> None:
        """Nothing to take back: no ending is built here."""

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        """Nothing: the session asks the provider to cancel, which ends the response."""
        return b""


class TranscriptionReader:
    """Implements `AnswerReader` for the transcription of one item: only its last event counts."""

    __slots__ = ("_reported", "_text")

    pending_bytes = 0
    so_far = None
    extra = NOTHING

    def __init__(self) -> None:
        self._reported: Reported | None = None
        self._text = ""

    def feed(self, data: bytes) -> None:
        self.take(decoded(data))

    def take(self, event: Mapping[str, object]) -> None:
        if kind(event) == TRANSCRIBED:
            self._reported = read_transcription_usage(event.get("usage"))
            self._text = text_at(event, "transcript")

    def digest(self) -> list[OutputPiece]:
        text, self._text = self._text, ""
        return [OutputPiece("transcript", text)] if text else []

    def close(self) -> Reported | None:
        return self._reported

    def boundary(self, data: bytes, start: int) -> int:
        """As `ResponseReader`."""
        return len(data) if len(data) > start else -1

    def withdraw(self) -> None:
        """As `ResponseReader`."""

    def ending(self, *, usage: Usage, include_usage: bool) -> bytes:  # noqa: ARG002 (the protocol's)
        """As `ResponseReader`."""
        return b""
