"""The simulated Realtime API: a WebSocket session in OpenAI's events, with usage that is true.

Events follow the API reference, "Realtime server events" (looked at 2026-11-26). A response says
the words it would say in chat; with audio as its modality it speaks them as well, as silence of the
right length: 50 ms a token. What is heard counts a token per 100 ms. `cancel` stops a response
where it is, and it reports what it used by then, as the real one does.
"""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import WSMsgType, web

from gateway.simulator.chat import SHORTEST_TOKENS, RefusedRequest
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.text import completion
from gateway.tasks import TaskSet

TOKEN_SPOKEN_BYTES = 2_400
TOKEN_HEARD_BYTES = 4_800
# The instructions every session begins with.
INSTRUCTIONS_TOKENS = 10
SUBPROTOCOL = "realtime"
TRANSCRIPTION_WORDS = 5


@dataclass(slots=True)
class Session:
    """One conversation: what it is set to, and how large its context has become."""

    exchange: Exchange
    socket: web.WebSocketResponse
    settings: dict[str, object]
    context_tokens: int = INSTRUCTIONS_TOKENS
    """Of text and of audio, of which `audio_tokens` were heard."""
    audio_tokens: int = 0
    heard_bytes: int = 0
    events: int = 0
    responses: int = 0
    cancelled: set[str] = field(default_factory=set)
    speaking: TaskSet = field(default_factory=TaskSet)

    async def tell(self, kind: str, **fields: object) -> None:
        self.events += 1
        event = {"type": kind, "event_id": f"event_{self.events}", **fields}
        await self.socket.send_str(orjson.dumps(event).decode())

    @property
    def audio(self) -> bool:
        return self.settings.get("output_modalities") == ["audio"]

    @property
    def transcriber(self) -> str:
        audio = self.settings.get("audio")
        heard = audio.get("input") if isinstance(audio, dict) else None
        settings = heard.get("transcription") if isinstance(heard, dict) else None
        return str(settings.get("model", "")) if isinstance(settings, dict) else ""


async def talk(exchange: Exchange) -> web.StreamResponse:
    request, entry = exchange.request, exchange.entry
    entry.model = request.query.get("model", "")
    entry.stream = True
    if exchange.script.status:
        raise RefusedRequest("The simulator was asked to fail.", status=exchange.script.status)
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), compress=False)
    await socket.prepare(request)
    settings: dict[str, object] = {"type": "realtime", "model": entry.model}
    session = Session(exchange, socket, settings | {"output_modalities": ["text"]})
    await session.tell("session.created", session=session.settings)
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await _hear(session, orjson.loads(message.data))
    finally:
        await session.speaking.cancel()
    return socket


async def _hear(session: Session, event: Mapping[str, object]) -> None:
    match event.get("type"):
        case "session.update":
            asked = event.get("session")
            session.settings |= asked if isinstance(asked, dict) else {}
            await session.tell("session.updated", session=session.settings)
        case "conversation.item.create":
            await _add_item(session, event.get("item"))
        case "input_audio_buffer.append":
            session.heard_bytes += len(base64.b64decode(str(event.get("audio", ""))))
        case "input_audio_buffer.commit":
            await _commit(session)
        case "response.create":
            asked = event.get("response")
            # Listening goes on while it speaks: it may be cancelled.
            work = _respond(session, asked if isinstance(asked, dict) else {})
            session.speaking.start(work, name="simulated response")
        case "response.cancel":
            session.cancelled.add(str(event.get("response_id") or f"resp_{session.responses}"))
        case other:
            error = {"type": "invalid_request_error", "message": f"Unknown event {other!r}."}
            await session.tell("error", error=error | {"code": "unknown_event", "param": None})


async def _add_item(session: Session, item: object) -> None:
    content = item.get("content") if isinstance(item, dict) else None
    for part in content if isinstance(content, list) else ():
        session.context_tokens += session.exchange.count(str(part.get("text", "")))
    await session.tell("conversation.item.added", item=item, previous_item_id=None)


async def _commit(session: Session) -> None:
    heard_tokens = -(-session.heard_bytes // TOKEN_HEARD_BYTES)
    session.heard_bytes = 0
    session.context_tokens += heard_tokens
    session.audio_tokens += heard_tokens
    item_id = f"item_{session.events}"
    await session.tell("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
    if session.transcriber:
        usage: dict[str, object] = {
            "type": "tokens",
            "input_tokens": heard_tokens,
            "input_token_details": {"audio_tokens": heard_tokens, "text_tokens": 0},
            "output_tokens": TRANSCRIPTION_WORDS,
            "total_tokens": heard_tokens + TRANSCRIPTION_WORDS,
        }
        if "whisper" in session.transcriber:
            usage = {"type": "duration", "seconds": heard_tokens / 10}
        await session.tell(
            "conversation.item.input_audio_transcription.completed",
            item_id=item_id,
            content_index=0,
            transcript="".join(completion("heard", TRANSCRIPTION_WORDS)),
            usage=usage,
        )


async def _respond(session: Session, asked: Mapping[str, object]) -> None:
    script, entry = session.exchange.script, session.exchange.entry
    session.responses += 1
    response_id = f"resp_{session.responses}"
    input_tokens, heard_tokens = session.context_tokens, session.audio_tokens
    limit = asked.get("max_output_tokens")
    tokens = script.tokens or SHORTEST_TOKENS
    words = completion(entry.request_id, min(tokens, limit if isinstance(limit, int) else tokens))
    place = {"response_id": response_id, "item_id": f"{response_id}_item"}
    spot = {"output_index": 0, "content_index": 0}
    await session.tell("response.created", response=_response(response_id, "in_progress"))
    item = {"id": place["item_id"], "type": "message", "role": "assistant", "content": []}
    await session.tell(
        "response.output_item.added", response_id=response_id, output_index=0, item=item
    )
    said = 0
    for word in words:
        if response_id in session.cancelled:
            break
        await asyncio.sleep(script.delay_ms / 1000)
        if session.audio:
            sound = base64.b64encode(bytes(TOKEN_SPOKEN_BYTES)).decode()
            await session.tell("response.output_audio.delta", delta=sound, **place, **spot)
            await session.tell(
                "response.output_audio_transcript.delta", delta=word, **place, **spot
            )
        else:
            await session.tell("response.output_text.delta", delta=word, **place, **spot)
        said += 1
        entry.produced(tokens=2 if session.audio else 1, text=word, choice=0)
        session.exchange.changed()
    status = "completed" if said == len(words) else "cancelled"
    usage = _usage(input_tokens, said, heard=heard_tokens, spoken=said if session.audio else 0)
    session.context_tokens += said
    entry.prompt_tokens += input_tokens
    await session.tell("response.done", response=_response(response_id, status, usage=usage))


def _response(response_id: str, status: str, **more: object) -> dict[str, object]:
    return {
        "id": response_id,
        "object": "realtime.response",
        "status": status,
        "status_details": None,
        "output": [],
        **more,
    }


def _usage(input_tokens: int, text_tokens: int, *, heard: int, spoken: int) -> dict[str, object]:
    return {
        "total_tokens": input_tokens + text_tokens + spoken,
        "input_tokens": input_tokens,
        "output_tokens": text_tokens + spoken,
        "input_token_details": {
            "text_tokens": input_tokens - heard,
            "audio_tokens": heard,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": text_tokens, "audio_tokens": spoken},
    }


ROUTES = (Route("GET", "/v1/realtime", talk),)
