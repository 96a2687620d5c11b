"""What a chat answer has told so far: the texts by stream, and the usage.

Fed with decoded chunks (or the one completion object); both have the same choices but for
`delta` against `message`. Knows nothing of bytes.

Streams are named `<choice>.<kind>`. Reasoning stands in `reasoning_content` (DeepSeek, vLLM),
`reasoning` (OpenRouter, Groq) or `reasoning_details` (OpenRouter); servers that send several of
them send the same text again. Content may be a list of parts (Mistral) or the object that a
schema asked for (Cloudflare), pictures stand beside it (OpenRouter). Sources: OpenAI API
reference, chat completion chunk object; DeepSeek and OpenRouter API references (read 2026-11-23);
Cloudflare's as recorded.
"""

from collections.abc import Callable, Mapping

import orjson

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.json_body import objects
from gateway.dialects.openai_usage import read_usage, service_tier, usage_in
from gateway.metering.framing import framing
from gateway.metering.usage import NOTHING, Pieces, Usage

# Spoken output is one token per 50 ms ("Managing costs" in OpenAI's realtime guide): 2 400 bytes
# of 24 kHz 16-bit PCM, the only streamed format; a WAV file holds the same. The bit rates of the
# others are not published; none is taken below 32 kbit/s.
PCM_BYTES_PER_TOKEN = 2_400
PACKED_BYTES_PER_TOKEN = 200
PCM_FORMATS = ("pcm16", "wav")
REASONING = ("reasoning_content", "reasoning", "reasoning_details")
# What a picture of Gemini's comes to, of whose models OpenRouter has most that paint.
IMAGE_TOKENS = 1_290
# The model itself ended the answer, and framed its end.
FINISHED = ("stop", "tool_calls", "function_call")


PiecesOf = Callable[[Mapping[str, object]], Pieces]


def no_pieces(_: Mapping[str, object]) -> Pieces:
    return ()


class Story:
    """Grows with every chunk; `take_pieces` forgets the texts it hands out."""

    __slots__ = (
        "_audio_bytes",
        "_audio_bytes_per_token",
        "_call_ids",
        "_finished",
        "_images",
        "_model",
        "_part",
        "_pieces",
        "_pieces_of",
        "_texts",
        "_tier",
        "_tool_calls",
        "_under_schema",
        "_usage",
    )

    def __init__(
        self,
        *,
        part: str = "delta",
        audio_format: str = "pcm16",
        under_schema: bool = False,
        pieces: PiecesOf = no_pieces,
    ) -> None:
        """`part`: where a choice says something, "delta" in a chunk, "message" in a completion.

        `under_schema`: the answer was asked for under a JSON schema. `pieces`: what is used for
        it beside tokens.
        """
        self._part = part
        self._pieces_of = pieces
        self._pieces: Pieces = ()
        self._texts: dict[str, list[str]] = {}
        # By choice: the last id seen at each tool call's index, and how many calls there were.
        self._call_ids: dict[int, dict[int, object]] = {}
        self._tool_calls: dict[int, int] = {}
        self._images = 0
        self._audio_bytes = 0
        self._audio_bytes_per_token = (
            PCM_BYTES_PER_TOKEN if audio_format in PCM_FORMATS else PACKED_BYTES_PER_TOKEN
        )
        self._under_schema = under_schema
        # The model as the answer names it, and the choices that came to an end of their own.
        self._model = ""
        self._finished: set[int] = set()
        # The last usage object seen, as it came, and the tier named beside it.
        self._usage: object = None
        self._tier = ""

    @property
    def reported(self) -> Reported | None:
        return read_usage(self._usage, tier=self._tier, pieces=self._pieces)

    @property
    def so_far(self) -> Usage | None:
        """Nothing: this format reports at its end."""
        return None

    @property
    def extra(self) -> Usage:
        """What no text shows: framing of answers and tool calls, speech, pictures, searches."""
        silent = not self._tool_calls and not self._audio_bytes and not self._finished
        if silent and not self._images and not self._pieces:
            return NOTHING
        return Usage(
            output_text=self._framing_tokens(),
            output_audio=-(-self._audio_bytes // self._audio_bytes_per_token),
            output_image=self._images * IMAGE_TOKENS,
            pieces=self._pieces,
        )

    def _framing_tokens(self) -> int:
        of_model = framing(self._model)
        finished = len(self._finished)
        return (
            finished * of_model.answer_tokens
            + (finished * of_model.schema_tokens if self._under_schema else 0)
            + sum(map(of_model.of_calls, self._tool_calls.values()))
        )

    def take_pieces(self) -> list[OutputPiece]:
        pieces = [OutputPiece(name, "".join(texts)) for name, texts in self._texts.items()]
        self._texts = {}
        return pieces

    def add(self, document: object) -> None:
        """One chunk, or one whole completion."""
        if not isinstance(document, dict):
            return
        usage = usage_in(document)
        if usage is not None:
            self._usage, self._tier = usage, service_tier(document)
        if not self._model and isinstance(model := document.get("model"), str):
            self._model = model
            self._pieces = self._pieces_of(document)
        choices = document.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict):
                    self._add_choice(choice)

    def _add_choice(self, choice: Mapping[str, object]) -> None:
        index = choice_index(choice)
        if choice.get("finish_reason") in FINISHED:
            self._finished.add(index)
        said = choice.get(self._part)
        if not isinstance(said, dict):
            return
        for name, value in said.items():
            if not value:
                continue
            if name == "content" and isinstance(value, str):
                self._say(f"{index}.content", value)
            elif name != "role":
                self._add_field(index, name, value=value, said=said)

    def _add_field(
        self, index: int, name: str, *, value: object, said: Mapping[str, object]
    ) -> None:
        match name:
            case "content" if isinstance(value, list):
                for text in _part_texts(value):
                    self._say(f"{index}.content", text)
            case "content" if isinstance(value, dict):
                self._say(f"{index}.content", orjson.dumps(value).decode())
            case "refusal":
                self._say(f"{index}.refusal", value)
            case "reasoning_content" | "reasoning" | "reasoning_details":
                self._think(index, said, name)
            case "images" if isinstance(value, list):
                self._images += len(value)
            case "tool_calls" if isinstance(value, list):
                self._add_tool_calls(index, value)
            case "function_call":
                self._add_made(index, -1, call_id=None, made=value)
            case "audio" if isinstance(value, dict):
                self._add_audio(index, value)
            case _:
                pass

    def _think(self, index: int, said: Mapping[str, object], name: str) -> None:
        """One of the fields that say the same, the first of them."""
        if name != next(field for field in REASONING if said.get(field)):
            return
        value = said[name]
        for text in _reasons(value) if isinstance(value, list) else (value,):
            self._say(f"{index}.reasoning", text)

    def _say(self, name: str, text: object) -> None:
        if text and isinstance(text, str):
            if name in self._texts:
                self._texts[name].append(text)
            else:
                self._texts[name] = [text]

    def _add_tool_calls(self, index: int, calls: list[object]) -> None:
        for position, call in enumerate(calls):
            if isinstance(call, dict):
                made = call.get("function") or call.get("custom")
                at = _index(call, default=position)
                self._add_made(index, at, call_id=call.get("id"), made=made)

    def _add_made(self, index: int, at: int, *, call_id: object, made: object) -> None:
        ids = self._call_ids.setdefault(index, {})
        # Some servers give every call index 0 but a new id.
        if at not in ids or (call_id and ids[at] and call_id != ids[at]):
            self._tool_calls[index] = self._tool_calls.get(index, 0) + 1
        ids[at] = call_id or ids.get(at)
        if isinstance(made, dict):
            self._say(f"{index}.call.{at}.name", made.get("name"))
            self._say(f"{index}.call.{at}", made.get("arguments") or made.get("input"))

    def _add_audio(self, index: int, audio: Mapping[str, object]) -> None:
        self._say(f"{index}.transcript", audio.get("transcript"))
        data = audio.get("data")
        self._audio_bytes += len(data) * 3 // 4 if isinstance(data, str) else 0


def choice_index(choice: Mapping[str, object]) -> int:
    return _index(choice, default=0)


def _index(item: Mapping[str, object], *, default: int) -> int:
    index = item.get("index")
    return index if type(index) is int and index >= 0 else default


def _part_texts(parts: list[object]) -> list[object]:
    """The texts of a list of content parts; a thinking part holds such a list itself."""
    texts: list[object] = []
    for part in parts:
        if isinstance(part, dict):
            texts.append(part.get("text"))
            thinking = part.get("thinking")
            inner = thinking if isinstance(thinking, list) else []
            texts += [item.get("text") for item in inner if isinstance(item, dict)]
            texts += [thinking] if isinstance(thinking, str) else []
    return texts


def _reasons(details: list[object]) -> list[object]:
    return [detail.get("text") or detail.get("summary") for detail in objects(details)]
