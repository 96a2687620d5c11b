"""Embeddings and moderations, as OpenAI answers them. https://platform.openai.com/docs/api-reference
(looked at 2026-11): nothing is streamed, and moderations report no usage.
"""

import base64
import struct
from collections.abc import Mapping
from hashlib import blake2b

import orjson
from aiohttp import web

from gateway.simulator.chat import CountTokens, RefusedRequest
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Entry
from gateway.simulator.sending import send_document
from gateway.simulator.vendor import AZURE

DIMENSIONS = 16
CATEGORIES = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")


async def _embed(exchange: Exchange) -> web.StreamResponse:
    document = exchange.document()
    inputs = _inputs(document)
    packed = document.get("encoding_format") == "base64"
    tokens = sum(_tokens(each, exchange.count) for each in inputs)
    exchange.entry.prompt_tokens = tokens
    await exchange.ready()
    answer: dict[str, object] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _vector(each, packed=packed)}
            for index, each in enumerate(inputs)
        ],
        "model": document.get("model"),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    if exchange.script.no_usage:
        del answer["usage"]
    return await send_document(
        exchange, orjson.dumps(answer, option=orjson.OPT_INDENT_2), produced=_nothing
    )


async def _moderate(exchange: Exchange) -> web.StreamResponse:
    document = exchange.document()
    judged = document.get("input")
    count = len(judged) if isinstance(judged, list) else 1
    await exchange.ready()
    answer = {
        "id": "modr-simulated",
        "model": document.get("model") or "omni-moderation-latest",
        "results": [_judgement() for _ in range(count)],
    }
    return await send_document(
        exchange, orjson.dumps(answer, option=orjson.OPT_INDENT_2), produced=_nothing
    )


ROUTES = (
    Route("POST", "/v1/embeddings", _embed),
    Route("POST", "/openai/deployments/{model}/embeddings", _embed, AZURE),
    Route("POST", "/v1/moderations", _moderate),
)


def _inputs(document: Mapping[str, object]) -> list[object]:
    value = document.get("input")
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise RefusedRequest("'$.input' is invalid.", param="input")
    return [value] if all(isinstance(each, int) for each in value) else value


def _tokens(each: object, count: CountTokens) -> int:
    return len(each) if isinstance(each, list) else count(str(each))


def _vector(each: object, *, packed: bool) -> object:
    """The same for the same input; its length is one, as those of the real models."""
    digest = blake2b(orjson.dumps(each), digest_size=DIMENSIONS).digest()
    norm = sum(byte * byte for byte in digest) ** 0.5 or 1.0
    vector = [byte / norm for byte in digest]
    if not packed:
        return vector
    return base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()


def _judgement() -> dict[str, object]:
    return {
        "flagged": False,
        "categories": dict.fromkeys(CATEGORIES, False),
        "category_scores": dict.fromkeys(CATEGORIES, 0.0001),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def _nothing(_entry: Entry) -> None:
    """No tokens are put out."""
