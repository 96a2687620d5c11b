"""The admin listener as operators run it: several workers on one port, any of them may answer."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator

import aiohttp
import orjson
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.admin import Readiness, admin_app
from gateway.dashboard.pages import Pages
from gateway.telemetry import exposition
from gateway.telemetry.closed_sets import MetricLabels
from gateway.telemetry.metrics import Metrics

WORKERS = 3
LABELS = MetricLabels(
    dialects=("openai_chat",),
    providers=("openai",),
    models=tuple(f"model-{index}" for index in range(60)),
)


async def serve(app: web.Application, port: int) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
    return runner


PAGES = Pages("operator")


async def nothing(_: web.Request) -> web.Response:
    return web.Response(status=404)


class Listener:
    """One worker's admin listener in this process, with a readiness the test can change."""

    def __init__(self) -> None:
        self.metrics = Metrics.create(LABELS, workers=1)
        self.metrics.attach(0)
        self.readiness = Readiness()
        self.base = ""

    async def get(self, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.base}{path}", headers=headers) as response,
        ):
            return response, await response.read()


@pytest.fixture
async def listener():
    listener = Listener()
    runner = await serve(admin_app(listener.metrics, lambda: listener.readiness, nothing, PAGES), 0)
    listener.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield listener
    await runner.cleanup()


async def test_alive_and_ready_say_so(listener) -> None:
    alive, alive_body = await listener.get("/healthz")
    ready, ready_body = await listener.get("/readyz")

    assert (200, {"status": "ok"}) == (alive.status, orjson.loads(alive_body))
    assert (200, {"status": "ready", "reasons": {}}) == (ready.status, orjson.loads(ready_body))


async def test_not_ready_names_every_reason_and_stays_alive(listener) -> None:
    listener.readiness = Readiness({"store": "no answer for 2 s", "draining": "SIGTERM"})
    ready, body = await listener.get("/readyz")
    alive, _ = await listener.get("/healthz")

    assert 503 == ready.status
    assert {"store": "no answer for 2 s", "draining": "SIGTERM"} == orjson.loads(body)["reasons"]
    assert 200 == alive.status


async def test_metrics_come_in_the_format_the_scraper_asks_for(listener) -> None:
    text, _ = await listener.get("/metrics")
    open_metrics, body = await listener.get(
        "/metrics", Accept="application/openmetrics-text;version=1.0.0"
    )

    assert "text/plain; version=0.0.4; charset=utf-8" == text.headers["Content-Type"]
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


async def test_rendering_does_not_hold_up_the_event_loop(listener, monkeypatch) -> None:
    """A scrape that takes for ever is under way while another page is answered."""
    began, go_on = threading.Event(), threading.Event()

    def slow_render(metrics: Metrics, *, accept: str) -> exposition.Exposition:
        began.set()
        assert go_on.wait(10)
        return render(metrics, accept=accept)

    render = exposition.render
    monkeypatch.setattr(exposition, "render", slow_render)
    scrape = asyncio.ensure_future(listener.get("/metrics"))
    assert await asyncio.to_thread(began.wait, 10)
    alive, _ = await listener.get("/healthz")
    unfinished = not scrape.done()
    go_on.set()

    assert (200, True) == (alive.status, unfinished)
    assert 200 == (await scrape)[0].status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def work(metrics: Metrics, slot: int, port: int, announce: int) -> None:
    """A worker's whole life: count something, listen, say so, and wait to be ended."""
    metrics.attach(slot)
    for _ in range(100 * (slot + 1)):
        metrics.refused("draining")

    async def live() -> None:
        await serve(admin_app(metrics, Readiness, nothing, PAGES), port)
        os.write(announce, b".")
        await asyncio.Event().wait()

    asyncio.new_event_loop().run_until_complete(live())


@pytest.fixture
def fleet() -> Iterator[int]:
    """The port that WORKERS forked workers listen on."""
    metrics = Metrics.create(LABELS, workers=WORKERS)
    port = free_port()
    ready, announce = os.pipe()
    children = []
    for slot in range(WORKERS):
        child = os.fork()
        if child == 0:
            try:
                work(metrics, slot, port, announce)
            finally:
                os._exit(1)
        children.append(child)
    os.close(announce)
    for _ in children:
        assert b"." == os.read(ready, 1)
    os.close(ready)
    yield port
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


async def test_any_worker_answers_with_the_totals_of_all(fleet) -> None:
    totals = set()
    for _ in range(12):
        # A connection of its own each time, so that the kernel picks another worker.
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{fleet}/metrics") as response,
        ):
            text = await response.text()
        totals |= {
            (sample.name, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("reason") == "draining" or sample.name == "tollkeeper_workers"
        }

    assert {("tollkeeper_refusals_total", 600.0), ("tollkeeper_workers", 3.0)} == totals
