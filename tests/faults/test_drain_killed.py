"""Whoever drains the outboxes is killed, again and again: nothing twice, nothing lost."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from support import asks

from gateway.metering.history import DAY_MS, Question
from gateway.metering.journal import NO_HASH, chained, shard_of
from gateway.metering.ledger import Grant
from gateway.stores.history.history import SqlHistory
from gateway.stores.history.sqlite import SqliteEngine

CALLS = 1500
CHARGE_UCR = 7
KILLS = 6

DRAINER = """
import asyncio, sys
from pathlib import Path
from gateway.stores.history.history import SqlHistory
from gateway.stores.history.sqlite import SqliteEngine
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.outbox import RedisOutbox
from gateway.tasks import TaskSet
from gateway.workers import journal

class Observer:
    def drained(self, count, *, lag_ms): print(count, flush=True)
    def drain_failed(self, error, *, lag_ms): print(error, flush=True)
    def drained_elsewhere(self): print("elsewhere", flush=True)

async def main(url, folder):
    journal.ENTRIES_PER_SHARD, journal.LEASE_MS = 40, 1
    client = RedisClient(url, tasks=TaskSet(), timeout_s=5)
    await client.open()
    ledger = RedisLedger(client)
    await ledger.open()
    history = SqlHistory(SqliteEngine(Path(folder)))
    await history.open()
    await journal.Journal(RedisOutbox(client, ledger), history, holder=sys.argv[3],
                          now_ms=ledger.now_ms, observer=Observer(), keep_ms=10**12).run()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


async def drainer(store_url: str, folder: Path, number: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DRAINER, store_url, str(folder), f"holder-{number}"),
        stdout=asyncio.subprocess.PIPE,
    )


async def count_drained(process: asyncio.subprocess.Process, *, at_least: int) -> int:
    assert process.stdout is not None
    count = 0
    async with asyncio.timeout(20):
        while count < at_least:
            line = await process.stdout.readline()
            assert line.strip().isdigit(), line
            count += int(line)
    return count


async def test_a_drainer_killed_at_any_moment_repeats_nothing_and_loses_nothing(
    ledger, store_url, tmp_path
):
    await ledger.grant(Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=10**6))
    await asyncio.gather(
        *(ledger.settle(asks.settle(f"h{number}", CHARGE_UCR)) for number in range(CALLS))
    )
    for number in range(KILLS):
        process = await drainer(store_url, tmp_path, number)
        await count_drained(process, at_least=100)
        # A little later each time: in the middle of a read, of a transaction, between two.
        await asyncio.sleep(0.0007 * number)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    last = await drainer(store_url, tmp_path, KILLS)
    history = SqlHistory(SqliteEngine(tmp_path))
    await history.open()
    entries = [entry.operation_id for entry in await ledger.events(asks.ACCOUNT)]
    async with asyncio.timeout(20):
        while (await history.positions())[shard_of(asks.ACCOUNT)].entries < len(entries):
            await asyncio.sleep(0.02)
    last.kill()
    await last.wait()

    found = await history.chain(shard_of(asks.ACCOUNT), after=0, limit=10 * CALLS)
    assert entries == [each.entry.operation_id for each in found]
    hash_ = NO_HASH
    for each in found:
        hash_ = chained(hash_, each.entry)
        assert hash_ == each.hash
    start_ms = ledger.now_ms() // DAY_MS * DAY_MS - DAY_MS
    asked = Question(
        account_id=asks.ACCOUNT, start_ms=start_ms, end_ms=start_ms + 3 * DAY_MS, width_ms=DAY_MS
    )
    rows = await history.usage(asked)
    assert CALLS == sum(row.requests for row in rows)
    assert CALLS * CHARGE_UCR == sum(row.charge_ucr for row in rows)
    await history.close()
