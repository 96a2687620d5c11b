"""The store as configured, or the embedded one: opened first, closed last."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.settings import Settings
from gateway.stores.base import History
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.history.sqlite import SqliteHistory
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.jobs import RedisJobs
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.objects import RedisObjects
from gateway.stores.redis.outbox import RedisOutbox
from gateway.stores.redis.replays import RedisReplays
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
    jobs: RedisJobs
    objects: RedisObjects
    outbox: RedisOutbox
    replays: RedisReplays


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
    replays = RedisReplays(address.url)
    try:
        ledger = RedisLedger(client)
        await ledger.open()
        await keys.start()
        jobs, objects = RedisJobs(client, ledger), RedisObjects(client)
        outbox = RedisOutbox(client, ledger)
        yield Stores(client, ledger, keys, jobs, objects, outbox, replays)
    finally:
        await replays.close()
        await keys.close()
        await client.close()
        await tasks.cancel()


@asynccontextmanager
async def open_history(settings: Settings) -> AsyncIterator[History]:
    """The history as configured. Raises HistoryUnavailable when it is not to be had."""
    history = SqliteHistory(settings.store.data_dir)
    try:
        await history.open()
        yield history
    finally:
        await history.close()
