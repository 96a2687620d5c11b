"""Transcriptions, as OpenAI answers them: in all formats, and as events.
https://platform.openai.com/docs/api-reference/audio (looked at 2026-11).

Understands WAV only, by Python's own reader: how long a file is must not be told here by the rules
that are under test. Models whose names begin with `gpt-` report tokens, others seconds.
"""

import io
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import orjson
from aiohttp import web

from gateway.simulator.chat import RefusedRequest
from gateway.simulator.exchange import Exchange, Part, Route, text_in
from gateway.simulator.journal import Entry
from gateway.simulator.sending import JSON, send_document, send_stream
from gateway.simulator.text import completion
from gateway.simulator.vendor import AZURE
from gateway.simulator.wire import Chunk

TOKENS_PER_S = 10
SAID_TOKENS_PER_S = 3
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    model: str
    seconds: float
    words: tuple[str, ...]
    prompt_tokens: int
    usage: bool

    @property
    def by_token(self) -> bool:
        return self.model.startswith("gpt-")

    @property
    def text(self) -> str:
        return "".join(self.words)

    def report(self) -> dict[str, object]:
        """The field `usage`, if there is one."""
        if not self.usage:
            return {}
        if not self.by_token:
            return {"usage": {"type": "duration", "seconds": ceil(self.seconds)}}
        heard = round(self.seconds * TOKENS_PER_S)
        return {
            "usage": {
                "type": "tokens",
                "total_tokens": heard + self.prompt_tokens + len(self.words),
                "input_tokens": heard + self.prompt_tokens,
                "input_token_details": {
                    "text_tokens": self.prompt_tokens,
                    "audio_tokens": heard,
                },
                "output_tokens": len(self.words),
            }
        }


async def _transcribe(exchange: Exchange) -> web.StreamResponse:
    parts = await exchange.form()
    heard = _heard(exchange, parts)
    exchange.entry.prompt_tokens = heard.prompt_tokens
    exchange.entry.made["audio_second"] = ceil(heard.seconds)
    await exchange.ready()
    # OpenAI ignores it for whisper-1.
    if exchange.entry.stream and heard.by_token:
        return await send_stream(exchange, _events(heard))
    content_type, data = _answer(heard, text_in(parts, "response_format") or "json")

    def produced(entry: Entry) -> None:
        entry.produced(tokens=len(heard.words), text=heard.text)

    return await send_document(exchange, data, produced=produced, content_type=content_type)


ROUTES = (
    Route("POST", "/v1/audio/transcriptions", _transcribe),
    Route("POST", "/v1/audio/translations", _transcribe),
    Route("POST", "/openai/deployments/{model}/audio/transcriptions", _transcribe, AZURE),
)


def _heard(exchange: Exchange, parts: list[Part]) -> Heard:
    sound = next((part.value for part in parts if part.name == "file"), b"")
    try:
        with wave.open(io.BytesIO(sound)) as file:
            seconds = file.getnframes() / file.getframerate()
    except (wave.Error, EOFError) as error:
        raise RefusedRequest("The simulator understands WAV only.", param="file") from error
    count = exchange.script.tokens or max(1, round(seconds * SAID_TOKENS_PER_S))
    return Heard(
        model=text_in(parts, "model"),
        seconds=seconds,
        words=tuple(completion(str(seconds), count)),
        prompt_tokens=exchange.count(text_in(parts, "prompt")),
        usage=not exchange.script.no_usage,
    )


def _answer(heard: Heard, response_format: str) -> tuple[str, bytes]:
    end = f"00:00:{heard.seconds:06.3f}"
    match response_format:
        case "text":
            return PLAIN, heard.text.encode() + b"\n"
        case "srt":
            times = f"00:00:00,000 --> {end.replace('.', ',')}"
            return PLAIN, f"1\n{times}\n{heard.text}\n\n".encode()
        case "vtt":
            return PLAIN, f"WEBVTT\n\n00:00.000 --> {end[3:]}\n{heard.text}\n".encode()
        case "verbose_json" | "diarized_json":
            return JSON, orjson.dumps(_verbose(heard))
        case _:
            return JSON, orjson.dumps({"text": heard.text, **heard.report()})


def _verbose(heard: Heard) -> Mapping[str, object]:
    return {
        "task": "transcribe",
        "language": "english",
        "duration": heard.seconds,
        "text": heard.text,
        "segments": [],
        **heard.report(),
    }


def _events(heard: Heard) -> Iterator[Chunk]:
    for word in heard.words:
        yield Chunk(_event({"type": "transcript.text.delta", "delta": word}), tokens=1, text=word)
    last = {"type": "transcript.text.done", "text": heard.text, **heard.report()}
    yield Chunk(_event(last))


def _event(fields: Mapping[str, object]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(fields)
