"""Anthropic's legacy text completions (`POST /v1/complete`): a prompt, and the text that follows.

No usage is reported, so what is charged is counted. Source: Anthropic API reference, "Create a Text
Completion" and "Versions" (read 2026-11-26).
"""

from collections.abc import Mapping

import orjson

from gateway.dialects.base import (
    AnswerReader,
    BodyFilter,
    OutputPiece,
    Prepared,
    PromptParts,
    Reported,
    Request,
)
from gateway.dialects.json_body import (
    SingleKeys,
    boolean,
    model_name,
    read_object,
    tokens,
    with_model,
    wrong,
)
from gateway.dialects.passing import Passing, no_glance
from gateway.dialects.story_readers import JsonReader, StreamReader
from gateway.errors import BadCall
from gateway.metering.call import Call
from gateway.metering.usage import NOTHING, Usage

EVENT_STREAM = "text/event-stream"
SINGLE_KEYS = SingleKeys(("model", "prompt", "stream", "max_tokens_to_sample"))
# The turns are marked in the prompt itself.
PRIMING_TOKENS = 1
# Under the oldest version each event of a stream brings all of the text again.
VERSION_HEADER, REPEATING_VERSION = "anthropic-version", "2023-01-01"


class AnthropicComplete:
    """Implements `Dialect`."""

    name = "anthropic_complete"

    def read_call(self, request: Request) -> Call:
        document = read_object(request.body, SINGLE_KEYS)
        if not isinstance(document.get("prompt"), str):
            raise wrong("prompt", "a string", document.get("prompt"))
        stream = boolean(document, "stream")
        if stream and request.headers.get(VERSION_HEADER) == REPEATING_VERSION:
            raise BadCall(
                f"A stream of version {REPEATING_VERSION} cannot be metered; send 2023-06-01.",
                details={"param": VERSION_HEADER},
            )
        return Call(
            model=model_name(document),
            stream=stream,
            max_output_tokens=tokens(document, "max_tokens_to_sample"),
            text_bytes=len(request.body),
            document=document,
        )

    def prompt_parts(self, call: Call) -> PromptParts:
        return PromptParts(texts=(str(call.document["prompt"]),), fixed_tokens=PRIMING_TOKENS)

    def prompt_bound_tokens(self, call: Call, *, context_tokens: int) -> int:
        return min(call.text_bytes, context_tokens)

    def prepare(self, call: Call, request: Request, *, upstream_model: str) -> Prepared:
        body = request.body
        return Prepared(body if upstream_model == call.model else with_model(body, upstream_model))

    def answer_reader(self, call: Call, *, content_type: str) -> AnswerReader:
        if content_type == EVENT_STREAM:
            return StreamReader(Completion(), CompletionClosing(call), glance=no_glance)
        return JsonReader(_told)

    def usage_filter(self) -> BodyFilter:
        return Passing()


class Completion:
    """What was said so far. Implements `StreamStory`; it reports nothing."""

    __slots__ = ("_new",)

    def __init__(self) -> None:
        self._new: list[str] = []

    @property
    def reported(self) -> Reported | None:
        return None

    @property
    def so_far(self) -> Usage | None:
        return None

    @property
    def extra(self) -> Usage:
        return NOTHING

    def take_pieces(self) -> list[OutputPiece]:
        text = "".join(self._new)
        self._new = []
        return [OutputPiece("text", text)] if text else []

    def add(self, document: object) -> None:
        text = document.get("completion") if isinstance(document, dict) else None
        if isinstance(text, str):
            self._new.append(text)


class CompletionClosing:
    """Ends a stream with the reason `max_tokens`. Implements `Closing`."""

    __slots__ = ("_call", "_header", "_stopped")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._header: Mapping[str, object] = {}
        self._stopped = False

    def add(self, document: object) -> None:
        if not isinstance(document, dict):
            return
        if document.get("type") == "error" or document.get("stop_reason"):
            self._stopped = True
        self._header = {name: document[name] for name in ("id", "log_id") if name in document}

    def end(self) -> None:
        self._stopped = True

    def ending(self, usage: Usage, *, include_usage: bool) -> bytes:  # noqa: ARG002 (it tells none)
        if self._stopped:
            return b""
        last = {
            "type": "completion",
            **self._header,
            "completion": "",
            "stop_reason": "max_tokens",
            "model": self._call.model,
        }
        return b"event: completion\ndata: %b\n\n" % orjson.dumps(last)


def _told(document: object) -> Completion:
    story = Completion()
    story.add(document)
    return story
