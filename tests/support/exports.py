"""An exporter on a real store, and settlements for it to deliver."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support import asks

from gateway.errors import GatewayError
from gateway.metering.accounts import Account
from gateway.metering.ledger import Grant
from gateway.metering.records import Source
from gateway.sinks.base import Limits, MeterSink
from gateway.stores.delivering import Backlog
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.deliveries import RedisDeliveries
from gateway.stores.redis.keys import RedisKeyStore
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.sums import RedisSums
from gateway.workers.breaker import Breaker
from gateway.workers.delivery import AddressBook, RecordCourier, Sorting
from gateway.workers.exporter import Export, Exporter
from gateway.workers.metered import MeterCourier

ACCOUNTS = ("acme", "bolt", "corp", "dyne")
SOURCE = Source("urn:tollkeeper:test", 10_000_000)
LIMITS = Limits(events_max=10, linger_s=0.05)
LEASE_MS = 1_500


@dataclass
class Watcher:
    """Remembers what an exporter tells."""

    outcomes: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lags_ms: list[int] = field(default_factory=list)

    def exported(self, _sink: str, outcome: str, count: int) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count

    def buried(self, _sink: str, reason: str) -> None:
        self.reasons.append(reason)

    def sink_failing(self, _sink: str, _reason: str) -> None:
        self.states.append("failing")

    def sink_back(self, _sink: str) -> None:
        self.states.append("back")

    def sink_disabled(self, _sink: str, _reason: str) -> None:
        self.states.append("disabled")

    def backlog(self, _sink: str, _backlog: Backlog, *, lag_ms: int) -> None:
        self.lags_ms.append(lag_ms)

    def export_fault(self, _sink: str, fault: Exception) -> None:
        self.errors.append(type(fault).__name__)

    def export_failed(self, _sink: str, error: GatewayError) -> None:
        self.errors.append(error.message)


@dataclass
class Exporting:
    exporter: Exporter
    outbox: RedisDeliveries
    watcher: Watcher
    sink: str

    async def caught_up(self, *, timeout_s: float = 30) -> None:
        """Once the sink has, or for good has not, whatever was settled."""
        async with asyncio.timeout(timeout_s):
            while True:
                left = await self.outbox.backlog(self.sink)
                if not (left.waiting or left.repeats or left.sums):
                    return
                await asyncio.sleep(0.02)


def exporter_of(
    client: RedisClient,
    ledger: RedisLedger,
    keys: RedisKeyStore,
    sink: Any,
    watcher: Watcher,
    *,
    lease_ms: int = LEASE_MS,
) -> Exporter:
    breaker, sorting = Breaker(), Sorting(SOURCE, AddressBook(keys))
    if isinstance(sink, MeterSink):
        courier: Any = MeterCourier(sink, breaker, sorting, RedisSums(client))
    else:
        courier = RecordCourier(sink, breaker, sorting)
    return Exporter(
        [Export(sink=sink, courier=courier, breaker=breaker)],
        outbox=RedisDeliveries(client, ledger),
        observer=watcher,
        lease_ms=lease_ms,
    )


@asynccontextmanager
async def exporting(
    client: RedisClient, ledger: RedisLedger, keys: RedisKeyStore, sink: Any
) -> AsyncIterator[Exporting]:
    watcher = Watcher()
    exporter = exporter_of(client, ledger, keys, sink, watcher)
    await exporter.start()
    try:
        yield Exporting(exporter, RedisDeliveries(client, ledger), watcher, sink.name)
    finally:
        await exporter.stop(timeout_s=3)


async def known_accounts(
    keys: RedisKeyStore,
    accounts: Sequence[str] = ACCOUNTS,
    *,
    external: Mapping[str, str] | None = None,
) -> None:
    """`external`: the ids' beginnings at each system."""
    for account in accounts:
        ids = {system: f"{start}{account}" for system, start in (external or {}).items()}
        await keys.put_account(Account(account_id=account, plan="test", external=ids))


async def settled(ledger: RedisLedger, count: int, accounts: Sequence[str] = ACCOUNTS) -> int:
    """Settle so many calls, a few microcredits each; answers the sum of their charges."""
    total = 0
    for account in accounts:
        grant_id = secrets.token_hex(6)
        await ledger.grant(Grant(grant_id=grant_id, account_id=account, amount_ucr=10**9))
    for number in range(count):
        account, charge = accounts[number % len(accounts)], 1 + number * 7
        hold = secrets.token_hex(8)
        await ledger.reserve(asks.reserve(ledger, hold, charge, account_id=account))
        await ledger.settle(asks.settle(hold, charge, account_id=account))
        total += charge
    return total
