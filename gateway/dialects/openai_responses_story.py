"""What an answer of the Responses API has told so far: the texts by stream, the items, the usage.

Fed with decoded events, or with the one response object. Knows nothing of bytes.

| event | what it tells |
|---|---|
| response.<TEXTS>.delta and .done | a text of an item; the whole of it again at its end |
| response.output_item.added and .done | an item; the whole of it again at its end |
| response.audio.delta, .transcript.delta | spoken output, and what it says |
| response.completed, .incomplete, .failed | the whole response, and its usage |

Text that comes twice is counted once: what comes at an end adds only what was missing. Streams are
named `<output index>.<what>[.<index>]`. A response with nothing but its end tells all of it there.
Source: OpenAI API reference, "Responses streaming", and the openai package 3.57.0 (2026-11-24).
"""

from collections.abc import Iterator, Mapping

import orjson

from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.json_body import kind_of, objects
from gateway.dialects.openai_chat_story import PCM_BYTES_PER_TOKEN
from gateway.dialects.openai_hosted_tools import used
from gateway.dialects.openai_responses_prompt import schema_of
from gateway.dialects.openai_responses_usage import read_response
from gateway.metering.framing import framing
from gateway.metering.usage import NOTHING, Usage

# Of each text event, without "response." and ".delta" or ".done": what it is a text of, the field
# that tells which of several, and the field of its ".done" that has the whole.
TEXTS: Mapping[str, tuple[str, str, str]] = {
    "output_text": ("content", "content_index", "text"),
    "refusal": ("content", "content_index", "refusal"),
    "reasoning_text": ("content", "content_index", "text"),
    "reasoning_summary_text": ("summary", "summary_index", "text"),
    "function_call_arguments": ("arguments", "", "arguments"),
    "mcp_call_arguments": ("arguments", "", "arguments"),
    "custom_tool_call_input": ("input", "", "input"),
    "code_interpreter_call_code": ("code", "", "code"),
    "shell_call_command": ("action", "command_index", "command"),
}
ENDINGS = ("response.completed", "response.incomplete", "response.failed")
# What the model makes of an item beside its content, in whatever order it is told.
_MADE = (
    "name",
    "arguments",
    "input",
    "code",
    "action",
    "actions",
    "operation",
    "queries",
    "revised_prompt",
)

TextName = tuple[int, str, int]
"""The item's output index, what of it, and which of several."""


class ResponseStory:
    """Grows with every event; `take_pieces` forgets the texts it hands out. Implements
    `StreamStory`. `request`: the body of the call."""

    __slots__ = ("_audio_bytes", "_extra", "_fresh", "_items", "_request", "_response", "_told")

    def __init__(self, request: Mapping[str, object]) -> None:
        self._request = request
        self._fresh: dict[str, list[str]] = {}
        # Characters told of each text by now.
        self._told: dict[TextName, int] = {}
        self._items: dict[int, Mapping[str, object]] = {}
        self._response: Mapping[str, object] | None = None
        self._audio_bytes = 0
        # Computed when asked for, after each change of items.
        self._extra: Usage | None = NOTHING

    @property
    def reported(self) -> Reported | None:
        if self._response is None:
            return None
        return read_response(self._response, request=self._request)

    @property
    def so_far(self) -> Usage | None:
        """Nothing: this format reports at its end."""
        return None

    @property
    def extra(self) -> Usage:
        """Framing of answer and tool calls, spoken output, and what hosted tools used."""
        if self._extra is None:
            self._extra = used(self._items.values(), self._request) + Usage(
                output_text=self._framing_tokens(),
                output_audio=-(-self._audio_bytes // PCM_BYTES_PER_TOKEN),
            )
        return self._extra

    def _framing_tokens(self) -> int:
        """Of tool calls; and of the answer, if the model itself ended it."""
        response = self._response or self._request
        model = response.get("model")
        of_model = framing(model if isinstance(model, str) else "")
        kinds = [kind_of(item) for item in self._items.values()]
        tokens = of_model.of_calls(sum(kind.endswith("_call") for kind in kinds))
        if kinds and response.get("status") == "completed":
            tokens += of_model.response_tokens
            tokens += of_model.thought_tokens if "reasoning" in kinds else 0
            tokens += of_model.schema_tokens if schema_of(response) is not None else 0
        return tokens

    def take_pieces(self) -> list[OutputPiece]:
        pieces = [OutputPiece(name, "".join(texts)) for name, texts in self._fresh.items()]
        self._fresh = {}
        return pieces

    def add(self, document: object) -> None:
        """One event."""
        if not isinstance(document, dict):
            return
        kind = kind_of(document)
        base, _, step = kind.removeprefix("response.").rpartition(".")
        if base in TEXTS:
            self._add_text(base, step, document)
        elif kind in ENDINGS:
            self._add_end(document.get("response"))
        elif base == "output_item":
            self._add_item(index_in(document, "output_index"), document.get("item"))
        elif kind == "response.audio.delta":
            self._add_audio(document.get("delta"))
        elif kind == "response.audio.transcript.delta":
            self._say((0, "transcript", 0), document.get("delta"))

    def add_response(self, response: object) -> None:
        """A whole response, or what compacting a conversation made of it."""
        if isinstance(response, dict):
            self._response, self._extra = response, None
            for index, item in enumerate(objects(response.get("output"))):
                self._add_item(index, item)

    def _add_text(self, base: str, step: str, event: Mapping[str, object]) -> None:
        what, which, whole = TEXTS[base]
        name = (index_in(event, "output_index"), what, index_in(event, which))
        if step == "delta":
            self._say(name, event.get("delta"))
        else:
            self._say_rest(name, event.get(whole))

    def _add_item(self, index: int, item: object) -> None:
        # The user's own words come back when a conversation is compacted.
        if not isinstance(item, dict) or item.get("role") == "user":
            return
        self._items[index] = item
        self._extra = None
        for what, which, text in texts_of(item):
            self._say_rest((index, what, which), text)

    def _add_end(self, response: object) -> None:
        if not isinstance(response, dict):
            return
        self._response, self._extra = response, None
        items = list(objects(response.get("output")))
        if items and self._told:
            # Told before, under indexes that may have had gaps.
            self._items = dict(enumerate(items))
        else:
            self.add_response(response)

    def _add_audio(self, data: object) -> None:
        self._audio_bytes += len(data) * 3 // 4 if isinstance(data, str) else 0
        self._extra = None

    def _say_rest(self, name: TextName, whole: object) -> None:
        if isinstance(whole, str):
            self._say(name, whole[self._told.get(name, 0) :])

    def _say(self, name: TextName, text: object) -> None:
        if not text or not isinstance(text, str):
            return
        self._told[name] = self._told.get(name, 0) + len(text)
        index, what, which = name
        stream = f"{index}.{what}.{which}"
        if stream in self._fresh:
            self._fresh[stream].append(text)
        else:
            self._fresh[stream] = [text]


def texts_of(item: Mapping[str, object]) -> Iterator[tuple[str, int, str]]:
    """What the model made of an item: what it is of it, which of several, and the text."""
    for what in ("content", "summary"):
        for which, part in enumerate(objects(item.get(what))):
            for name in ("text", "refusal"):
                if isinstance(text := part.get(name), str):
                    yield what, which, text
    for what in _MADE:
        made = item.get(what)
        if isinstance(made, str):
            yield what, 0, made
        elif isinstance(made, dict) and isinstance(made.get("commands"), list):
            yield from ((what, n, str(command)) for n, command in enumerate(made["commands"]))
        elif made:
            yield what, 0, orjson.dumps(_asked(made)).decode()


def _asked(made: object) -> object:
    """Without what a search found."""
    if not isinstance(made, dict):
        return made
    return {name: value for name, value in made.items() if name != "sources"}


def index_in(event: Mapping[str, object], name: str) -> int:
    """A field that counts from 0; 0 where there is none."""
    index = event.get(name)
    return index if type(index) is int and index >= 0 else 0
