"""Reranking, as Cohere answers (models named `rerank-v…`) or as Jina, Voyage and vLLM do (all
others). https://docs.cohere.com/reference/rerank (looked at 2026-11).
"""

from hashlib import blake2b

import orjson
from aiohttp import web

from gateway.simulator.chat import RefusedRequest
from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Entry
from gateway.simulator.sending import send_document

BY_UNIT = "rerank-v"
DOCUMENTS_PER_UNIT = 100


async def _rerank(exchange: Exchange) -> web.StreamResponse:
    asked = exchange.document()
    documents, query = asked.get("documents"), str(asked.get("query"))
    if not isinstance(documents, list) or not documents:
        raise RefusedRequest("invalid request: list of documents must not be empty")
    tokens = sum(exchange.count(query) + exchange.count(str(each)) for each in documents)
    units = -(-len(documents) // DOCUMENTS_PER_UNIT)
    exchange.entry.prompt_tokens = tokens
    await exchange.ready()
    scores = {index: _score(query, each) for index, each in enumerate(documents)}
    answer: dict[str, object] = {
        "id": exchange.entry.request_id,
        "results": [
            {"index": index, "relevance_score": scores[index]}
            for index in sorted(scores, key=scores.__getitem__, reverse=True)
        ],
    }
    by_unit = exchange.entry.model.startswith(BY_UNIT)
    if by_unit and not exchange.script.no_usage:
        answer["meta"] = {"api_version": {"version": "2"}, "billed_units": {"search_units": units}}
    elif not exchange.script.no_usage:
        answer["usage"] = {"total_tokens": tokens}

    def produced(entry: Entry) -> None:
        entry.produced(tokens=0, made={"search_unit": units})

    return await send_document(exchange, orjson.dumps(answer), produced=produced)


ROUTES = tuple(Route("POST", path, _rerank) for path in ("/v1/rerank", "/v2/rerank", "/rerank"))


def _score(query: str, document: object) -> float:
    return blake2b(f"{query}{document}".encode(), digest_size=1).digest()[0] / 256
