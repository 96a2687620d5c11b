"""The OpenAI speech dialect (`POST /v1/audio/speech`), also spoken by Groq, Mistral and others.

Models are sold by the character of the input, or by the token: text in, sound out. The answer is
sound (`mp3`, `opus`, `aac`, `flac`, `wav`, `pcm`) or, with `stream_format: sse`, events. Source:
OpenAI API reference, "Create speech", and the openai package 3.57.0 (read 2026-11-26).
"""

from collections.abc import Mapping
from math import ceil

from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.json_body import SingleKeys, read_object, wrong
from gateway.dialects.named_model import asked_model, prepared
from gateway.dialects.openai_speech_answer import SoundReader, stream_reader
from gateway.dialects.passing import Passing
from gateway.metering.call import ByPiece, Call, Terms

EVENT_STREAM = "text/event-stream"
SINGLE_KEYS = SingleKeys(
    ("model", "input", "instructions", "response_format", "stream_format", "speed")
)
# Speech has some 15 characters a second, one and a half tokens each; digits and the letters of
# East Asia take several times as much, and so do instructions to speak slowly.
TOKENS_PER_CHARACTER = 10
SLOWEST, FASTEST = 0.25, 4.0
WITH_SOUND = Terms(media=True)


class OpenAISpeech:
    """Implements `Dialect`."""

    name = "openai_speech"

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        spoken = document.get("input")
        if not isinstance(spoken, str):
            raise wrong("input", "a string", spoken)
        instructions = _text(document, "instructions")
        characters = (("character", max(1, len(spoken))),)
        return Call(
            model=asked_model(request, document),
            stream=_text(document, "stream_format") == "sse",
            whole=True,
            max_output_tokens=ceil(TOKENS_PER_CHARACTER * len(spoken) / _speed(document)),
            text_bytes=sum(
                len(text.encode("utf-8", "surrogatepass")) for text in (spoken, instructions)
            ),
            terms=WITH_SOUND,
            by_piece=ByPiece(most=characters, owed=characters),
            document=document,
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        if not call.counts_tokens:
            return PromptParts(texts=())
        return PromptParts(texts=[_text(call.document, name) for name in ("input", "instructions")])

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return min(call.text_bytes, context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return prepared(call, request, upstream_model=upstream_model)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        return stream_reader(call) if content_type == EVENT_STREAM else SoundReader(call)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _text(document: Mapping[str, object], name: str) -> str:
    """Empty when missing or null."""
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise wrong(name, "a string", value)
    return value or ""


def _speed(document: Mapping[str, object]) -> float:
    speed = document.get("speed")
    if speed is None:
        return 1.0
    # By type, not isinstance: true is no number here.
    if type(speed) is not int and type(speed) is not float:
        raise wrong("speed", "a number", speed)
    return min(max(float(speed), SLOWEST), FASTEST)
