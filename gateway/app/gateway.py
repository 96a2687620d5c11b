"""One worker's running whole: listeners, pipeline, background work."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import uuid4

from aiohttp import web

from gateway.access.keys import Authentication
from gateway.api.admin import Readiness, admin_app
from gateway.app.control_plane import control_plane
from gateway.app.data_plane import data_plane
from gateway.app.exports import open_exporter
from gateway.app.front import Front
from gateway.app.inherited import Inherited
from gateway.app.providers import provider_of, socket_session
from gateway.app.stores import open_history, open_stores
from gateway.metering.events import End
from gateway.metering.history import DAY_MS
from gateway.proxy.handler import ProxyHandler
from gateway.proxy.observation import Observation
from gateway.proxy.running import RunningCalls
from gateway.proxy.settlements import Settlements
from gateway.proxy.slow_heads import SlowHeads
from gateway.settings.coverage import free_endpoints, unmetered
from gateway.stores.redis.client import State
from gateway.stores.spool import FileSpool
from gateway.tasks import TaskSet
from gateway.telemetry.lag import watch_loop_lag
from gateway.telemetry.logs import Level, Log
from gateway.workers import reaper, replay
from gateway.workers.declare import Declared, declare
from gateway.workers.jobs import JobPoller
from gateway.workers.journal import Journal

# Settlements still unanswered when a worker stops get this long before they are left to the spool.
LAST_ANSWERS_S = 3.0
LISTEN_BACKLOG = 1024


class Gateway:
    """One worker: listeners, pipeline, background work; started once, drained, closed."""

    def __init__(self, inherited: Inherited, *, worker_index: int, log: Log) -> None:
        self._inherited = inherited
        self._settings = inherited.settings
        self._worker_index = worker_index
        self._log = log
        self._metrics = inherited.metrics
        self._observation = Observation(log, inherited.metrics)
        self._running = RunningCalls(on_fault=lambda fault: self._observation.fault("tick", fault))
        self._slow_heads = SlowHeads(timeout_s=self._settings.listen.head_timeout_s)
        self._background = TaskSet()
        self._bills = TaskSet()
        self._cleanup = AsyncExitStack()
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises StoreUnavailable without a store, OSError for a port that is taken."""
        settings = self._settings
        self._metrics.attach(self._worker_index)
        self.stores = await self._cleanup.enter_async_context(
            open_stores(settings, self._inherited.address)
        )
        self.history = await self._cleanup.enter_async_context(open_history(settings))
        self._spool = FileSpool(settings.store.data_dir / "spool", worker_index=self._worker_index)
        self._cleanup.push_async_callback(self._spool.close)
        if self._spool.damaged:
            self._log.state("spool_damaged", level=Level.ERROR, lost_lines=self._spool.damaged)
        self._settlements = Settlements(
            self.stores.ledger, self._spool, tasks=self._bills, observer=self._observation
        )
        sockets = await self._cleanup.enter_async_context(socket_session())
        providers = {
            name: provider_of(each, sockets=sockets, running=self._running, cleanup=self._cleanup)
            for name, each in settings.providers.items()
        }
        authentication = Authentication(
            self.stores.keys,
            self.stores.ledger,
            plans=settings.plans,
            pepper=self._inherited.address.pepper,
        )
        self._control = control_plane(
            self._inherited,
            stores=self.stores,
            history=self.history,
            authentication=authentication,
            observation=self._observation,
        )
        self._data_plane = data_plane(
            self._inherited,
            stores=self.stores,
            authentication=authentication,
            providers=providers,
            settlements=self._settlements,
            running=self._running,
            tasks=self._bills,
            observation=self._observation,
        )
        await self.stores.outbox.publish_prices(settings.rate_card.lines)
        await declare(self._declarations(), keys=self.stores.keys, ledger=self.stores.ledger)
        self._start_background()
        self._exporter = await self._cleanup.enter_async_context(
            open_exporter(
                self._inherited,
                keys=self.stores.keys,
                log=self._log,
                worker_index=self._worker_index,
            )
        )
        await self._listen()
        self._log.state(
            "started", worker=self._worker_index, port=settings.listen.port, config=settings.digest
        )
        if self._worker_index == 0:
            self._tell_unmetered()

    def _tell_unmetered(self) -> None:
        """Once, whatever the number of workers: what is served without a charge."""
        found = unmetered(self._settings)
        for each in found:
            self._log.state(
                "unmetered_route", level=Level.WARNING, route=each.route, reason=each.reason
            )
        free = free_endpoints(self._settings)
        self._log.state("metering_checked", unmetered_routes=len(found), free_endpoints=free)

    def _declarations(self) -> Sequence[Declared]:
        pepper = self._inherited.address.pepper
        return [
            Declared(
                account=declared.account,
                keys=tuple(
                    key.stored(declared.account.account_id, pepper) for key in declared.keys
                ),
                grants=declared.grants,
            )
            for declared in self._settings.accounts
        ]

    def _start_background(self) -> None:
        self._running.also(self._report)
        self._background.start(self._running.run(), name="look at running calls")
        self._background.start(
            reaper.run(
                self.stores.ledger,
                observer=self._observation,
                on_failure=self._observation.sweep_failed,
            ),
            name="reaper",
        )
        journal = Journal(
            self.stores.outbox,
            self.history,
            holder=uuid4().hex,
            now_ms=self.stores.ledger.now_ms,
            observer=self._observation,
            keep_ms=self._settings.history.keep_days * DAY_MS,
        )
        self._background.start(journal.run(), name="journal")
        self._background.start(watch_loop_lag(self._metrics), name="loop lag")
        self._background.start(
            replay.run(
                self._spool,
                self.stores.ledger,
                on_outcome=self._observation.settled,
                on_failure=self._observation.replay_failed,
            ),
            name="replay",
        )
        poller = JobPoller(
            self.stores.jobs,
            self._data_plane.following.look,
            now_ms=self.stores.ledger.now_ms,
            longest_ms=int(self._settings.metering.job_poll_s * 1000),
            on_failure=self._observation.job_not_asked,
            on_fault=lambda fault: self._observation.fault("jobs", fault),
        )
        self._background.start(poller.run(), name="ask for jobs")

    def _report(self) -> None:
        """At each tick: gauges, and endings that wait for the store."""
        up = self.stores.client.state is State.CONNECTED
        self._metrics.set_open_calls(len(self._running))
        self._observation.store(up=up)
        self._metrics.set_spool_waiting(self._spool.waiting)
        if up and self._settlements.waiting:
            self._settlements.retry()

    async def _listen(self) -> None:
        listen, admin = self._settings.listen, self._settings.admin
        loop = asyncio.get_running_loop()
        handler = ProxyHandler(
            self._data_plane.pipeline,
            observation=self._observation,
            apis=self._data_plane.apis,
            default_api=self._data_plane.apis["openai"],
            slow_heads=self._slow_heads,
            body_timeout_s=listen.body_timeout_s,
        )
        self._server = web.Server(
            Front(handler, self._control).handle,
            # A request's bytes are inspected and forwarded as they came, never unpacked.
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=75.0,
        )
        self._running.also(lambda: self._slow_heads.sweep(self._server))
        self._listener = await loop.create_server(
            self._server, listen.host, listen.port, reuse_port=True, backlog=LISTEN_BACKLOG
        )
        self._admin = web.AppRunner(admin_app(self._metrics, self.readiness), access_log=None)
        await self._admin.setup()
        self._cleanup.push_async_callback(self._admin.cleanup)
        await web.TCPSite(self._admin, admin.host, admin.port, reuse_port=True).start()

    @property
    def port(self) -> int:
        """Where callers connect; of interest when the system chose it."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def admin_port(self) -> int:
        return int(self._admin.addresses[0][1])

    def readiness(self) -> Readiness:
        reasons: dict[str, str] = {}
        state = self.stores.client.state
        if state is not State.CONNECTED:
            reasons["store"] = f"{state}: calls are refused until it answers"
        if self._data_plane.pipeline.draining:
            reasons["draining"] = "shutting down: running calls end, new ones are refused"
        if not self._settlements.healthy:
            reasons["spool"] = "settlements have no durable place: free disk space"
        return Readiness(reasons)

    async def drain(self) -> None:
        """Take no new calls, let the running ones end, cut what is left at the deadline."""
        self._data_plane.pipeline.draining = True
        if self._listener is not None:
            self._listener.close()
        self._server.pre_shutdown()
        await self._running.ended(timeout_s=self._settings.listen.drain_s)
        self._running.cut_all(End.CUT_BY_SHUTDOWN)
        await self._running.ended(timeout_s=LAST_ANSWERS_S)
        await self._bills.drain(timeout_s=LAST_ANSWERS_S)
        await self._settlements.answered(timeout_s=LAST_ANSWERS_S)
        await self._exporter.stop(timeout_s=self._settings.export.flush_s)

    async def close(self) -> None:
        """Stop everything, stores last; after `drain`, unless starting failed."""
        if self._listener is not None:
            self._listener.close()
            await self._server.shutdown(timeout=1.0)
        await self._background.cancel()
        self._log.state("stopped", worker=self._worker_index)
        await self._cleanup.aclose()
