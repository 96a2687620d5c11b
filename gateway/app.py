"""Composition: the only module that names concrete classes and ties them together.

`Inherited` is made once, before workers are forked; a `Gateway` is one worker's running whole.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.api.admin import Readiness, admin_app
from gateway.dialects import APIS, DIALECTS, SESSIONS, apis
from gateway.metering.events import End
from gateway.proxy.admit import Admission
from gateway.proxy.authenticate import Authentication
from gateway.proxy.credentials import AwsSignature, Credential, FixedHeaders
from gateway.proxy.handler import ProxyHandler
from gateway.proxy.observation import Observation
from gateway.proxy.pipeline import Pipeline, Rules
from gateway.proxy.pool import Origin, Pool, PoolSettings, provider_tls
from gateway.proxy.providers import Provider
from gateway.proxy.realtime import Metering as SessionMetering
from gateway.proxy.realtime import OpenHold
from gateway.proxy.running import RunningCalls
from gateway.proxy.sessions import Sessions
from gateway.proxy.settlements import Settlements
from gateway.proxy.slow_heads import SlowHeads
from gateway.proxy.websocket import SocketConnector
from gateway.settings import Settings
from gateway.settings.values import Auth, UnknownEndpoints
from gateway.settings.values import Provider as ProviderSettings
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.redis.client import RedisClient, State
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.spool import FileSpool
from gateway.tasks import TaskSet
from gateway.telemetry.lag import watch_loop_lag
from gateway.telemetry.logs import Level, Log
from gateway.telemetry.metrics import MetricLabels, Metrics
from gateway.tokens.counter import TiktokenCounter
from gateway.workers import reaper, replay
from gateway.workers.declare import Declared, declare

PEPPER_BYTES = 32
# Settlements still unanswered when a worker stops get this long before they are left to the spool.
LAST_ANSWERS_S = 3.0
LISTEN_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the store is, and what keys are digested with."""

    url: str = field(repr=False)
    pepper: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stores:
    client: RedisClient
    ledger: RedisLedger
    keys: RedisKeyStore


@contextmanager
def store_address(settings: Settings) -> Iterator[StoreAddress]:
    """The configured store, or the embedded server of the data directory while this lasts."""
    pepper = settings.store.pepper or local_pepper(settings.store.data_dir)
    if settings.store.url is not None:
        yield StoreAddress(settings.store.url, pepper)
        return
    with EmbeddedServer(settings.store.data_dir) as url:
        yield StoreAddress(url, pepper)


def local_pepper(data_dir: Path) -> bytes:
    """The pepper of an installation that configures none: made once, kept beside its data."""
    path = data_dir / "pepper"
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    pepper = secrets.token_bytes(PEPPER_BYTES)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pepper)
    return pepper


@asynccontextmanager
async def open_stores(settings: Settings, address: StoreAddress) -> AsyncIterator[Stores]:
    """Connected stores. Raises StoreUnavailable when nobody answers."""
    tasks = TaskSet()
    timeout_s = settings.store.admission_timeout_ms / 1000
    client = RedisClient(address.url, tasks=tasks, timeout_s=timeout_s)
    await client.open()
    keys = RedisKeyStore(address.url, find_timeout_s=timeout_s)
    try:
        ledger = RedisLedger(client)
        await ledger.open()
        await keys.start()
        yield Stores(client, ledger, keys)
    finally:
        await keys.close()
        await client.close()
        await tasks.cancel()


@dataclass(frozen=True, slots=True)
class Inherited:
    """What workers share because it was made before they were forked."""

    settings: Settings
    address: StoreAddress
    metrics: Metrics
    counter: TiktokenCounter

    @classmethod
    def prepare(cls, settings: Settings, address: StoreAddress) -> "Inherited":
        counter = TiktokenCounter(settings.encodings)
        labels = MetricLabels(
            dialects=(*DIALECTS, *SESSIONS),
            providers=tuple(settings.providers),
            models=settings.rate_card.model_names,
        )
        metrics = Metrics.create(labels, workers=settings.listen.workers)
        return cls(settings, address, metrics, counter)


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
        self._spool = FileSpool(settings.store.data_dir / "spool", worker_index=self._worker_index)
        self._cleanup.push_async_callback(self._spool.close)
        if self._spool.damaged:
            self._log.state("spool_damaged", level=Level.ERROR, lost_lines=self._spool.damaged)
        self._settlements = Settlements(
            self.stores.ledger, self._spool, tasks=self._bills, observer=self._observation
        )
        # Only WebSockets go through it: no cookies, no proxy of the environment.
        self._sockets = await self._cleanup.enter_async_context(
            aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=0),
                skip_auto_headers=("User-Agent",),
            )
        )
        self._pipeline = self._compose()
        await declare(self._declarations(), keys=self.stores.keys, ledger=self.stores.ledger)
        self._start_background()
        await self._listen()
        self._log.state(
            "started", worker=self._worker_index, port=settings.listen.port, config=settings.digest
        )

    def _compose(self) -> Pipeline:
        settings, stores = self._settings, self.stores
        known = apis(quota_status=settings.refusals.quota_status)
        serving = {
            api: tuple(name for name, each in settings.providers.items() if api in each.apis)
            for api in APIS
        }
        lease_ms = int(settings.metering.lease_s * 1000)
        providers = {name: self._provider(each) for name, each in settings.providers.items()}
        default_providers = {api: names[0] for api, names in serving.items() if names}
        admission = Admission(
            ledger=stores.ledger,
            settlements=self._settlements,
            counter=self._inherited.counter,
            routes=settings.routes,
            providers=serving,
            rate_card=settings.rate_card,
            lease_ms=lease_ms,
        )

        def sessions(open_hold: OpenHold) -> Sessions:
            return Sessions(
                SessionMetering(
                    admission=admission,
                    counter=self._inherited.counter,
                    open_hold=open_hold,
                    now_ms=stores.ledger.now_ms,
                    checkpoint_s=settings.metering.checkpoint_s,
                ),
                apis=known,
                providers=providers,
                default_providers=default_providers,
                running=self._running,
                observation=self._observation,
            )

        pipeline = Pipeline(
            Rules(
                apis=known,
                dialects=DIALECTS,
                providers=providers,
                default_providers=default_providers,
                forward_unknown=settings.unknown_endpoints is UnknownEndpoints.FORWARD_FREE,
                body_bytes_max=settings.listen.body_bytes_max,
                lease_ms=lease_ms,
                checkpoint_s=settings.metering.checkpoint_s,
            ),
            authentication=Authentication(
                stores.keys,
                stores.ledger,
                plans=settings.plans,
                pepper=self._inherited.address.pepper,
            ),
            admission=admission,
            ledger=stores.ledger,
            settlements=self._settlements,
            counter=self._inherited.counter,
            running=self._running,
            sessions=sessions,
            observation=self._observation,
        )
        self._handler = ProxyHandler(
            pipeline,
            observation=self._observation,
            apis=known,
            default_api=known["openai"],
            slow_heads=self._slow_heads,
            body_timeout_s=settings.listen.body_timeout_s,
        )
        return pipeline

    def _provider(self, settings: ProviderSettings) -> Provider:
        origin = Origin.parse(settings.base_url)
        tls = None if settings.ca_file is None else provider_tls(str(settings.ca_file))
        pool = Pool(
            origin,
            PoolSettings(
                connect_timeout_s=settings.connect_timeout_s,
                first_byte_timeout_s=settings.first_byte_timeout_s,
                idle_timeout_s=settings.idle_timeout_s,
                keepalive_s=settings.keepalive_s,
                connections_max=settings.connections_max,
                tls=tls,
            ),
        )
        self._running.also(pool.sweep)
        self._cleanup.push_async_callback(pool.close)
        return Provider(
            name=settings.name,
            apis=settings.apis,
            upstream=pool,
            sockets=SocketConnector(
                self._sockets,
                settings.base_url,
                connect_timeout_s=settings.connect_timeout_s,
                tls=tls,
            ),
            host=origin.authority,
            credential=credential(settings, origin),
        )

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
        self._server = web.Server(
            self._handler.handle,
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
        if self._pipeline.draining:
            reasons["draining"] = "shutting down: running calls end, new ones are refused"
        if not self._settlements.healthy:
            reasons["spool"] = "settlements have no durable place: free disk space"
        return Readiness(reasons)

    async def drain(self) -> None:
        """Take no new calls, let the running ones end, cut what is left at the deadline."""
        self._pipeline.draining = True
        if self._listener is not None:
            self._listener.close()
        self._server.pre_shutdown()
        await self._running.ended(timeout_s=self._settings.listen.drain_s)
        self._running.cut_all(End.CUT_BY_SHUTDOWN)
        await self._running.ended(timeout_s=LAST_ANSWERS_S)
        await self._bills.drain(timeout_s=LAST_ANSWERS_S)
        await self._settlements.answered(timeout_s=LAST_ANSWERS_S)

    async def close(self) -> None:
        """Stop everything, stores last; after `drain`, unless starting failed."""
        if self._listener is not None:
            self._listener.close()
            await self._server.shutdown(timeout=1.0)
        await self._background.cancel()
        self._log.state("stopped", worker=self._worker_index)
        await self._cleanup.aclose()


def credential(provider: ProviderSettings, origin: Origin) -> Credential:
    """Who we are to the provider, as it wants to be told."""
    secret = provider.credential.encode()
    match provider.auth:
        case Auth.BEARER:
            return FixedHeaders(((b"authorization", b"Bearer " + secret),))
        case Auth.X_API_KEY | Auth.API_KEY | Auth.X_GOOG_API_KEY:
            return FixedHeaders(((provider.auth.value.encode(), secret),))
        case Auth.AWS_SIGV4:
            assert provider.aws is not None, "the settings see to it"
            return AwsSignature(
                identity=provider.aws, host=origin.authority, path_prefix=origin.path_prefix
            )
        case Auth.NONE:
            return FixedHeaders(())
