"""The open jobs on Redis or Valkey: found by name, and handed out to whoever asks providers."""

import asyncio
from collections.abc import Sequence

import orjson

from gateway.metering.jobs import Job
from gateway.stores.redis import lua
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.each_shard import claimed
from gateway.stores.redis.layout import job_key, open_jobs_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.stored_job import job_of


class RedisJobs:
    """Answers `stores.base.JobStore`. The ledger knows the server's clock."""

    def __init__(self, client: RedisClient, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger

    async def find(self, account_id: str, name: str) -> Sequence[Job]:
        return await self._read(job_key(account_id, name))

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[Sequence[Job]]:
        names = await claimed(self._client, lua.CLAIM, open_jobs_key, limit, claim_ms)
        jobs = await asyncio.gather(*map(self._read, names))
        return [parts for parts in jobs if parts]

    async def postpone(self, job: Job, *, poll_ms: int) -> None:
        account_id = job.owed.account_id
        open_jobs = open_jobs_key(shard_tag(account_id))
        due_ms = self._ledger.now_ms() + poll_ms
        key = job_key(account_id, job.name)
        await self._client.command("ZADD", open_jobs, "XX", due_ms, key)

    async def _read(self, key: str) -> Sequence[Job]:
        flat = await self._client.command("HGETALL", key)
        # By hold id, and the first hold of a job has the shortest.
        shares = sorted(zip(flat[::2], flat[1::2], strict=True))
        return [job_of(orjson.loads(share)) for _, share in shares]
