"""The OpenAI transcription dialect (`POST /v1/audio/transcriptions`, `/translations`), also spoken
by Groq, Mistral, vLLM and others.

A form with a file. Models are sold by the second that is heard (whisper-1), or by the token: sound
and a prompt in, text out (gpt-4o-transcribe). How long the file is bounds the hold, and is charged
where the answer does not tell. Source: OpenAI API reference, "Create transcription" and "Create
translation", and the openai package 3.57.0 (read 2026-11-26).
"""

from gateway.dialects.base import AnswerReader, BodyFilter, Prepared, PromptParts, Request
from gateway.dialects.forms import Form, read_form
from gateway.dialects.named_model import prepared
from gateway.dialects.openai_transcription_answer import TextReader, json_reader, stream_reader
from gateway.dialects.passing import Passing
from gateway.dialects.sound_length import whole_seconds
from gateway.errors import BadCall
from gateway.metering.call import ByPiece, Call, Terms

EVENT_STREAM, JSON = "text/event-stream", "application/json"
# Heard speech is one token per 100 ms ("Managing costs" in OpenAI's realtime guide).
TOKENS_PER_S = 10
# The fastest speech has some thirty characters a second: as many tokens in the worst of scripts.
SAID_PER_S, SAID_LEAST = 10, 64
# Voices to be told apart come with a sample each, of ten seconds at most.
SAMPLE_FIELD, SAMPLE_S = "known_speaker_references[]", 10
# Longer files are heard in parts; each has the context to itself.
PART_S = 300
TEXT_FIELDS = ("prompt", "keywords[]", "language", "languages[]", "known_speaker_names[]")
FRAMING_TOKENS = 32
WITH_SOUND = Terms(media=True)


class OpenAITranscription:
    """Implements `Dialect`."""

    name = "openai_transcription"

    def read_call(self, request: Request) -> Call:
        form = read_form(request.body, request.content_type)
        seconds = _seconds(form)
        heard = (("audio_second", max(1, seconds)),)
        samples = sum(1 for _ in form.named(SAMPLE_FIELD))
        prompt = form.text("prompt") or ""
        texts = [field for name in TEXT_FIELDS for field in form.named(name)]
        return Call(
            model=request.segments.get("model") or form.model(),
            stream=form.boolean("stream"),
            whole=True,
            prompts=1 + seconds // PART_S,
            max_output_tokens=SAID_LEAST + SAID_PER_S * seconds,
            text_bytes=FRAMING_TOKENS + sum(field.end - field.start for field in texts),
            audio_tokens=(seconds + SAMPLE_S * samples) * TOKENS_PER_S,
            terms=WITH_SOUND,
            by_piece=ByPiece(most=heard, owed=heard),
            document={"prompt": prompt},
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        if not call.counts_tokens:
            return PromptParts(texts=())
        return PromptParts(
            texts=[str(call.document["prompt"])],
            fixed_tokens=FRAMING_TOKENS,
            audio_tokens=call.audio_tokens,
        )

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return min(call.text_bytes + call.audio_tokens, call.prompts * context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        return prepared(call, request, upstream_model=upstream_model)

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        if content_type == EVENT_STREAM:
            return stream_reader(call)
        return json_reader(call) if content_type == JSON else TextReader(call)

    def usage_filter(self) -> BodyFilter:
        return Passing()


def _seconds(form: Form) -> int:
    file = form.one("file")
    if file is None or not file.is_file:
        raise BadCall(
            "file must be given, as a file: sound that is only named cannot be measured.",
            details={"param": "file"},
        )
    return whole_seconds(form.value(file))
