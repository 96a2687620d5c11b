"""What a Gemini answer has told so far: the texts by stream, the candidates still open, the usage.

Fed with decoded responses: the chunks of a stream and a whole answer have the same form. Knows
nothing of bytes. Streams are named `<candidate>.<kind>`. Sources: Gemini API reference,
"GenerateContentResponse"; google-genai package 3.6.1 (read 2026-11-26).
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.gemini_fields import objects
from gateway.dialects.gemini_grounding import Grounding
from gateway.dialects.gemini_parts import json_text
from gateway.dialects.gemini_usage import read_usage
from gateway.metering.call import Call
from gateway.metering.usage import Usage

# What a function call takes beside its name and arguments is not published: 6 to 14 in recorded
# answers.
FUNCTION_CALL_TOKENS = 15
# "Text-to-speech" and "Live API" in the Gemini API guide: 25 tokens a second, in the only format
# there is, 24 kHz 16-bit PCM.
AUDIO_BYTES_PER_TOKEN = 24_000 * 2 // 25
# Gemini API pricing: pictures of up to 1024 x 1024 of Gemini 2.5, and the largest since Gemini 3.
IMAGE_TOKENS = 1_290
LARGE_IMAGE_TOKENS = 2_520
_SMALL_IMAGES = "gemini-2*"


class Story:
    """Grows with every response; `take_pieces` forgets the texts it hands out."""

    __slots__ = (
        "_audio_bytes",
        "_calls",
        "_grounding",
        "_image_tokens",
        "_images",
        "_open",
        "_over",
        "_texts",
        "_tier",
        "_usage",
    )

    def __init__(self, call: Call) -> None:
        self._texts: dict[str, list[str]] = {}
        self._grounding = Grounding(call.terms.pieces)
        self._tier = call.terms.service_tier
        small = fnmatchcase(call.model, _SMALL_IMAGES)
        self._image_tokens = IMAGE_TOKENS if small else LARGE_IMAGE_TOKENS
        self._calls = 0
        self._images = 0
        self._audio_bytes = 0
        self._usage: Mapping[str, object] | None = None
        # Candidates that still lack a finish reason; nothing more is to come of any.
        self._open = set(range(call.choices))
        self._over = False

    @property
    def reported(self) -> Reported | None:
        """None for an answer that has not come to its end: its last usage is not the final one."""
        return self._told if self._over or not self._open else None

    @property
    def so_far(self) -> Usage | None:
        told = self._told
        return None if told is None else told.usage

    def end(self) -> None:
        """The answer came as a whole: there is nothing after it."""
        self._over = True

    @property
    def _told(self) -> Reported | None:
        """The last usage told, with what is billed by the piece."""
        read = read_usage(self._usage, asked_tier=self._tier)
        pieces = self._grounding.pieces
        if read is None or not pieces:
            return read
        return Reported(read.usage + Usage(pieces=pieces), read.unmapped)

    @property
    def extra(self) -> Usage:
        """Function calls' framing, pictures, speech, searches: what no text shows."""
        return Usage(
            output_text=self._calls * FUNCTION_CALL_TOKENS,
            output_image=self._images * self._image_tokens,
            output_audio=-(-self._audio_bytes // AUDIO_BYTES_PER_TOKEN),
            pieces=self._grounding.pieces,
            service_tier=self._tier,
        )

    def take_pieces(self) -> list[OutputPiece]:
        pieces = [OutputPiece(name, "".join(texts)) for name, texts in self._texts.items()]
        self._texts = {}
        return pieces

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        usage = document.get("usageMetadata")
        # Vertex's earlier chunks have one without counts.
        if isinstance(usage, dict) and ("promptTokenCount" in usage or self._usage is None):
            self._usage = usage
        feedback = document.get("promptFeedback")
        if isinstance(feedback, dict) and feedback.get("blockReason"):
            self._over = True
        candidates = document.get("candidates")
        if isinstance(candidates, list):
            for candidate in candidates:
                if isinstance(candidate, dict):
                    self._add_candidate(candidate)

    def _add_candidate(self, candidate: Mapping[str, object]) -> None:
        index = candidate_index(candidate)
        if candidate.get("finishReason"):
            self._open.discard(index)
        grounding = candidate.get("groundingMetadata")
        if isinstance(grounding, dict):
            self._grounding.add(index, grounding)
        content = candidate.get("content")
        if isinstance(content, dict):
            for part in objects(content.get("parts")):
                self._add_part(index, part)

    def _add_part(self, index: int, part: Mapping[str, object]) -> None:
        text = part.get("text")
        if text and isinstance(text, str):
            self._say(f"{index}.{'thought' if part.get('thought') else 'content'}", text)
        for name, content in part.items():
            if isinstance(content, dict):
                self._add_field(index, name, content)

    def _add_field(self, index: int, name: str, content: Mapping[str, object]) -> None:
        match name:
            case "functionCall" | "toolCall":
                self._add_call(index, content)
            case "executableCode":
                self._say(f"{index}.code", content.get("code"))
            case "codeExecutionResult":
                self._say(f"{index}.result", content.get("output"))
            case "inlineData":
                self._add_blob(content)
            case _:
                pass

    def _add_call(self, index: int, made: Mapping[str, object]) -> None:
        """Arguments may come in pieces, of which only the first has the function's name."""
        self._calls += 1 if made.get("name") or made.get("id") else 0
        self._say(f"{index}.call", made.get("name"))
        self._say(f"{index}.call", json_text(made.get("args", made.get("partialArgs"))))

    def _add_blob(self, blob: Mapping[str, object]) -> None:
        kind, data = str(blob.get("mimeType")).lower(), blob.get("data")
        if kind.startswith("audio/"):
            self._audio_bytes += len(data) * 3 // 4 if isinstance(data, str) else 0
        else:
            self._images += 1

    def _say(self, name: str, text: object) -> None:
        if text and isinstance(text, str):
            self._texts.setdefault(name, []).append(text)


def candidate_index(candidate: Mapping[str, object]) -> int:
    """Zero is left out on the wire."""
    index = candidate.get("index")
    return index if type(index) is int and index >= 0 else 0
