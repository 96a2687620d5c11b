"""A Gemini answer as bytes: one document, the events of a stream, or an array that grows.

Field sets and framings are those of the API reference and of recorded answers (2026-11): every
chunk tells the usage so far, zeros are left out, and an array's separators stand on lines of their
own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from gateway.simulator.chat import ChatAnswer, Choice, Part, RefusedRequest
from gateway.simulator.journal import Entry
from gateway.simulator.vendor import Vendor, bearer
from gateway.simulator.wire import Chunk

FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`grounding`: what every finish chunk says of searches."""

    said: ChatAnswer
    grounding: Mapping[str, object] = field(default_factory=dict)


def document(answer: Answer) -> bytes:
    said = answer.said
    candidates = [
        _candidate(index, _parts(choice, choice.text), finish=_finish(answer, choice))
        for index, choice in enumerate(said.choices)
    ]
    visible = said.completion_tokens - said.reasoning_tokens
    response = _response(answer, candidates, visible=visible, last=True)
    return orjson.dumps(response, option=orjson.OPT_INDENT_2)


def events(answer: Answer) -> Iterator[Chunk]:
    """`?alt=sse`."""
    for response, chunk in _responses(answer):
        data = b"data: %b\r\n\r\n" % orjson.dumps(response)
        yield Chunk(data, chunk.tokens, chunk.text, chunk.choice)


def elements(answer: Answer) -> Iterator[Chunk]:
    """Without it."""
    lead = b"["
    for response, chunk in _responses(answer):
        data = lead + orjson.dumps(response, option=orjson.OPT_INDENT_2)
        yield Chunk(data, chunk.tokens, chunk.text, chunk.choice)
        lead = b"\n,\r\n"
    yield Chunk(b"\n]\n")


def _responses(answer: Answer) -> Iterator[tuple[dict[str, object], Chunk]]:
    """Each with what it brings; the choices take turns."""
    choices = answer.said.choices
    visible = 0
    for turn in range(max(len(_pieces(choice)) for choice in choices)):
        for index, choice in enumerate(choices):
            if turn < len(_pieces(choice)):
                part = _pieces(choice)[turn]
                visible += part.tokens
                # Thoughts come before the first piece and are in none.
                thoughts = 0 if turn else choice.reasoning_tokens
                chunk = Chunk(b"", part.tokens + thoughts, part.text, index)
                candidate = _candidate(index, _parts(choice, part.text))
                yield _response(answer, [candidate], visible=visible), chunk
    for index, choice in enumerate(choices):
        unseen = 0 if _pieces(choice) else choice.reasoning_tokens
        candidate = _candidate(index, [{"text": ""}], finish=_finish(answer, choice))
        yield _response(answer, [candidate], visible=visible, last=True), Chunk(b"", unseen)


def _pieces(choice: Choice) -> tuple[Part, ...]:
    """A function call comes in one."""
    if choice.tool is None:
        return choice.parts
    return (Part(choice.text, choice.tokens - choice.reasoning_tokens),)


def _parts(choice: Choice, text: str) -> list[dict[str, object]]:
    if choice.tool is None:
        return [{"text": text}]
    made = {"name": choice.tool.name, "args": orjson.loads(text or "{}")}
    return [{"functionCall": made, "thoughtSignature": "c2ltdWxhdGVk"}]


def _candidate(
    index: int, parts: list[dict[str, object]], *, finish: Mapping[str, object] | None = None
) -> dict[str, object]:
    return {"content": {"parts": parts, "role": "model"}, **(finish or {}), "index": index}


def _finish(answer: Answer, choice: Choice) -> dict[str, object]:
    grounding = {"groundingMetadata": answer.grounding} if answer.grounding else {}
    return {"finishReason": FINISH[choice.finish_reason], **grounding}


def _response(
    answer: Answer, candidates: list[dict[str, object]], *, visible: int, last: bool = False
) -> dict[str, object]:
    said = answer.said
    usage = {} if said.script.no_usage else {"usageMetadata": _usage(said, visible, last=last)}
    named = {"modelVersion": said.model, "responseId": said.answer_id.removeprefix("chatcmpl-")}
    return {"candidates": candidates, **usage, **named}


def _usage(said: ChatAnswer, visible: int, *, last: bool) -> dict[str, object]:
    script = said.script
    prompt, thoughts = said.prompt_tokens, said.reasoning_tokens
    if last and script.completion_tokens is not None:
        visible = script.completion_tokens
    if script.usage_zero:
        prompt = visible = thoughts = 0
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": visible,
        "totalTokenCount": prompt + visible + thoughts,
        "cachedContentTokenCount": min(script.cached, prompt),
        "thoughtsTokenCount": thoughts,
    }
    told: dict[str, object] = {name: count for name, count in counts.items() if count}
    return told | {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}]}


def _headers(_entry: Entry) -> dict[str, str]:
    return {"Server": "scaffolding on HTTPServer2", "Server-Timing": "gfet4t7; dur=1"}


def _error(refused: RefusedRequest, _entry: Entry) -> dict[str, object]:
    return {
        "error": {
            "code": refused.status,
            "message": str(refused),
            "status": STATUSES.get(refused.status, "INTERNAL"),
        }
    }


GEMINI = Vendor(
    credential=lambda headers: headers.get("x-goog-api-key", "") or bearer(headers),
    no_credential=(
        "Method doesn't allow unregistered callers (callers without established identity). Please "
        "use API Key or other form of API consumer identity to call this API."
    ),
    wrong_credential="API key not valid. Please pass a valid API key.",
    headers=_headers,
    error=_error,
)
