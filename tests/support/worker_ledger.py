"""A ledger as a worker has it, with the time-out of production and an account with credit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support import asks

from gateway.metering.ledger import Grant
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.ledger import RedisLedger
from gateway.tasks import TaskSet


@asynccontextmanager
async def worker_ledger(store_url: str) -> AsyncIterator[RedisLedger]:
    tasks = TaskSet()
    client = RedisClient(store_url, tasks=tasks)
    await client.open()
    ledger = RedisLedger(client)
    await ledger.open()
    await ledger.grant(Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=1000))
    yield ledger
    await client.close()
    await tasks.cancel()
