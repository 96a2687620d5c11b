"""Anthropic's API: what `chat` decides to say, in the blocks of a message.

A request that asks to think, or `x-simulate: reasoning=N`, has a thinking block first; one with a
search tool makes `searches=N`; `cached=N` and `written=N` are prompt tokens read from and written
to the cache.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.simulator.anthropic_wire import (
    ANTHROPIC,
    Answer,
    Block,
    completion_of,
    completions,
    events,
    message,
)
from gateway.simulator.chat import Choice, Part, RefusedRequest, answer_chat
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Entry
from gateway.simulator.sending import (
    EVENT_STREAM,
    answer_headers,
    send_document,
    send_stream,
)
from gateway.simulator.text import completion
from gateway.simulator.vendor import bearer
from gateway.simulator.wire import Chunk

MODELS = ("claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-6")
THINKING_TOKENS = 24
SEARCH_TOKENS = 60
# Encrypted thinking is about as long as its text.
BYTES_PER_TOKEN = 4


async def _create(exchange: Exchange) -> web.StreamResponse:
    return await send(decide(exchange.document(), exchange), exchange)


async def send(
    answer: Answer,
    exchange: Exchange,
    *,
    events: Callable[[Answer], Iterator[Chunk]] = events,
    content_type: str = EVENT_STREAM,
) -> web.StreamResponse:
    """Streamed if the journal says so: as `events`, of that type."""
    exchange.entry.prompt_tokens = answer.said.prompt_tokens
    exchange.entry.texts = [""] * len(answer.blocks)
    await exchange.ready()
    if exchange.entry.stream:
        return await send_stream(exchange, events(answer), content_type=content_type)

    def produced(entry: Entry) -> None:
        for index, block in enumerate(answer.blocks):
            entry.produced(tokens=block.tokens, text=block.text, choice=index)

    return await send_document(exchange, orjson.dumps(message(answer)), produced=produced)


async def _count(exchange: Exchange) -> web.StreamResponse:
    request = exchange.document() | {"max_tokens": 1}
    answer = decide(request, exchange)
    await exchange.ready()
    document = {"input_tokens": answer.said.prompt_tokens}
    return await send_document(exchange, orjson.dumps(document), produced=_nothing)


async def _list_models(exchange: Exchange) -> web.StreamResponse:
    document = {
        "data": [_model(model) for model in MODELS],
        "has_more": False,
        "first_id": MODELS[0],
        "last_id": MODELS[-1],
    }
    return web.Response(
        headers=answer_headers(exchange.vendor, exchange.entry), body=orjson.dumps(document)
    )


def _model(model: str) -> dict[str, object]:
    return {
        "type": "model",
        "id": model,
        "display_name": model.title(),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def decide(request: Mapping[str, object], exchange: Exchange) -> Answer:
    """Raises RefusedRequest for what the API would not take."""
    if request.get("max_tokens") is None:
        raise RefusedRequest("max_tokens: Field required")
    script = exchange.script
    if _thinks(request) and not script.reasoning:
        script = replace(script, reasoning=THINKING_TOKENS)
    said = answer_chat(
        _as_chat(request),
        script=script,
        count=exchange.count,
        created_s=int(datetime.now(UTC).timestamp()),
    )
    searches = script.searches if _may_search(request) else 0
    blocks = (*_searches(searches), *_blocks(said.choices[0], request))
    return Answer(said=said, request=request, blocks=blocks, searches=searches)


def _as_chat(request: Mapping[str, object]) -> dict[str, object]:
    messages = request.get("messages")
    spoken = [_as_message(each) for each in messages] if isinstance(messages, list) else []
    if system := request.get("system"):
        spoken.insert(0, _as_message({"role": "system", "content": system}))
    tools = request.get("tools")
    functions = [
        {"type": "function", "function": {**tool, "parameters": tool.get("input_schema")}}
        for tool in (tools if isinstance(tools, list) else ())
        if isinstance(tool, dict) and tool.get("type", "custom") == "custom"
    ]
    return {
        "model": request.get("model"),
        "messages": spoken,
        "stream": request.get("stream"),
        "max_tokens": request.get("max_tokens"),
        "tools": functions,
        "tool_choice": _as_choice(request.get("tool_choice")),
    }


def _as_message(message: object) -> dict[str, object]:
    """What is no text in it counts by its JSON."""
    fields = message if isinstance(message, dict) else {}
    content = fields.get("content")
    blocks = content if isinstance(content, list) else []
    parts = [
        block if block.get("type") == "text" else {"text": orjson.dumps(block).decode()}
        for block in blocks
        if isinstance(block, dict)
    ]
    return {"role": fields.get("role"), "content": parts or content}


def _as_choice(choice: object) -> object:
    match choice:
        case {"type": "any"}:
            return "required"
        case {"type": "tool", "name": name}:
            return {"type": "function", "function": {"name": name}}
        case {"type": "none"}:
            return "none"
        case _:
            return None


def _thinks(request: Mapping[str, object]) -> bool:
    thinking = request.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def _may_search(request: Mapping[str, object]) -> bool:
    tools = request.get("tools")
    kinds = [tool.get("type") for tool in tools] if isinstance(tools, list) else []
    return any(str(kind).startswith("web_search_") for kind in kinds)


def _searches(count: int) -> Iterator[Block]:
    for number in range(count):
        call_id = f"srvtoolu_{number}"
        asked = orjson.dumps({"query": f"toll roads {number}"}).decode()
        yield Block(
            empty={
                "type": "server_tool_use",
                "id": call_id,
                "name": "web_search",
                "input": {},
                "caller": {"type": "direct"},
            },
            delta="input_json_delta",
            field="partial_json",
            parts=(Part(asked, SEARCH_TOKENS),),
        )
        found = {
            "type": "web_search_result",
            "url": f"https://example.com/{number}",
            "title": "Toll roads",
            "encrypted_content": "Eo8BCioICxgB",
            "page_age": None,
        }
        yield Block(
            empty={
                "type": "web_search_tool_result",
                "tool_use_id": call_id,
                "content": [found],
                "caller": {"type": "direct"},
            }
        )


def _blocks(choice: Choice, request: Mapping[str, object]) -> Iterator[Block]:
    if choice.reasoning_tokens:
        yield _thinking(choice.reasoning_tokens, request)
    if choice.tool is not None:
        yield Block(
            empty={
                "type": "tool_use",
                "id": choice.tool.call_id.replace("call_", "toolu_"),
                "name": choice.tool.name,
                "input": {},
            },
            delta="input_json_delta",
            field="partial_json",
            parts=choice.parts,
            opening_tokens=choice.tool.tokens,
        )
    elif choice.parts:
        yield Block(
            empty={"type": "text", "text": ""},
            delta="text_delta",
            field="text",
            parts=choice.parts,
        )


def _thinking(tokens: int, request: Mapping[str, object]) -> Block:
    """Shown as text or, if the request omits it, sealed only."""
    words = completion("thinking", tokens)
    thinking = request.get("thinking")
    omitted = isinstance(thinking, dict) and thinking.get("display") == "omitted"
    seal = b"".join(word.encode() for word in words)[: tokens * BYTES_PER_TOKEN]
    return Block(
        empty={"type": "thinking", "thinking": "", "signature": ""},
        delta="thinking_delta",
        field="thinking",
        parts=() if omitted else tuple(Part(word, 1) for word in words),
        opening_tokens=tokens if omitted else 0,
        seal=base64.b64encode(seal).decode(),
    )


def _nothing(_entry: Entry) -> None:
    """No tokens are put out."""


async def _predict(exchange: Exchange) -> web.StreamResponse:
    """As Vertex AI serves it: the model and whether it streams stand in the path."""
    parts = exchange.request.match_info
    request = exchange.document() | {"model": parts["model"]}
    exchange.entry.model = parts["model"]
    exchange.entry.stream = parts["verb"] == "streamRawPredict"
    return await send(decide(request, exchange), exchange)


async def _complete(exchange: Exchange) -> web.StreamResponse:
    """The legacy completions: one text, no usage."""
    request = exchange.document()
    messages = [{"role": "user", "content": request.get("prompt")}]
    limit = request.get("max_tokens_to_sample")
    answer = decide(request | {"messages": messages, "max_tokens": limit}, exchange)
    exchange.entry.prompt_tokens = answer.said.prompt_tokens
    await exchange.ready()
    if exchange.entry.stream:
        return await send_stream(exchange, completions(answer))

    def produced(entry: Entry) -> None:
        entry.produced(tokens=answer.said.completion_tokens, text=answer.said.text, choice=0)

    whole = completion_of(answer, answer.said.text, stopped=True)
    return await send_document(exchange, orjson.dumps(whole), produced=produced)


LIST_MODELS = Route("GET", "/v1/models", _list_models, ANTHROPIC)
"""At a path that is OpenAI's as well: whose client asks says which answers."""

_VERTEX = "/v1/projects/{project}/locations/{location}/publishers/anthropic/models"
ROUTES = (
    Route("POST", "/v1/messages", _create, ANTHROPIC),
    Route("POST", "/v1/messages/count_tokens", _count, ANTHROPIC),
    Route("POST", "/v1/complete", _complete, ANTHROPIC),
    Route(
        "POST",
        _VERTEX + "/{model:[^:/]+}:{verb:rawPredict|streamRawPredict}",
        _predict,
        replace(ANTHROPIC, credential=bearer),
    ),
)
