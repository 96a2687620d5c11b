"""OpenAI's Realtime API over WebSocket: what a session's events tell the meter.

A session is a conversation in which many answers are given. Each answer is metered by itself: a
response from `response.created` to `response.done`, the transcription of what was said (by a model
of its own, at that model's price) from `input_audio_buffer.committed` to its `completed` event.
Pure: knows no socket; the session that relays is `proxy/realtime.py`.

Audio is one token per 100 ms heard and per 50 ms spoken ("Managing costs" in OpenAI's realtime
guide): 4 800 and 2 400 bytes of 24 kHz 16-bit PCM, 800 and 400 of G.711. Sources: OpenAI API
reference, Realtime client and server events; openai package 3.57.0 (read 2026-11-26). The names of
the beta version (`response.audio.delta`, `session.input_audio_transcription`) are read as well.
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.base import PromptParts, Request
from gateway.dialects.openai_realtime_usage import read_response_usage
from gateway.errors import BadCall, GatewayError
from gateway.metering.call import ByPiece, Call, Terms

WITH_MEDIA = Terms(media=True)
# Base64 characters per token heard and spoken, by the session's audio format.
PCM_HEARD, PCM_SPOKEN = 6_400, 3_200
G711_HEARD, G711_SPOKEN = 1_066, 533
HEARD_TOKENS_PER_S = 10
# A picture in a message: the most tokens any of these models makes of one.
IMAGE_TOKENS = 2_500

SERVER_ERRORS_FROM = 500


class OpenAIRealtime:
    """Implements `Format` for the request that opens a session; the answers given in it have
    readers of their own (`openai_realtime_answer.py`)."""

    name = "openai_realtime"

    def read_call(self, request: Request) -> Call:
        """The first answer of the session, of which nothing is known but the model. Its model is
        empty for a session that only transcribes: what that costs depends on its settings."""
        query = request.query
        if query.get("call_id"):
            raise BadCall(
                "A running call (call_id) cannot be joined: it did not begin here, so it is not "
                "metered.",
                details={"param": "call_id"},
            )
        model = query.get("model") or query.get("deployment", "")
        if not model and query.get("intent") != "transcription":
            raise BadCall("The query must name a model: ?model=...", details={"param": "model"})
        return answer_call(model, input_tokens=0)

    def prompt_parts(self, call: Call) -> PromptParts:
        return PromptParts(texts=(), fixed_tokens=call.text_bytes)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return min(call.text_bytes, context_tokens)


def answer_call(model: str, *, input_tokens: int) -> Call:
    """One answer of a session, which may be cut like any stream."""
    return Call(model=model, stream=True, text_bytes=input_tokens, terms=WITH_MEDIA)


def transcription_call(model: str, *, heard_tokens: int) -> Call:
    """What a transcription of that much speech can cost, by the token or by the second: the rate
    card tells which."""
    seconds = -(-heard_tokens // HEARD_TOKENS_PER_S)
    return Call(
        model=model,
        stream=True,
        text_bytes=heard_tokens,
        terms=WITH_MEDIA,
        by_piece=ByPiece(most=(("audio_second", seconds),)),
    )


def decoded(text: str | bytes) -> Mapping[str, object]:
    """An event; empty when it is none."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def kind(event: Mapping[str, object]) -> str:
    return text_at(event, "type")


def response_id(event: Mapping[str, object]) -> str:
    """Of the response it belongs to; empty for events outside any."""
    response = event.get("response")
    return text_at(response, "id") if isinstance(response, dict) else text_at(event, "response_id")


def item_id(event: Mapping[str, object]) -> str:
    return text_at(event, "item_id")


def cancelling(response: str) -> bytes:
    """The client event that stops a response."""
    return orjson.dumps({"type": "response.cancel", "response_id": response})


def error_event(error: GatewayError, *, event_id: str, caused_by: object = None) -> bytes:
    """An error of ours as the server event clients know; `caused_by`: the client's event id."""
    told = {
        "type": "invalid_request_error" if error.status < SERVER_ERRORS_FROM else "server_error",
        "code": error.code,
        "message": error.message,
        "param": None,
        "event_id": caused_by,
        **error.details,
    }
    return orjson.dumps({"type": "error", "event_id": event_id, "error": told})


class Conversation:
    """What is known of a session's context: how large the next answer's input may be, and who
    transcribes. Bounds only grow with what the client sends, and are corrected by reports."""

    def __init__(self) -> None:
        self._context_tokens = 0
        self._new_tokens = 0
        self._heard_chars = 0
        self._chars_per_token = PCM_HEARD
        self.spoken_chars_per_token = PCM_SPOKEN
        self.transcriber = ""
        """The model that transcribes what is said; empty if none does."""

    @property
    def input_tokens(self) -> int:
        """The most that the next answer's input can be, the context's size aside."""
        return self._context_tokens + self._new_tokens + self._spoken_to

    @property
    def _spoken_to(self) -> int:
        return -(-self._heard_chars // self._chars_per_token)

    @property
    def heard_tokens(self) -> int:
        """What was said and not yet transcribed."""
        return self._spoken_to

    def client(self, event: Mapping[str, object], size: int) -> None:
        """Take note of an event of `size` bytes that goes to the provider."""
        match kind(event):
            case "input_audio_buffer.append":
                self._heard_chars += len(text_at(event, "audio"))
            case "conversation.item.create":
                self._new_tokens += _item_tokens(event, size)
            case "session.update" | "response.create":
                self._new_tokens += size
            case _:
                pass

    def server(self, event: Mapping[str, object]) -> None:
        match kind(event):
            case "session.created" | "session.updated":
                self._settings(event)
            case "transcription_session.created" | "transcription_session.updated":
                self._settings(event)
            case "input_audio_buffer.committed":
                self._new_tokens += self._spoken_to
                self._heard_chars = 0
            case "response.done":
                response = event.get("response")
                reported = response.get("usage") if isinstance(response, dict) else None
                if (read := read_response_usage(reported)) is not None:
                    self._context_tokens = read.usage.total_tokens
                    self._new_tokens = 0
            case _:
                pass

    def _settings(self, event: Mapping[str, object]) -> None:
        session = event.get("session")
        if isinstance(session, dict):
            self.transcriber = transcriber(session) or ""
            g711 = "pcmu" in (spelt := _formats(session)) or "pcma" in spelt or "g711" in spelt
            self._chars_per_token = G711_HEARD if g711 else PCM_HEARD
            self.spoken_chars_per_token = G711_SPOKEN if g711 else PCM_SPOKEN


def transcriber(session: Mapping[str, object]) -> str | None:
    """The transcribing model a session's settings name; None when they name none."""
    audio = session.get("audio")
    heard = audio.get("input") if isinstance(audio, dict) else None
    settings = heard.get("transcription") if isinstance(heard, dict) else None
    if settings is None:
        settings = session.get("input_audio_transcription")
    return (text_at(settings, "model") or None) if isinstance(settings, dict) else None


def asked_transcriber(event: Mapping[str, object]) -> str | None:
    """The transcribing model that a client's event asks for, if it does."""
    session = event.get("session")
    if kind(event) not in ("session.update", "transcription_session.update"):
        return None
    return transcriber(session) if isinstance(session, dict) else None


def _item_tokens(event: Mapping[str, object], size: int) -> int:
    """A created item's most tokens: its bytes, less what is audio or a picture in them."""
    item = event.get("item")
    content = item.get("content") if isinstance(item, dict) else None
    tokens = size
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            audio, image = len(text_at(part, "audio")), len(text_at(part, "image_url"))
            # The densest format: which one it is in is only known of the microphone.
            tokens += -(-audio // G711_HEARD) - audio
            tokens += IMAGE_TOKENS - image if image else 0
    return max(0, tokens)


def _formats(session: Mapping[str, object]) -> str:
    """All that the settings say about audio formats, as one text to look for names in."""
    audio = session.get("audio")
    told = [session.get("input_audio_format"), session.get("output_audio_format")]
    for side in ("input", "output"):
        settings = audio.get(side) if isinstance(audio, dict) else None
        told.append(settings.get("format") if isinstance(settings, dict) else None)
    return str(told)


def text_at(values: Mapping[str, object], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
