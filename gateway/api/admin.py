"""The admin listener: is this process alive, is it ready, what has it counted; and the operators'
side of the Metering API.

Every worker binds the same admin address, so each must answer for all: metrics are read from
the shared cells. It listens on loopback unless told otherwise. The pages need no credential, and
none shows a key, an account or anything of a call; the API needs a service key, and what the
operators' dashboard shows comes from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from aiohttp import web

from gateway.api.metering import PREFIX
from gateway.telemetry.exposition import expose
from gateway.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Readiness:
    """May a balancer send calls here? `reasons` says, part by part, why not: empty means yes.
    `closed_shards`: parts of the ledger whose accounts are refused, here as elsewhere."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    closed_shards: Sequence[Mapping[str, object]] = ()

    @property
    def ready(self) -> bool:
        return not self.reasons


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages(Protocol):
    def answers(self, method: str, path: str) -> bool: ...

    def answer(self, request: web.BaseRequest) -> web.Response: ...


METRICS = web.AppKey("metrics", Metrics)
READINESS: web.AppKey[Callable[[], Readiness]] = web.AppKey("readiness")
PAGES: web.AppKey[Pages] = web.AppKey("pages")
SCRAPE = web.AppKey("scrape", asyncio.Lock)


def admin_app(
    metrics: Metrics, readiness: Callable[[], Readiness], metering: Handler, pages: Pages
) -> web.Application:
    """`readiness` is asked on each GET /readyz and must answer from memory; `metering` answers
    below /metering, `pages` the dashboard."""
    app = web.Application()
    app[METRICS] = metrics
    app[READINESS] = readiness
    app[SCRAPE] = asyncio.Lock()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_page)
    # Any path below, line breaks included: what is no operation is the API's to say.
    app.router.add_route("*", PREFIX + "{path:(?s:.*)}", metering)
    app[PAGES] = pages
    app.router.add_get("/dashboard{path:.*}", dashboard)
    return app


async def dashboard(request: web.Request) -> web.Response:
    pages = request.app[PAGES]
    if not pages.answers(request.method, request.raw_path.partition("?")[0]):
        raise web.HTTPNotFound
    return pages.answer(request)


async def healthz(_request: web.Request) -> web.Response:
    """Alive: the event loop turns. Says nothing about the store; restarting would not help it."""
    return _json(200, {"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    state = request.app[READINESS]()
    document: dict[str, object] = {"status": "ready", "reasons": dict(state.reasons)}
    if state.closed_shards:
        document["closed_shards"] = list(state.closed_shards)
    if state.ready:
        return _json(200, document)
    return _json(503, document | {"status": "not ready"})


async def metrics_page(request: web.Request) -> web.Response:
    # One scrape at a time: a dozen of them at once would take the interpreter from the calls.
    async with request.app[SCRAPE]:
        exposition = await expose(request.app[METRICS], accept=request.headers.get("Accept", ""))
    return web.Response(
        body=exposition.body,
        headers={"Content-Type": exposition.content_type, "Cache-Control": "no-store"},
    )


def _json(status: int, document: Mapping[str, object]) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(document),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )
