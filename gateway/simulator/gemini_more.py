"""What else the Gemini API has: embeddings, cached contents, files, pictures.

Nothing is streamed, and nothing is kept but the length of an upload that has begun. Shapes as in
the Gemini API reference (looked at 2026-11).
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import orjson
from aiohttp import web

from gateway.simulator.chat import RefusedRequest
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.gemini import PLACES, nothing, objects, spelled
from gateway.simulator.gemini_wire import GEMINI
from gateway.simulator.sending import answer_headers, send_document

DIMENSIONS = 16
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()
CACHED_ID = "cachedContents/simulated"
DEFAULT_TTL_S = 3_600.0


async def _embed(exchange: Exchange) -> web.StreamResponse:
    document = exchange.document()
    exchange.entry.model = exchange.request.match_info["model"]
    listed = document.get("requests")
    asked = [document] if listed is None else objects(listed)
    exchange.entry.prompt_tokens = sum(_tokens(each, exchange) for each in asked)
    await exchange.ready()
    vectors = [{"values": _vector(each)} for each in asked]
    answer: dict[str, object] = (
        {"embedding": vectors[0]} if listed is None else {"embeddings": vectors}
    )
    if not exchange.script.no_usage:
        answer["usageMetadata"] = {"promptTokenCount": exchange.entry.prompt_tokens}
    return await send_document(exchange, orjson.dumps(answer), produced=nothing)


async def _create_cache(exchange: Exchange) -> web.StreamResponse:
    document = exchange.document()
    exchange.entry.prompt_tokens = _tokens(document, exchange)
    await exchange.ready()
    return await _send_cache(exchange, document)


async def _update_cache(exchange: Exchange) -> web.StreamResponse:
    document = exchange.document()
    exchange.entry.prompt_tokens = 4_096
    await exchange.ready()
    return await _send_cache(exchange, document)


async def _send_cache(exchange: Exchange, asked: Mapping[str, object]) -> web.StreamResponse:
    now = datetime.now(UTC)
    ttl = str(asked.get("ttl") or f"{DEFAULT_TTL_S}s").removesuffix("s")
    ends = spelled(asked, "expireTime", "expire_time") or _moment(
        now + timedelta(seconds=float(ttl))
    )
    cached = {
        "name": CACHED_ID,
        "model": asked.get("model", "models/gemini-2.5-flash"),
        "createTime": _moment(now),
        "updateTime": _moment(now),
        "expireTime": ends,
        "usageMetadata": {"totalTokenCount": exchange.entry.prompt_tokens},
    }
    return await send_document(exchange, orjson.dumps(cached), produced=nothing)


async def _forget_cache(exchange: Exchange) -> web.StreamResponse:
    return web.Response(headers=answer_headers(exchange.vendor, exchange.entry), body=b"{}")


async def _predict(exchange: Exchange) -> web.StreamResponse:
    document = exchange.document()
    exchange.entry.model = exchange.request.match_info["model"]
    await exchange.ready()
    parameters = document.get("parameters")
    count = parameters.get("sampleCount") if isinstance(parameters, dict) else None
    pictures = [{"mimeType": "image/png", "bytesBase64Encoded": PICTURE}] * (int(count or 4))
    return await send_document(exchange, orjson.dumps({"predictions": pictures}), produced=nothing)


async def _start_upload(exchange: Exchange) -> web.StreamResponse:
    request = exchange.request
    if request.headers.get("X-Goog-Upload-Protocol") != "resumable":
        raise RefusedRequest("Only resumable uploads are simulated.")
    if "upload_id" in request.query:
        return _finish_upload(exchange)
    upload = request.url.with_query(
        upload_id=exchange.entry.request_id, upload_protocol="resumable"
    )
    headers = answer_headers(exchange.vendor, exchange.entry) | {
        "X-Goog-Upload-URL": str(upload),
        "X-Goog-Upload-Status": "active",
        "X-Goog-Upload-Chunk-Granularity": "8388608",
    }
    return web.Response(headers=headers, body=b"")


def _finish_upload(exchange: Exchange) -> web.Response:
    size = len(exchange.entry.body)
    stored = {
        "name": "files/simulated",
        "mimeType": "text/plain",
        "sizeBytes": str(size),
        "uri": "https://generativelanguage.googleapis.com/v1beta/files/simulated",
        "state": "ACTIVE",
    }
    headers = answer_headers(exchange.vendor, exchange.entry) | {"X-Goog-Upload-Status": "final"}
    return web.Response(headers=headers, body=orjson.dumps({"file": stored}))


def _tokens(asked: Mapping[str, object], exchange: Exchange) -> int:
    contents = [*objects(asked.get("content")), *objects(asked.get("contents"))]
    texts = [str(part.get("text", "")) for each in contents for part in objects(each.get("parts"))]
    return sum(map(exchange.count, texts))


def _vector(asked: Mapping[str, object]) -> list[float]:
    """The same for the same input; its length is one, as those of the real models."""
    digest = blake2b(orjson.dumps(asked.get("content")), digest_size=DIMENSIONS).digest()
    norm = sum(byte * byte for byte in digest) ** 0.5 or 1.0
    return [byte / norm for byte in digest]


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_CACHES = (
    "/{version:v1|v1beta}/cachedContents",
    "/{version:v1|v1beta1}/projects/{project}/locations/{location}/cachedContents",
)
ROUTES = (
    *(
        Route("POST", f"{place}:{{verb:embedContent|batchEmbedContents}}", _embed, GEMINI)
        for place in PLACES
    ),
    *(Route("POST", f"{place}:predict", _predict, GEMINI) for place in PLACES),
    *(Route("POST", caches, _create_cache, GEMINI) for caches in _CACHES),
    *(Route("PATCH", f"{caches}/{{id}}", _update_cache, GEMINI) for caches in _CACHES),
    *(Route("DELETE", f"{caches}/{{id}}", _forget_cache, GEMINI) for caches in _CACHES),
    Route("POST", "/upload/{version:v1|v1beta}/files", _start_upload, GEMINI),
)
