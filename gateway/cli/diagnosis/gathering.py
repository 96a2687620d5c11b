"""What there is to judge: asks store, machine, history and sinks, and judges nothing."""

import os
import resource
import shutil
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from gateway.app.stores import Stores, open_history, open_stores, store_address
from gateway.cli.diagnosis.of_flow import FlowFacts, SinkFacts
from gateway.cli.diagnosis.of_host import HostFacts
from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.stores.history.sqlite import FILE
from gateway.stores.redis.deliveries import RedisDeliveries
from gateway.stores.redis.inspection import StoreFacts, inspect
from gateway.stores.redis.standings import RedisStandings

ASKED = 100
ANSWER_MS = 3_000
# Nobody's: asking for its balance runs the script and finds nothing.
NOBODY = "doctor-asks-for-nobody"
MOUNTS = Path("/proc/self/mountinfo")
NOT_SECRET = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedFacts:
    """What using the store as a gateway does has shown."""

    pings_ms: Sequence[float]
    scripts_ms: Sequence[float]
    flow: FlowFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """`store` and `used` are None where `trouble` says why."""

    store: StoreFacts | None = None
    used: UsedFacts | None = None
    trouble: str = ""


async def store_and_flow(settings: Settings) -> Gathered:
    """An embedded server is started for it, or joined."""
    patient = replace(settings, store=replace(settings.store, admission_timeout_ms=ANSWER_MS))
    found: StoreFacts | None = None
    try:
        with store_address(patient) as address:
            found = await inspect(address.url)
            async with open_stores(patient, address) as stores:
                return Gathered(store=found, used=await _used(patient, stores))
    except GatewayError as error:
        return Gathered(store=found, trouble=error.message)


async def _used(settings: Settings, stores: Stores) -> UsedFacts:
    lag_s, trouble = await _history_lag(settings, stores)
    return UsedFacts(
        pings_ms=await _taken(stores.client.ping),
        scripts_ms=await _taken(lambda: stores.ledger.balance(NOBODY)),
        flow=FlowFacts(
            history_lag_s=lag_s, history_trouble=trouble, sinks=await _sinks(settings, stores)
        ),
    )


async def _taken(ask: Callable[[], Awaitable[object]]) -> list[float]:
    taken = []
    for _ in range(ASKED):
        began = perf_counter()
        await ask()
        taken.append((perf_counter() - began) * 1000)
    return taken


async def _history_lag(settings: Settings, stores: Stores) -> tuple[float | None, str]:
    here = settings.history.url == "sqlite"
    if here and not (settings.store.data_dir / FILE).exists():
        return None, "no gateway with this data directory has run yet"
    try:
        async with open_history(settings) as history:
            if await stores.outbox.history_id() not in ("", await history.history_id()):
                return None, "the ledger is drained into another history than this one"
            waiting = await stores.outbox.read(await history.positions(), limit=1)
    except GatewayError as error:
        return None, f"it does not answer: {error.message}"
    oldest_ms = min((drained.entries[0].time_ms for drained in waiting), default=0)
    return (max(0, stores.ledger.now_ms() - oldest_ms) / 1000 if oldest_ms else 0.0), ""


async def _sinks(settings: Settings, stores: Stores) -> list[SinkFacts]:
    deliveries = RedisDeliveries(stores.client, stores.ledger)
    standings = RedisStandings(stores.client, stores.ledger)
    now_ms, facts = stores.ledger.now_ms(), []
    for sink in settings.sinks:
        left = await deliveries.backlog(sink.name)
        standing = await standings.of(sink.name)
        facts.append(
            SinkFacts(
                name=sink.name,
                waiting=left.waiting + left.repeats + left.sums,
                lag_s=max(0, now_ms - left.oldest_ms) / 1000 if left.oldest_ms else 0.0,
                dead=left.dead,
                state=standing.state,
            )
        )
    return facts


def host(settings: Settings) -> HostFacts:
    data_dir = settings.store.data_dir
    there = next(each for each in (data_dir, *data_dir.absolute().parents) if each.exists())
    return HostFacts(
        cores=len(os.sched_getaffinity(0)),
        workers=settings.listen.workers,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        connections=sum(each.connections_max for each in settings.providers.values()),
        data_dir=data_dir,
        filesystem=_filesystem(there.resolve()),
        free_bytes=shutil.disk_usage(there).free,
        spool_bytes=_spool_bytes(data_dir / "spool"),
        secret_modes=_secret_modes(settings),
    )


def _filesystem(path: Path) -> str:
    """The type of the innermost mount that holds `path`
    (https://docs.kernel.org/filesystems/proc.html, 3.5, seen 2026-11)."""
    try:
        lines = MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found, depth = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = Path(before.split()[4].replace("\\040", " "))
        if path.is_relative_to(mounted) and len(mounted.parts) >= depth:
            found, depth = after.split()[0], len(mounted.parts)
    return found


def _spool_bytes(folder: Path) -> int | None:
    """A file is emptied once all in it is confirmed."""
    try:
        return sum(path.stat().st_size for path in folder.iterdir()) if folder.exists() else 0
    except OSError:
        return None


def _secret_modes(settings: Settings) -> Mapping[Path, int]:
    """Of what was read and is neither a document nor a certificate."""
    public = {provider.ca_file for provider in settings.providers.values()}
    secret = [
        path for path in settings.files if path.suffix not in NOT_SECRET and path not in public
    ]
    made = settings.store.data_dir / "pepper"
    if settings.store.pepper is None and made.exists():
        secret.append(made)
    return {path: stat.S_IMODE(path.stat().st_mode) for path in secret}
