"""The Responses API: what `chat` decides to say, in the response object and its events.

Field sets and the order of events are those of recorded OpenAI answers (2026-11): created, in
progress, each item from added to done, and completed or incomplete with the whole response. Hosted
web searches go before the message (`x-simulate: searches=N`), and are told in `tool_usage`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import orjson
from aiohttp import web

from gateway.simulator.chat import ChatAnswer, Choice, RefusedRequest, answer_chat
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Entry
from gateway.simulator.sending import send_document, send_kept, send_stream
from gateway.simulator.shelf import KeptJob
from gateway.simulator.wire import COMMENT, SERVICE_TIER, Chunk

# The tiers an answer may name; the simulator has them all.
TIERS = ("flex", "priority")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response, decided before its first byte goes out."""

    said: ChatAnswer
    request: Mapping[str, object]
    searches: int

    @property
    def choice(self) -> Choice:
        return self.said.choices[0]

    @property
    def response_id(self) -> str:
        return self.said.answer_id.replace("chatcmpl-", "resp_")

    @property
    def cut(self) -> bool:
        return self.choice.finish_reason == "length"


async def _respond(exchange: Exchange) -> web.StreamResponse:
    request = exchange.document()
    said = answer_chat(
        _as_chat(request),
        script=exchange.script,
        count=exchange.count,
        created_s=int(datetime.now(UTC).timestamp()),
    )
    answer = Answer(said, request, exchange.script.searches if _may_search(request) else 0)
    exchange.entry.prompt_tokens = said.prompt_tokens
    exchange.entry.texts = [""]
    await exchange.ready()
    if request.get("background") is True:
        _begin(exchange, answer)
    if exchange.entry.stream:
        return await send_stream(exchange, _events(answer))
    if request.get("background") is True:
        return await send_kept(exchange, _response(answer, output=[]) | {"status": "queued"})

    def produced(entry: Entry) -> None:
        entry.produced(tokens=answer.choice.tokens, text=answer.choice.text, choice=0)

    whole = _response(answer, output=_items(answer), over=True)
    return await send_document(
        exchange, orjson.dumps(whole, option=orjson.OPT_INDENT_2), produced=produced
    )


def _begin(exchange: Exchange, answer: Answer) -> None:
    """It goes on without the caller, and can be asked for, as a whole or event by event."""
    document = _response(answer, output=[]) | {"status": "queued"}

    def finish(job: KeptJob) -> None:
        if document["status"] == "cancelled":
            return
        document.update(_response(answer, output=_items(answer), over=True))
        if job.script.end:
            document.update({"status": job.script.end, "usage": None, "output": []})

    job = exchange.shelf.begin(document, script=exchange.script, finish=finish)
    job.events = lambda: _events(answer)


async def _retrieve(exchange: Exchange) -> web.StreamResponse:
    await exchange.ready()
    job = exchange.shelf.job(exchange.request.match_info["response_id"])
    if exchange.request.query.get("stream") == "true":
        return await send_stream(exchange, job.events())
    return await send_kept(exchange, job.look())


async def _cancel(exchange: Exchange) -> web.StreamResponse:
    job = exchange.shelf.job(exchange.request.match_info["response_id"])
    if not job.over:
        job.document["status"] = "cancelled"
        job.end()
    return await send_kept(exchange, job.document)


async def _delete(exchange: Exchange) -> web.StreamResponse:
    response_id = exchange.request.match_info["response_id"]
    exchange.shelf.job(response_id)
    del exchange.shelf.jobs[response_id]
    return await send_kept(exchange, {"id": response_id, "object": "response", "deleted": True})


ROUTES = (
    Route("POST", "/v1/responses", _respond),
    Route("GET", "/v1/responses/{response_id}", _retrieve),
    Route("DELETE", "/v1/responses/{response_id}", _delete),
    Route("POST", "/v1/responses/{response_id}/cancel", _cancel),
)


def _may_search(request: Mapping[str, object]) -> bool:
    return any(tool.get("type") == "web_search" for tool in _tools(request))


def _tools(request: Mapping[str, object]) -> list[dict[str, object]]:
    tools = request.get("tools")
    return [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []


def _as_chat(request: Mapping[str, object]) -> dict[str, object]:
    """The same question in the words of chat completions."""
    given = request.get("input")
    if given is None:
        raise RefusedRequest(
            "Missing required parameter: 'input'.",
            param="input",
            code="missing_required_parameter",
        )
    messages = given if isinstance(given, list) else [{"role": "user", "content": given}]
    if isinstance(instructions := request.get("instructions"), str):
        messages = [{"role": "developer", "content": instructions}, *messages]
    functions = [{"function": tool} for tool in _tools(request) if tool.get("type") == "function"]
    wanted = request.get("tool_choice")
    return {
        "model": request.get("model"),
        "messages": messages,
        "max_tokens": request.get("max_output_tokens"),
        "tools": functions,
        "tool_choice": {"function": wanted} if isinstance(wanted, dict) else wanted,
    }


def _response(
    answer: Answer, *, output: list[dict[str, object]], over: bool = False
) -> dict[str, object]:
    request, said = answer.request, answer.said
    tier = request.get("service_tier")
    response: dict[str, object] = {
        "id": answer.response_id,
        "object": "response",
        "created_at": said.created_s,
        "status": ("incomplete" if answer.cut else "completed") if over else "in_progress",
        "background": request.get("background") is True,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if over and answer.cut else None,
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "model": said.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": request.get("previous_response_id"),
        "service_tier": (tier if tier in TIERS else SERVICE_TIER) if over else "auto",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": request.get("tool_choice") or "auto",
        "tools": request.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(answer) if over and not said.script.no_usage else None,
        "metadata": {},
    }
    if over and answer.searches:
        response["tool_usage"] = {"web_search": {"num_requests": answer.searches}}
    return response


def _usage(answer: Answer) -> dict[str, object]:
    script = answer.said.script
    given, made = answer.said.prompt_tokens, answer.choice.tokens
    if script.completion_tokens is not None:
        made = script.completion_tokens
    if script.usage_zero:
        given = made = 0
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cache_write_tokens": 0,
            "cached_tokens": min(script.cached, given),
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": min(answer.said.reasoning_tokens, made)},
        "total_tokens": given + made,
    }


def _items(answer: Answer) -> list[dict[str, object]]:
    before = [_search(answer, n, status="completed") for n in range(answer.searches)]
    if answer.choice.reasoning_tokens:
        before.append(_reasoning(answer))
    status = "incomplete" if answer.cut else "completed"
    return [*before, _spoken(answer, text=answer.choice.text, status=status)]


def _search(answer: Answer, number: int, *, status: str) -> dict[str, object]:
    item: dict[str, object] = {
        "id": f"ws_{answer.response_id}{number}",
        "type": "web_search_call",
        "status": status,
    }
    found = {"action": {"type": "search", "query": "tolls"}} if status == "completed" else {}
    return item | found


def _reasoning(answer: Answer) -> dict[str, object]:
    return {"id": f"rs_{answer.response_id}", "type": "reasoning", "summary": []}


def _spoken(answer: Answer, *, text: str, status: str, opened: bool = True) -> dict[str, object]:
    """The message, or the function call, with what was said of it by now."""
    tool = answer.choice.tool
    if tool is not None:
        return {
            "id": f"fc_{answer.response_id}",
            "type": "function_call",
            "status": status,
            "arguments": text,
            "call_id": tool.call_id,
            "name": tool.name,
        }
    return {
        "id": f"msg_{answer.response_id}",
        "type": "message",
        "status": status,
        "content": [_part(text)] if opened else [],
        "role": "assistant",
    }


def _part(text: str) -> dict[str, object]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


@dataclass(slots=True)
class _Writer:
    """Numbers the events."""

    lead: bytes
    numbers: Iterator[int] = field(default_factory=count)

    def event(
        self, kind: str, fields: Mapping[str, object], *, tokens: int = 0, said: str = ""
    ) -> Chunk:
        told: dict[str, object] = {"type": kind, "sequence_number": next(self.numbers), **fields}
        data = b"%bevent: %b\ndata: %b\n\n" % (self.lead, kind.encode(), orjson.dumps(told))
        return Chunk(data, tokens, said)


def _events(answer: Answer) -> Iterator[Chunk]:
    writer = _Writer(COMMENT if answer.said.script.comments else b"")
    for kind in ("response.created", "response.in_progress"):
        yield writer.event(kind, {"response": _response(answer, output=[])})
    items = _items(answer)
    for index, item in enumerate(items[:-1]):
        yield from _instant_item(writer, index, item, answer=answer)
    last = len(items) - 1
    speak = _message_events if answer.choice.tool is None else _call_events
    yield from speak(writer, last, answer)
    yield writer.event("response.output_item.done", {"output_index": last, "item": items[last]})
    yield writer.event(
        "response.incomplete" if answer.cut else "response.completed",
        {"response": _response(answer, output=items, over=True)},
    )


def _instant_item(
    writer: _Writer, index: int, item: Mapping[str, object], *, answer: Answer
) -> Iterator[Chunk]:
    """A search, or thinking that nobody sees."""
    searching = item["type"] == "web_search_call"
    begun = _search(answer, index, status="in_progress") if searching else item
    yield writer.event("response.output_item.added", {"output_index": index, "item": begun})
    for step in ("in_progress", "searching", "completed") if searching else ():
        named = {"output_index": index, "item_id": item["id"]}
        yield writer.event(f"response.web_search_call.{step}", named)
    yield writer.event(
        "response.output_item.done",
        {"output_index": index, "item": item},
        tokens=0 if searching else answer.choice.reasoning_tokens,
    )


def _message_events(writer: _Writer, index: int, answer: Answer) -> Iterator[Chunk]:
    begun = _spoken(answer, text="", status="in_progress", opened=False)
    place = {"item_id": begun["id"], "output_index": index, "content_index": 0}
    yield writer.event("response.output_item.added", {"output_index": index, "item": begun})
    yield writer.event("response.content_part.added", place | {"part": _part("")})
    for part in answer.choice.parts:
        yield writer.event(
            "response.output_text.delta",
            place | {"delta": part.text, "logprobs": [], "obfuscation": "x"},
            tokens=part.tokens,
            said=part.text,
        )
    whole = answer.choice.text
    yield writer.event("response.output_text.done", place | {"text": whole, "logprobs": []})
    yield writer.event("response.content_part.done", place | {"part": _part(whole)})


def _call_events(writer: _Writer, index: int, answer: Answer) -> Iterator[Chunk]:
    begun = _spoken(answer, text="", status="in_progress")
    place = {"item_id": begun["id"], "output_index": index}
    yield writer.event(
        "response.output_item.added",
        {"output_index": index, "item": begun},
        tokens=answer.choice.tool.tokens if answer.choice.tool else 0,
    )
    for part in answer.choice.parts:
        yield writer.event(
            "response.function_call_arguments.delta",
            place | {"delta": part.text, "obfuscation": "x"},
            tokens=part.tokens,
            said=part.text,
        )
    done = place | {"arguments": answer.choice.text}
    yield writer.event("response.function_call_arguments.done", done)
