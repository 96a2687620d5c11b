"""What an answer to a messages request has told so far: texts by block, tools called, usage.

Fed with decoded events, or with the one message object. Streams are named `<block>.<kind>`. What
tools brought back from over there is input, not output; citations are not charged. Source:
Anthropic guide "Streaming messages"; anthropic package 2.14.0, `types/raw_*_event.py` and
`types/beta/beta_content_block.py` (read 2026-11-23).
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.anthropic_prompt import arguments_in, call_tokens, sealed_tokens
from gateway.dialects.anthropic_usage import WEB_SEARCH, merged, read_usage
from gateway.dialects.base import OutputPiece, Reported
from gateway.dialects.json_body import objects
from gateway.metering.usage import NOTHING, Usage

_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
# The model itself ended the answer: what it ended it with is 3 tokens, in all recorded answers.
FINISHED = ("end_turn", "tool_use", "stop_sequence")
ANSWER_TOKENS = 3


class Story:
    """Grows with every event; `take_pieces` forgets the texts it hands out."""

    __slots__ = (
        "_after_quote",
        "_arguments",
        "_delta",
        "_finished",
        "_said",
        "_sealed_chars",
        "_searches",
        "_start",
        "_texts",
        "_thought_chars",
        "_tools",
    )

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._tools = 0
        # Their arguments, and whether the latest piece of one ended with a quote.
        self._arguments = 0
        self._after_quote = False
        # Anything was said, and the model itself ended it.
        self._said = False
        self._finished = False
        self._searches = 0
        # What was thought, and the encrypted form that stands for all of it.
        self._thought_chars = 0
        self._sealed_chars = 0
        self._start: Mapping[str, object] | None = None
        self._delta: Mapping[str, object] | None = None

    @property
    def started(self) -> bool:
        """What the first event says of the usage is known."""
        return self._start is not None

    def at_start(self) -> "Story":
        """Another one that knows no more than that."""
        story = Story()
        story._start = self._start
        return story

    @property
    def reported(self) -> Reported | None:
        """None before the usage at the end."""
        if self._delta is None:
            return None
        return read_usage(merged(self._start or {}, self._delta))

    @property
    def so_far(self) -> Usage | None:
        """What the start said of the input: it is exact but for what tools add to it."""
        told = read_usage(self._start)
        return None if told is None or not told.usage.input_tokens else told.usage

    @property
    def extra(self) -> Usage:
        """Framing of answer and tool calls, thinking that is not shown, searches made."""
        unseen = sealed_tokens(self._sealed_chars, shown_chars=self._thought_chars)
        framing = call_tokens(self._tools, self._arguments)
        framing += ANSWER_TOKENS if self._said and self._finished else 0
        if not framing and not unseen and not self._searches:
            return NOTHING
        return Usage(
            output_text=framing,
            output_reasoning=unseen,
            pieces=((WEB_SEARCH, self._searches),) if self._searches else (),
        )

    def take_pieces(self) -> list[OutputPiece]:
        pieces = [OutputPiece(name, "".join(texts)) for name, texts in self._texts.items()]
        self._texts = {}
        return pieces

    def add(self, document: object) -> None:
        """One event."""
        if not isinstance(document, dict):
            return
        match document.get("type"):
            case "content_block_delta":
                self._add_delta(_index(document), document.get("delta"))
            case "content_block_start":
                self._add_block(_index(document), document.get("content_block"))
            case "message_start":
                message = document.get("message")
                self._start = _usage(message)
                self._add_content(message)
            case "message_delta":
                self._delta = _usage(document) or self._delta
                self._finish(document.get("delta"))
            case _:
                pass

    def add_message(self, document: object) -> None:
        """The whole answer in one."""
        self._start = self._delta = _usage(document)
        self._add_content(document)
        self._finish(document)

    def _add_content(self, message: object) -> None:
        if isinstance(message, dict):
            for index, block in enumerate(objects(message.get("content"))):
                self._add_block(index, block)

    def _add_block(self, index: int, block: object) -> None:
        if not isinstance(block, dict):
            return
        kind = block.get("type")
        if kind in _CALLS:
            self._tools += 1
            self._say(f"{index}.name", block.get("name"))
            # Streams give it in deltas, after an empty one.
            if block.get("input"):
                self._add_input(index, orjson.dumps(block["input"]).decode())
        elif kind == "web_search_tool_result":
            # A search that failed has an object here, and is not charged.
            self._searches += isinstance(block.get("content"), list)
        elif kind == "compaction":
            self._say(f"{index}.text", block.get("content"))
        elif kind == "text":
            self._say(f"{index}.text", block.get("text"))
        elif kind == "thinking":
            self._think(index, block.get("thinking"))
            self._add_seal(block.get("signature"))
        elif kind == "redacted_thinking":
            self._add_seal(block.get("data"))

    def _add_delta(self, index: int, delta: object) -> None:
        if not isinstance(delta, dict):
            return
        match delta.get("type"):
            case "text_delta":
                self._say(f"{index}.text", delta.get("text"))
            case "thinking_delta":
                self._think(index, delta.get("thinking"))
            case "input_json_delta":
                self._add_input(index, delta.get("partial_json"))
            case "signature_delta":
                self._add_seal(delta.get("signature"))
            case "compaction_delta":
                self._say(f"{index}.text", delta.get("content"))
            case _:
                pass

    def _finish(self, told: object) -> None:
        if isinstance(told, dict) and told.get("stop_reason") in FINISHED:
            self._finished = True

    def _add_input(self, index: int, text: object) -> None:
        self._say(f"{index}.input", text)
        if text and isinstance(text, str):
            self._arguments += arguments_in(text)
            self._arguments += self._after_quote and text.startswith(":")
            self._after_quote = text.endswith('"')

    def _say(self, name: str, text: object) -> None:
        if text and isinstance(text, str):
            self._said = True
            if name in self._texts:
                self._texts[name].append(text)
            else:
                self._texts[name] = [text]

    def _think(self, index: int, text: object) -> None:
        if isinstance(text, str):
            self._thought_chars += len(text)
            self._say(f"{index}.thinking", text)

    def _add_seal(self, sealed: object) -> None:
        if isinstance(sealed, str):
            self._sealed_chars += len(sealed)


def _usage(told: object) -> Mapping[str, object] | None:
    usage = told.get("usage") if isinstance(told, dict) else None
    return usage if isinstance(usage, dict) else None


def _index(event: Mapping[str, object]) -> int:
    index = event.get("index")
    return index if type(index) is int and index >= 0 else 0
