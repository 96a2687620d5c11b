"""The admin listener's own pages: is this process alive, is it ready, what has it counted.

Every worker binds the same admin address, so each must answer for all: metrics are read from
the shared cells. It listens on loopback unless told otherwise; no page needs a credential, and
none shows a key, an account or anything of a call.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from gateway.telemetry.exposition import expose
from gateway.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Readiness:
    """May a balancer send calls here? `reasons` says, part by part, why not: empty means yes."""

    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not self.reasons


METRICS = web.AppKey("metrics", Metrics)
READINESS: web.AppKey[Callable[[], Readiness]] = web.AppKey("readiness")
SCRAPE = web.AppKey("scrape", asyncio.Lock)


def admin_app(metrics: Metrics, readiness: Callable[[], Readiness]) -> web.Application:
    """`readiness` is asked on each GET /readyz and must answer from memory."""
    app = web.Application()
    app[METRICS] = metrics
    app[READINESS] = readiness
    app[SCRAPE] = asyncio.Lock()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_page)
    return app


async def healthz(_request: web.Request) -> web.Response:
    """Alive: the event loop turns. Says nothing about the store; restarting would not help it."""
    return _json(200, {"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    state = request.app[READINESS]()
    if state.ready:
        return _json(200, {"status": "ready", "reasons": {}})
    return _json(503, {"status": "not ready", "reasons": dict(state.reasons)})


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
