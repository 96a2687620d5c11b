"""Gemini's API: what `chat` decides to say, as candidates with parts.

The model and what is to be done stand in the path. `x-simulate: reasoning=N` are thoughts,
`cached=N` prompt tokens read from a cache, `searches=N` the queries of a prompt that has a search
among its tools.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.simulator.chat import CountTokens, answer_chat
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.gemini_wire import GEMINI, Answer, document, elements, events
from gateway.simulator.journal import Entry
from gateway.simulator.script import Script
from gateway.simulator.sending import EVENT_STREAM, JSON, answer_headers, send_document, send_stream

MODELS = ("gemini-2.5-flash", "gemini-3-pro-preview", "gemini-2.5-flash-image")


async def generate(exchange: Exchange) -> web.StreamResponse:
    answer = _answer(exchange)
    said = answer.said
    entry = exchange.entry
    entry.prompt_tokens = said.prompt_tokens
    entry.texts = [""] * len(said.choices)
    await exchange.ready()
    if entry.stream:
        if exchange.request.query.get("alt") == "sse":
            return await send_stream(exchange, events(answer), content_type=EVENT_STREAM)
        return await send_stream(exchange, elements(answer), content_type=JSON)

    def produced(entry: Entry) -> None:
        for index, choice in enumerate(said.choices):
            entry.produced(tokens=choice.tokens, text=choice.text, choice=index)

    return await send_document(exchange, document(answer), produced=produced)


async def count(exchange: Exchange) -> web.StreamResponse:
    prompt = _answer(exchange).said.prompt_tokens
    await exchange.ready()
    counted = {
        "totalTokens": prompt,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    return await send_document(exchange, orjson.dumps(counted), produced=nothing)


async def _list_models(exchange: Exchange) -> web.StreamResponse:
    models = {"models": [_model(model) for model in MODELS]}
    headers = answer_headers(exchange.vendor, exchange.entry)
    return web.Response(headers=headers, body=orjson.dumps(models))


async def _get_model(exchange: Exchange) -> web.StreamResponse:
    headers = answer_headers(exchange.vendor, exchange.entry)
    model = _model(exchange.request.match_info["model"])
    return web.Response(headers=headers, body=orjson.dumps(model))


def nothing(_entry: Entry) -> None:
    """No tokens are put out."""


def objects(value: object) -> list[Mapping[str, object]]:
    found = value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict)]


def spelled(fields: Mapping[str, object], camel: str, snake: str) -> object:
    """Either spelling will do, as in every Google API."""
    return fields.get(camel, fields.get(snake))


def answer_to(
    request: Mapping[str, object], *, model: str, stream: bool, script: Script, count: CountTokens
) -> Answer:
    said = answer_chat(
        _as_chat(request) | {"model": model, "stream": stream},
        script=script,
        count=count,
        created_s=int(datetime.now(UTC).timestamp()),
    )
    return Answer(said=said, grounding=_grounding(request, script.searches))


def _answer(exchange: Exchange) -> Answer:
    request = exchange.document()
    parts, entry = exchange.request.match_info, exchange.entry
    # They are not in the document, from which the journal has them otherwise.
    entry.model, entry.stream = parts["model"], parts.get("verb") == "streamGenerateContent"
    return answer_to(
        request,
        model=entry.model,
        stream=entry.stream,
        script=exchange.script,
        count=exchange.count,
    )


def _as_chat(request: Mapping[str, object]) -> dict[str, object]:
    inner = request.get("generateContentRequest")
    asked = inner if isinstance(inner, dict) else request
    config = spelled(asked, "generationConfig", "generation_config")
    limits = config if isinstance(config, dict) else {}
    contents = [
        *objects(spelled(asked, "systemInstruction", "system_instruction")),
        *objects(asked.get("contents")),
    ]
    functions = [
        {"type": "function", "function": _as_function(function)}
        for tool in objects(asked.get("tools"))
        for function in objects(spelled(tool, "functionDeclarations", "function_declarations"))
    ]
    return {
        "messages": [_as_message(content) for content in contents],
        "max_tokens": spelled(limits, "maxOutputTokens", "max_output_tokens"),
        "n": spelled(limits, "candidateCount", "candidate_count"),
        "tools": functions,
        "tool_choice": _tool_choice(spelled(asked, "toolConfig", "tool_config")),
    }


def _as_message(content: Mapping[str, object]) -> dict[str, object]:
    """What is no text in it counts by its JSON."""
    parts = [
        part if "text" in part else {"text": orjson.dumps(part).decode()}
        for part in objects(content.get("parts"))
    ]
    return {"role": content.get("role", "user"), "content": parts}


def _as_function(declared: Mapping[str, object]) -> dict[str, object]:
    """Its schema is in JSON Schema, or in OpenAPI's with the types in capitals."""
    schema = spelled(declared, "parametersJsonSchema", "parameters_json_schema")
    if schema is None:
        schema = orjson.loads(orjson.dumps(declared.get("parameters") or {}).lower())
    return {"name": declared.get("name"), "parameters": schema}


def _tool_choice(config: object) -> object:
    calling = (
        spelled(config, "functionCallingConfig", "function_calling_config")
        if isinstance(config, dict)
        else None
    )
    mode = calling.get("mode") if isinstance(calling, dict) else None
    return {"ANY": "required", "NONE": "none"}.get(str(mode))


def _grounding(request: Mapping[str, object], searches: int) -> dict[str, object]:
    searching = any("googleSearch" in tool for tool in objects(request.get("tools")))
    if not searching or not searches:
        return {}
    return {
        "webSearchQueries": [f"query {number}" for number in range(searches)],
        "groundingChunks": [{"web": {"uri": "https://example.com", "title": "example.com"}}],
        "searchEntryPoint": {"renderedContent": "<div></div>"},
    }


def _model(model: str) -> dict[str, object]:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model.title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


_MODEL = "{model:[^:/]+}"
PLACES = (
    f"/{{version:v1|v1beta|v1alpha}}/models/{_MODEL}",
    f"/{{version:v1|v1beta}}/tunedModels/{_MODEL}",
    "/{version:v1|v1beta1}/projects/{project}/locations/{location}/publishers/google/models/"
    + _MODEL,
    f"/{{version:v1|v1beta1}}/publishers/google/models/{_MODEL}",
)
LIST_MODELS = Route("GET", "/v1/models", _list_models, GEMINI)
"""At a path that is OpenAI's as well: whose client asks says which answers."""

ROUTES = (
    *(
        Route("POST", f"{place}:{{verb:generateContent|streamGenerateContent}}", generate, GEMINI)
        for place in PLACES
    ),
    *(Route("POST", f"{place}:countTokens", count, GEMINI) for place in PLACES),
    Route("GET", "/v1beta/models", _list_models, GEMINI),
    Route("GET", f"/{{version:v1|v1beta}}/models/{_MODEL}", _get_model, GEMINI),
)
