"""One worker's running whole: listeners, pipeline, background work."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from time import monotonic
from uuid import uuid4

from gateway.access.accounts import Accounts
from gateway.access.keys import Authentication
from gateway.api.admin import Readiness, admin_app
from gateway.api.feed import Feed
from gateway.api.resources import Condition
from gateway.app.control_plane import control_plane, oversight
from gateway.app.data_plane import data_plane
from gateway.app.declarations import declarations
from gateway.app.exports import open_exporter, open_outside
from gateway.app.front import Front
from gateway.app.inherited import Inherited
from gateway.app.leaving import connections_ended, take_in
from gateway.app.listening import Listener, Sockets
from gateway.app.operators import OperatorsListener
from gateway.app.providers import provider_of, socket_session
from gateway.app.server import CallsServer
from gateway.app.settling import settling
from gateway.app.stores import open_history, open_stores
from gateway.app.telling import tell_changes, tell_unmetered
from gateway.dashboard.pages import Pages
from gateway.metering.events import End
from gateway.metering.history import DAY_MS
from gateway.metering.journal import SHARDS
from gateway.metering.refusals import Tally
from gateway.proxy.handler import ProxyHandler
from gateway.proxy.observation import Observation
from gateway.proxy.providers import Provider
from gateway.proxy.running import RunningCalls
from gateway.proxy.slow_heads import SlowHeads
from gateway.stores.redis.node import State
from gateway.stores.spool import FileSpool
from gateway.tasks import TaskSet
from gateway.telemetry.lag import watch_loop
from gateway.telemetry.logs import Level, Log
from gateway.telemetry.spans import open_spans
from gateway.telemetry.vitals import vitals
from gateway.workers import agenda, reaper, replay
from gateway.workers.declare import declare
from gateway.workers.jobs import JobPoller
from gateway.workers.journal import Journal
from gateway.workers.notices import NoticeSender
from gateway.workers.refusals import RefusalReporter
from gateway.workers.rewound import Rewound, Watch

# Settlements still unanswered when a worker stops get this long before they are left to the spool.
LAST_ANSWERS_S = 3.0


class Gateway:
    """One worker: listeners, pipeline, background work; started once, drained, closed."""

    def __init__(
        self, inherited: Inherited, sockets: Sockets, *, worker_index: int, log: Log
    ) -> None:
        """`sockets`: this process's, closed when the worker leaves."""
        self._inherited = inherited
        self._sockets = sockets
        self._calls = sockets.calls[worker_index]
        self.port, self.admin_port = _port(self._calls), _port(sockets.admin)
        self._settings = inherited.settings
        self._worker_index = worker_index
        self._log = log
        self._metrics = inherited.metrics
        self._tally = Tally()
        self._observation = Observation(log, inherited.metrics, self._tally)
        self._running = RunningCalls(on_fault=lambda fault: self._observation.fault("tick", fault))
        self._background = TaskSet()
        self._bills = TaskSet()
        self._cleanup = AsyncExitStack()
        self._connections = 0
        self._listener: Listener | None = None
        self._server: CallsServer | None = None
        self._succeeded = False

    async def start(self) -> None:
        """Listen. Raises StoreUnavailable without a store."""
        settings = self._settings
        self._metrics.attach(self._worker_index)
        self.stores = await self._cleanup.enter_async_context(
            open_stores(settings, self._inherited.address)
        )
        await self._open_spans()
        self.history = await self._cleanup.enter_async_context(open_history(settings))
        self._spool = FileSpool(settings.store.data_dir / "spool", worker_index=self._worker_index)
        self._cleanup.push_async_callback(self._spool.close)
        if self._spool.damaged:
            self._log.state("spool_damaged", level=Level.ERROR, lost_lines=self._spool.damaged)
        self.advances, self._settlements = settling(
            settings,
            self.stores.ledger,
            self._spool,
            tasks=self._bills,
            observation=self._observation,
            metrics=self._metrics,
        )
        sockets = await self._cleanup.enter_async_context(socket_session())
        providers = {
            name: provider_of(each, sockets=sockets, running=self._running, cleanup=self._cleanup)
            for name, each in settings.providers.items()
        }
        self._outside = await self._cleanup.enter_async_context(
            open_outside(settings, self.stores.ledger)
        )
        self._compose(providers)
        await self.stores.outbox.publish_prices(settings.rate_card.lines)
        self._accounts = Accounts(self.stores.keys, self.stores.ledger, settings.plans)
        declared = declarations(settings, pepper=self._inherited.address.pepper)
        await declare(declared, accounts=self._accounts)
        # Before the first call: what was found before, this process must know.
        self._watch = Watch(
            self.stores.rewinds,
            on_closed=self._close_shards,
            on_failure=self._observation.rewinds_unread,
        )
        await self._watch.look()
        self._start_background()
        self._start_beside_calls()
        self._start_agenda()
        self._start_reporting()
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
            tell_changes(self._inherited, self._log)
            tell_unmetered(settings, self._log)

    async def _open_spans(self) -> None:
        spans = await self._cleanup.enter_async_context(
            open_spans(
                self._settings.telemetry.otlp_url,
                worker_index=self._worker_index,
                models=self._settings.rate_card.model_names,
                on_lost=self._observation.spans_lost,
            )
        )
        if spans is not None:
            self._observation.trace_to(spans)

    def _compose(self, providers: Mapping[str, Provider]) -> None:
        """What answers callers, on the stores that are open now."""
        authentication = Authentication(
            self.stores.keys,
            self.stores.ledger,
            plans=self._settings.plans,
            pepper=self._inherited.address.pepper,
        )
        self._feed = Feed(
            self.stores.outbox,
            now_ms=self.stores.ledger.now_ms,
            on_fault=self._observation.fault,
        )
        self._control = control_plane(
            self._inherited,
            stores=self.stores,
            history=self.history,
            feed=self._feed,
            outside=self._outside,
            authentication=authentication,
            observation=self._observation,
            oversight=oversight(
                self.stores,
                self.history,
                lease_s=self._settings.metering.lease_s,
                examine=self._examine,
                on_change=self._observation.changed,
            ),
        )
        self._data_plane = data_plane(
            self._inherited,
            stores=self.stores,
            authentication=authentication,
            providers=providers,
            settlements=self._settlements,
            advances=self.advances,
            running=self._running,
            tasks=self._bills,
            observation=self._observation,
        )

    def _start_agenda(self) -> None:
        self._background.start(
            agenda.run(
                self.stores.agenda,
                self._accounts,
                terms=self._settings.plans_digest,
                on_failure=self._observation.sweep_failed,
            ),
            name="agenda",
        )

    def _start_beside_calls(self) -> None:
        self._background.start(self.advances.run(), name="advances")
        for name, work in self._data_plane.background():
            self._background.start(work, name=name)

    def _start_reporting(self) -> None:
        self._refusals = RefusalReporter(
            self._tally,
            self.stores.refusals,
            now_ms=self.stores.ledger.now_ms,
            on_failure=self._observation.sweep_failed,
        )
        self._background.start(self._refusals.run(), name="refusals")

    def _close_shards(self, shards: frozenset[int]) -> None:
        self.stores.ledger.closed = shards
        self._observation.shards_closed(len(shards))

    def _start_background(self) -> None:
        self._background.start(self._watch.run(), name="watch for closed shards")
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
            tell=self.stores.notices.enqueue,
            rewound=Rewound(
                self.stores.rewinds,
                ledger=self.stores.ledger,
                keys=self.stores.keys,
                outbox=self.stores.outbox,
                history=self.history,
                observer=self._observation,
            ),
        )
        self._background.start(journal.run(), name="journal")
        self._background.start(self._feed.run(), name="feed")
        sender = NoticeSender(
            self.stores.notices,
            self.stores.endpoints,
            self._outside.poster,
            pepper=self._inherited.address.pepper,
            now_ms=self.stores.ledger.now_ms,
            observer=self._observation,
        )
        self._background.start(sender.run(), name="notices")
        self._background.start(watch_loop(self._metrics), name="loop lag")
        self._background.start(
            replay.run(
                self._spool,
                self.stores.ledger,
                on_outcome=self._settlements.confirmed,
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
        state = self.stores.client.state
        up = state is State.CONNECTED
        self._metrics.set_open_calls(len(self._running))
        self._observation.store(up=up)
        self._metrics.set_spool_waiting(self._spool.waiting)
        if self.stores.client.connections != self._connections:
            self._connections = self.stores.client.connections
            self._settlements.doubt()
        if (up or state is State.PARTLY) and self._settlements.waiting:
            self._settlements.retry()

    async def _listen(self) -> None:
        listen = self._settings.listen
        slow_heads = SlowHeads(timeout_s=listen.head_timeout_s)
        handler = ProxyHandler(
            self._data_plane.pipeline,
            observation=self._observation,
            apis=self._data_plane.apis,
            default_api=self._data_plane.apis["openai"],
            slow_heads=slow_heads,
            body_timeout_s=listen.body_timeout_s,
        )
        self._front = Front(handler, self._control, Pages("account"))
        server = self._server = CallsServer(
            self._front,
            slow_heads=slow_heads,
            on_fault=self._observation.fault,
            body_timeout_s=listen.body_timeout_s,
        )
        self._running.also(server.sweep)
        self._listener = await Listener.open(self._calls, server)
        self._operators = OperatorsListener(
            admin_app(self._metrics, self.readiness, self._control.admin.handle, Pages("operator")),
            on_fault=self._observation.fault,
        )
        self._cleanup.push_async_callback(self._operators.close)
        await self._operators.open(self._sockets.admin)

    def _examine(self) -> Condition:
        return Condition(
            reasons=self.readiness().reasons,
            store_state=self.stores.client.state,
            config_digest=self._settings.digest,
            vitals=vitals(self._metrics),
        )

    def readiness(self) -> Readiness:
        reasons: dict[str, str] = {}
        state = self.stores.client.state
        # With a part of a cluster away the calls of its accounts are refused, here as elsewhere.
        if state not in (State.CONNECTED, State.PARTLY) and not self.advances.serving:
            reasons["store"] = f"{state}: calls are refused until it answers"
        closed = self._watch.closed
        if len(closed) == SHARDS:
            reasons["ledger"] = "all of it went back in time: calls are refused until it has again"
        if self._front.leaving:
            reasons["draining"] = "shutting down: running calls end, connections are closed"
        if not self._settlements.healthy:
            reasons["spool"] = "settlements have no durable place: free disk space"
        return Readiness(reasons, [asdict(rewind) for rewind in closed])

    async def step_back(self) -> None:
        """A successor on the same sockets is ready: leave operators to it."""
        self._succeeded = True
        self._feed.close()
        await self._operators.close()

    async def drain(self) -> None:
        """Take no new connections, let what runs end, cut what is left at the deadline."""
        self._front.leave()
        if not self._succeeded:
            await asyncio.sleep(self._settings.listen.unready_s)
        await self._stop_listening()
        self._feed.close()
        drain_s = self._settings.listen.drain_s
        until_s = monotonic() + drain_s
        assert self._server is not None, "started"
        await connections_ended(self._server, timeout_s=drain_s)
        # Some calls go on although their client left.
        await self._running.ended(timeout_s=max(0.0, until_s - monotonic()))
        self._data_plane.pipeline.draining = True
        self._running.cut_all(End.CUT_BY_SHUTDOWN)
        await self._running.ended(timeout_s=LAST_ANSWERS_S)
        await self._bills.drain(timeout_s=LAST_ANSWERS_S)
        await self._settlements.answered(timeout_s=LAST_ANSWERS_S)
        await self._refusals.run_once()
        await self.advances.give_back()
        await self._exporter.stop(timeout_s=self._settings.export.flush_s)

    async def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None and self._server is not None:
            listener.close()
            await take_in(self._calls, self._server)
        self._sockets.close()

    async def close(self) -> None:
        """Stop everything, stores last; after `drain`, unless starting failed."""
        await self._stop_listening()
        if self._server is not None:
            await self._server.shutdown(timeout=1.0)
        await self._background.cancel()
        self._log.state("stopped", worker=self._worker_index)
        await self._cleanup.aclose()


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])
