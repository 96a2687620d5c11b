"""A message of Anthropic's as bytes: one document, or the events of a stream in their order.

Field sets and the order of events are those of the API reference and of the guide "Streaming
messages" (read 2026-11-23).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.simulator.chat import ChatAnswer, Choice, Part, RefusedRequest
from gateway.simulator.journal import Entry
from gateway.simulator.vendor import Vendor, bearer
from gateway.simulator.wire import Chunk

FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
# What one search adds to the prompt.
RESULT_TOKENS = 500
ERROR_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A content block: as it starts, what the deltas bring to it, and its tokens before those.

    Without a `field` it comes whole.
    """

    empty: Mapping[str, object]
    delta: str = ""
    field: str = ""
    parts: tuple[Part, ...] = ()
    opening_tokens: int = 0
    seal: str = ""
    """The signature of a thinking block."""

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)

    @property
    def tokens(self) -> int:
        return self.opening_tokens + sum(part.tokens for part in self.parts)

    def whole(self) -> dict[str, object]:
        if not self.field:
            return {**self.empty}
        if self.field == "partial_json":
            return {**self.empty, "input": orjson.loads(self.text or "{}")}
        sealed = {"signature": self.seal} if self.seal else {}
        return {**self.empty, self.field: self.text, **sealed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole message, decided before its first byte goes out."""

    said: ChatAnswer
    request: Mapping[str, object]
    blocks: tuple[Block, ...]
    searches: int = 0

    @property
    def choice(self) -> Choice:
        return self.said.choices[0]

    @property
    def tokens(self) -> int:
        return sum(block.tokens for block in self.blocks)


def message(answer: Answer) -> dict[str, object]:
    document = _opening(answer) | {
        "content": [block.whole() for block in answer.blocks],
        "stop_reason": FINISH[answer.choice.finish_reason],
        "usage": _input_usage(answer) | _final_usage(answer),
    }
    if answer.said.script.no_usage:
        del document["usage"]
    return document


def _opening(answer: Answer) -> dict[str, object]:
    return {
        "id": answer.said.answer_id.replace("chatcmpl-", "msg_"),
        "type": "message",
        "role": "assistant",
        "model": answer.said.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _input_usage(answer) | {"output_tokens": min(1, answer.tokens)},
    }


def _input_usage(answer: Answer) -> dict[str, Any]:
    script, request = answer.said.script, answer.request
    prompt = 0 if script.usage_zero else answer.said.prompt_tokens
    read = min(script.cached, prompt)
    written = min(script.written, prompt - read)
    return {
        "input_tokens": prompt - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written,
            "ephemeral_1h_input_tokens": 0,
        },
        "service_tier": "standard",
        "speed": request.get("speed") or "standard",
        "inference_geo": request.get("inference_geo") or "global",
    }


def _final_usage(answer: Answer) -> dict[str, object]:
    """What it came to in the end: what searches brought was read as well."""
    script = answer.said.script
    produced = answer.tokens if script.completion_tokens is None else script.completion_tokens
    if script.usage_zero:
        produced = 0
    thinking = min(answer.said.reasoning_tokens, produced)
    told = {"output_tokens": produced, "output_tokens_details": {"thinking_tokens": thinking}}
    if not answer.searches:
        return told
    read = _input_usage(answer)["input_tokens"]
    return told | {
        "input_tokens": read + answer.searches * RESULT_TOKENS,
        "server_tool_use": {"web_search_requests": answer.searches, "web_fetch_requests": 0},
    }


def events(answer: Answer) -> Iterator[Chunk]:
    script = answer.said.script
    opening = _opening(answer)
    if script.no_usage:
        del opening["usage"]
    yield _chunk("message_start", message=opening)
    for index, block in enumerate(answer.blocks):
        yield from _block_events(index, block)
        if not index:
            yield _chunk("ping")
    delta = {"stop_reason": FINISH[answer.choice.finish_reason], "stop_sequence": None}
    if script.no_usage:
        yield _chunk("message_delta", delta=delta)
    else:
        yield _chunk("message_delta", delta=delta, usage=_final_usage(answer))
    if not script.no_done:
        yield _chunk("message_stop")


def _block_events(index: int, block: Block) -> Iterator[Chunk]:
    yield replace(
        _chunk("content_block_start", index=index, content_block=block.empty),
        tokens=block.opening_tokens,
        choice=index,
    )
    for part in block.parts:
        delta = {"type": block.delta, block.field: part.text}
        yield replace(
            _chunk("content_block_delta", index=index, delta=delta),
            tokens=part.tokens,
            text=part.text,
            choice=index,
        )
    if block.seal:
        delta = {"type": "signature_delta", "signature": block.seal}
        yield _chunk("content_block_delta", index=index, delta=delta)
    yield _chunk("content_block_stop", index=index)


def _chunk(kind: str, **fields: object) -> Chunk:
    data = orjson.dumps({"type": kind} | fields)
    return Chunk(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))


def completion_of(answer: Answer, text: str, *, stopped: bool) -> dict[str, object]:
    """A legacy completion, or a piece of one."""
    reason = "max_tokens" if answer.choice.finish_reason == "length" else "stop_sequence"
    return {
        "type": "completion",
        "id": answer.said.answer_id.replace("chatcmpl-", "compl_"),
        "completion": text,
        "stop_reason": reason if stopped else None,
        "model": answer.said.model,
    }


def completions(answer: Answer) -> Iterator[Chunk]:
    for part in answer.choice.parts:
        told = completion_of(answer, part.text, stopped=False)
        yield replace(_chunk("completion", **told), tokens=part.tokens, text=part.text)
    yield _chunk("completion", **completion_of(answer, "", stopped=True))


def _headers(entry: Entry) -> dict[str, str]:
    """The limits are those of an untouched account."""
    return {
        "anthropic-organization-id": "simulator",
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
        "anthropic-ratelimit-requests-reset": "2026-11-23T00:00:00Z",
        "anthropic-ratelimit-tokens-limit": "2000000",
        "anthropic-ratelimit-tokens-remaining": "1999000",
        "anthropic-ratelimit-tokens-reset": "2026-11-23T00:00:00Z",
        "request-id": entry.request_id,
    }


def _error(refused: RefusedRequest, entry: Entry) -> dict[str, object]:
    kind = ERROR_KINDS.get(refused.status)
    if kind is None:
        kind = "api_error" if refused.status >= 500 else "invalid_request_error"  # noqa: PLR2004
    return {
        "type": "error",
        "error": {"type": kind, "message": str(refused)},
        "request_id": entry.request_id,
    }


ANTHROPIC = Vendor(
    credential=lambda headers: headers.get("x-api-key", "") or bearer(headers),
    no_credential="x-api-key header is required",
    wrong_credential="invalid x-api-key",
    headers=_headers,
    error=_error,
)
