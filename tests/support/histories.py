"""Calls of one account, priced, and the way into its history."""

from dataclasses import replace

from support import asks

from gateway.metering.history import DAY_MS
from gateway.metering.ledger import Grant
from gateway.metering.pricing import ModelPrice, Rates, Tier, charge_ucr
from gateway.metering.usage import TokenClass, Usage
from gateway.stores.history.sqlite import SqliteHistory
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.outbox import RedisOutbox
from gateway.workers.journal import Journal

PRICE = ModelPrice(
    model="small-1",
    tiers=(Tier(0, Rates.of({TokenClass.INPUT_UNCACHED: 2_500_000, TokenClass.OUTPUT_TEXT: 900})),),
    pieces={"web_search": 10**10},
    rate_id="rate-1",
)
KEEP_MS = 400 * DAY_MS


class Observer:
    def __init__(self) -> None:
        self.count = 0
        self.failures: list[str] = []
        self.lags_ms: list[int] = []

    def drained(self, count: int, *, lag_ms: int) -> None:
        self.count += count
        self.lags_ms.append(lag_ms)

    def drain_failed(self, error: Exception, *, lag_ms: int) -> None:
        self.failures.append(str(error))
        self.lags_ms.append(lag_ms)

    def drained_elsewhere(self) -> None:
        self.failures.append("elsewhere")


def journal_of(ledger: RedisLedger, history: SqliteHistory, **options: object) -> Journal:
    given = {"holder": "one", "observer": Observer(), "keep_ms": KEEP_MS} | options
    outbox = RedisOutbox(ledger._client, ledger)
    return Journal(outbox, history, now_ms=ledger.now_ms, **given)  # type: ignore[arg-type]


async def drain(ledger: RedisLedger, history: SqliteHistory) -> None:
    journal = journal_of(ledger, history)
    while await journal.drain():
        pass


async def fund(ledger: RedisLedger, amount_ucr: int, account_id: str = asks.ACCOUNT) -> None:
    await ledger.grant(Grant(grant_id="g1", account_id=account_id, amount_ucr=amount_ucr))


async def call(
    ledger: RedisLedger, hold_id: str, usage: Usage, account_id: str = asks.ACCOUNT, **event: object
) -> int:
    """A priced call; answers its charge."""
    charge = charge_ucr(PRICE, usage)
    await ledger.reserve(asks.reserve(ledger, hold_id, charge, account_id=account_id))
    settle = asks.settle(hold_id, charge, account_id=account_id)
    told = {"usage": usage, "rate_id": PRICE.rate_id} | event
    await ledger.settle(replace(settle, event=replace(settle.event, **told)))
    return charge
