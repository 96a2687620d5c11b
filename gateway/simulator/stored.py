"""Containers and vector stores, as far as they cost something.
https://platform.openai.com/docs/api-reference (looked at 2026-11).
"""

from datetime import UTC, datetime

import orjson
from aiohttp import web

from gateway.simulator.exchange import Exchange, Route
from gateway.simulator.journal import Entry
from gateway.simulator.sending import Produced, send_document


async def _make_container(exchange: Exchange) -> web.StreamResponse:
    asked = exchange.document()
    await exchange.ready()
    now_s = int(datetime.now(UTC).timestamp())
    container = {
        "id": f"cntr_{exchange.entry.request_id}",
        "object": "container",
        "created_at": now_s,
        "status": "running",
        "expires_after": {"anchor": "last_active_at", "minutes": 20},
        "last_active_at": now_s,
        "memory_limit": asked.get("memory_limit", "1g"),
        "name": asked.get("name"),
    }
    return await send_document(exchange, orjson.dumps(container), produced=_one("container"))


async def _search(exchange: Exchange) -> web.StreamResponse:
    asked = exchange.document()
    await exchange.ready()
    found = {
        "file_id": "file-simulated",
        "filename": "roads.txt",
        "score": 0.9,
        "attributes": {},
        "content": [{"type": "text", "text": "The toll road ends at the river."}],
    }
    page = {
        "object": "vector_store.search_results.page",
        "search_query": [asked.get("query")],
        "data": [found],
        "has_more": False,
        "next_page": None,
    }
    return await send_document(exchange, orjson.dumps(page), produced=_one("file_search"))


ROUTES = (
    Route("POST", "/v1/containers", _make_container),
    Route("POST", "/v1/vector_stores/{store}/search", _search),
)


def _one(piece: str) -> Produced:
    def produced(entry: Entry) -> None:
        entry.produced(tokens=0, made={piece: 1})

    return produced
