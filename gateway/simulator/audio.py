"""Speech, as OpenAI makes it: real sound, silent but of the right length, whole or as events.
https://platform.openai.com/docs/api-reference/audio (looked at 2026-11).
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import orjson
from aiohttp import web

from gateway.simulator.chat import RefusedRequest
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.media import mp3, pcm, wav
from gateway.simulator.sending import send_stream
from gateway.simulator.vendor import AZURE
from gateway.simulator.wire import Chunk

CHARACTERS_PER_S = 15
TOKENS_PER_S = 20
# Sound goes out in pieces of so many seconds.
PIECE_S = 0.2


@dataclass(frozen=True, slots=True)
class Kind:
    content_type: str
    make: Callable[[float], bytes]


KINDS: Mapping[str, Kind] = {
    "mp3": Kind("audio/mpeg", mp3),
    "wav": Kind("audio/wav", lambda seconds: wav(seconds, stated_bytes=0xFFFFFFFF)),
    "pcm": Kind("audio/pcm", pcm),
}


async def _speak(exchange: Exchange) -> web.StreamResponse:
    asked = exchange.document()
    text = asked.get("input")
    kind = KINDS.get(str(asked.get("response_format") or "mp3"))
    if not isinstance(text, str) or not text:
        raise RefusedRequest("Invalid 'input': expected a string of at least 1 character.")
    if kind is None:
        raise RefusedRequest("The simulator makes mp3, wav and pcm only.", param="response_format")
    seconds = len(text) / CHARACTERS_PER_S
    exchange.entry.prompt_tokens = exchange.count(text)
    exchange.entry.made["character"] = len(text)
    await exchange.ready()
    sound = kind.make(seconds)
    if asked.get("stream_format") == "sse":
        exchange.entry.stream = True
        return await send_stream(exchange, _events(exchange, sound, seconds))
    return await send_stream(exchange, _pieces(sound, seconds), content_type=kind.content_type)


def _pieces(sound: bytes, seconds: float) -> Iterator[Chunk]:
    """`tokens` are of the sound that has gone out in full."""
    count = max(1, round(seconds / PIECE_S))
    done = 0
    for number in range(count):
        piece = sound[len(sound) * number // count : len(sound) * (number + 1) // count]
        tokens = round(seconds * TOKENS_PER_S * (number + 1) / count)
        yield Chunk(piece, tokens=tokens - done)
        done = tokens


def _events(exchange: Exchange, sound: bytes, seconds: float) -> Iterator[Chunk]:
    spoken = 0
    for piece in _pieces(sound, seconds):
        spoken += piece.tokens
        fields = {"type": "speech.audio.delta", "audio": base64.b64encode(piece.data).decode()}
        yield Chunk(_event(fields), tokens=piece.tokens)
    last: dict[str, object] = {"type": "speech.audio.done"}
    if not exchange.script.no_usage:
        read = exchange.entry.prompt_tokens
        last["usage"] = {
            "input_tokens": read,
            "output_tokens": spoken,
            "total_tokens": read + spoken,
        }
    yield Chunk(_event(last))


def _event(fields: Mapping[str, object]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(fields)


ROUTES = (
    Route("POST", "/v1/audio/speech", _speak),
    Route("POST", "/openai/deployments/{model}/audio/speech", _speak, AZURE),
)
