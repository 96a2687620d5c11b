"""The store as configured, or the embedded one: opened first, closed last."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import HistoryUnavailable
from gateway.settings import Settings
from gateway.stores.base import History
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.history.clickhouse import SCHEMES as CLICKHOUSE
from gateway.stores.history.clickhouse import ClickHouseEngine
from gateway.stores.history.history import Engine, SqlHistory
from gateway.stores.history.postgres import PostgresEngine
from gateway.stores.history.sqlite import SqliteEngine
from gateway.stores.redis.agenda import RedisAgenda
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.jobs import RedisJobs
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.notice_queue import RedisEndpoints, RedisNoticeQueue
from gateway.stores.redis.objects import RedisObjects
from gateway.stores.redis.outbox import RedisOutbox
from gateway.stores.redis.refusals import RedisRefusals
from gateway.stores.redis.replays import RedisReplays
from gateway.stores.redis.rewinds import RedisRewinds
from gateway.stores.redis.sessions import RedisSessions
from gateway.stores.redis.trail import RedisTrail
from gateway.tasks import TaskSet

PEPPER_BYTES = 32


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
    agenda: RedisAgenda
    jobs: RedisJobs
    objects: RedisObjects
    outbox: RedisOutbox
    replays: RedisReplays
    rewinds: RedisRewinds
    trail: RedisTrail
    sessions: RedisSessions
    endpoints: RedisEndpoints
    notices: RedisNoticeQueue
    refusals: RedisRefusals


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
    replays = RedisReplays(address.url, pepper=address.pepper)
    sessions = RedisSessions(address.url)
    try:
        ledger = RedisLedger(client)
        await ledger.open()
        await keys.start()
        jobs, objects = RedisJobs(client, ledger), RedisObjects(client)
        outbox = RedisOutbox(client, ledger)
        refusals = RedisRefusals(client)
        # Before anybody makes the first account: then they were counted from the beginning.
        await refusals.begin(ledger.now_ms())
        yield Stores(
            client=client,
            ledger=ledger,
            keys=keys,
            agenda=RedisAgenda(client),
            jobs=jobs,
            objects=objects,
            outbox=outbox,
            replays=replays,
            rewinds=RedisRewinds(client),
            trail=RedisTrail(client, ledger),
            sessions=sessions,
            endpoints=RedisEndpoints(client),
            notices=RedisNoticeQueue(client, ledger),
            refusals=refusals,
        )
    finally:
        await sessions.shut()
        await replays.close()
        await keys.close()
        await client.close()
        await tasks.cancel()


@asynccontextmanager
async def open_history(settings: Settings) -> AsyncIterator[History]:
    """The history as configured. Raises HistoryUnavailable when a file is not to be had; a
    database that is away at the start is asked again whenever somebody needs it."""
    url = settings.history.url
    history = SqlHistory(_engine(settings))
    try:
        with suppress(*(() if url == "sqlite" else (HistoryUnavailable,))):
            await history.open()
        yield history
    finally:
        await history.close()


def _engine(settings: Settings) -> Engine:
    url = settings.history.url
    if url == "sqlite":
        return SqliteEngine(settings.store.data_dir)
    if url.startswith(CLICKHOUSE):
        return ClickHouseEngine(url)
    return PostgresEngine(url)
