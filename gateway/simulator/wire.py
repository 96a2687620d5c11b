"""A chat answer as bytes: one document, or the events of a stream in their order.

Field sets and their order are those of recorded OpenAI answers (2026-11): the role chunk first,
then content, the finish chunk, the usage chunk without choices; `usage: null` stands on every
other chunk when usage was asked for, and `obfuscation` evens out the chunks' sizes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from gateway.simulator.chat import ChatAnswer, Choice, ToolCall
from gateway.simulator.journal import Entry

FINGERPRINT = "fp_5176130000"
SERVICE_TIER = "default"
DONE = b"data: [DONE]\n\n"
COMMENT = b": PROCESSING\n\n"
# Chunks are filled up so that their length does not give away the token's.
OBFUSCATED_CHARS = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that go out together, and what they bring to which choice: true figures."""

    data: bytes
    tokens: int = 0
    text: str = ""
    choice: int = 0
    made: Mapping[str, int] = field(default_factory=dict)
    """What else is sold by the piece."""

    def note(self, entry: Entry) -> None:
        entry.produced(tokens=self.tokens, text=self.text, choice=self.choice, made=self.made)


def document(answer: ChatAnswer) -> bytes:
    fields: dict[str, object] = {
        "id": answer.answer_id,
        "object": "chat.completion",
        "created": answer.created_s,
        "model": answer.model,
        "choices": [
            {
                "index": index,
                "message": _message(choice),
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(answer.choices)
        ],
        "usage": usage(answer),
        "service_tier": SERVICE_TIER,
        "system_fingerprint": FINGERPRINT,
    }
    if answer.script.no_usage:
        del fields["usage"]
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2)


def events(answer: ChatAnswer) -> Iterator[Chunk]:
    """The stream, event by event; the choices take turns."""
    reports = answer.include_usage and not answer.script.no_usage
    writer = _EventWriter(answer, usage_field=reports and not answer.script.usage_with_choice)
    for index, choice in enumerate(answer.choices):
        yield writer.opening(index, choice)
    longest = max(len(choice.parts) for choice in answer.choices)
    for turn in range(longest):
        for index, choice in enumerate(answer.choices):
            if turn < len(choice.parts):
                yield writer.part(index, choice, turn=turn)
    for index, choice in enumerate(answer.choices):
        last = index == len(answer.choices) - 1
        yield writer.finish(
            index, choice, with_usage=last and reports and answer.script.usage_with_choice
        )
    if reports and not answer.script.usage_with_choice:
        yield writer.usage()
    if not answer.script.no_done:
        yield Chunk(DONE)


def usage(answer: ChatAnswer) -> dict[str, object]:
    """What the answer reports about itself: the truth, unless its script says otherwise."""
    script = answer.script
    produced = answer.completion_tokens
    prompt = answer.prompt_tokens
    if script.completion_tokens is not None:
        produced = script.completion_tokens
    if script.usage_zero:
        prompt = produced = 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": produced,
        "total_tokens": prompt + produced,
        "prompt_tokens_details": {
            "cached_tokens": min(script.cached, prompt),
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": min(answer.reasoning_tokens, produced),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class _EventWriter:
    def __init__(self, answer: ChatAnswer, *, usage_field: bool) -> None:
        self._answer = answer
        self._usage_field = usage_field
        self._lead = COMMENT if answer.script.comments else b""

    def opening(self, index: int, choice: Choice) -> Chunk:
        delta: dict[str, object] = {"role": "assistant", "content": "", "refusal": None}
        if choice.tool is not None:
            delta["content"] = None
            delta["tool_calls"] = [{"index": 0, **_tool_call(choice.tool, arguments="")}]
        return Chunk(self._choice_event(index, delta), choice.opening_tokens, choice=index)

    def part(self, index: int, choice: Choice, *, turn: int) -> Chunk:
        part = choice.parts[turn]
        delta: dict[str, object] = {"content": part.text}
        if choice.tool is not None:
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": part.text}}]}
        return Chunk(self._choice_event(index, delta), part.tokens, part.text, index)

    def finish(self, index: int, choice: Choice, *, with_usage: bool) -> Chunk:
        reported = usage(self._answer) if with_usage else None
        return Chunk(
            self._choice_event(index, {}, finish_reason=choice.finish_reason, reported=reported)
        )

    def usage(self) -> Chunk:
        return Chunk(self._event([], usage(self._answer), obfuscation=""))

    def _choice_event(
        self,
        index: int,
        delta: Mapping[str, object],
        *,
        finish_reason: str | None = None,
        reported: Mapping[str, object] | None = None,
    ) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": None,
            "finish_reason": finish_reason,
        }
        filling = "x" * max(1, OBFUSCATED_CHARS - len(str(delta.get("content") or "")))
        return self._event([choice], reported, obfuscation=filling)

    def _event(
        self, choices: list[object], reported: Mapping[str, object] | None, *, obfuscation: str
    ) -> bytes:
        answer = self._answer
        fields: dict[str, object] = {
            "id": answer.answer_id,
            "object": "chat.completion.chunk",
            "created": answer.created_s,
            "model": answer.model,
            "service_tier": SERVICE_TIER,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }
        if self._usage_field or reported is not None:
            fields["usage"] = reported
        fields["obfuscation"] = obfuscation
        return self._lead + b"data: " + orjson.dumps(fields) + b"\n\n"


def _message(choice: Choice) -> dict[str, object]:
    message: dict[str, object] = {
        "role": "assistant",
        "content": choice.text,
        "refusal": None,
        "annotations": [],
    }
    if choice.tool is not None:
        message["content"] = None
        message["tool_calls"] = [_tool_call(choice.tool, arguments=choice.text)]
    return message


def _tool_call(tool: ToolCall, *, arguments: str) -> dict[str, object]:
    return {
        "id": tool.call_id,
        "type": "function",
        "function": {"name": tool.name, "arguments": arguments},
    }
