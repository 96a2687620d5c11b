"""What the store owes jobs: their holds live on, they are found, claimed once, and forgotten."""

import asyncio

import orjson
import pytest
from support import asks, books
from support.audit import audit_account
from support.redis_server import KINDS

from gateway.metering.jobs import Job, Keep, Kept
from gateway.metering.ledger import Grant, Refused, Reserved
from gateway.metering.limits import Charge
from gateway.metering.usage import Usage
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.jobs import RedisJobs
from gateway.stores.redis.layout import open_jobs_key, shard_tag
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.spool_lines import ask_of, payload_for

STORE_FORMS = (*KINDS, "cluster")

JOB = "openai:batch_1"


@pytest.fixture
def jobs(store_client: RedisClient, ledger: RedisLedger) -> RedisJobs:
    return RedisJobs(store_client, ledger)


async def begin(
    ledger: RedisLedger,
    hold_id: str = "r1",
    *,
    charges: tuple[Charge, ...] = (),
    poll_ms: int = 0,
    job: str = JOB,
) -> Keep:
    """A job with a hold of 60, to be asked for at once."""
    await ledger.grant(Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=10_000))
    await ledger.reserve(asks.reserve(ledger, hold_id, 60, charges=charges))
    amounts = [charge.least for charge in charges]
    kept = asks.keep(hold_id, 60, job=job, charges=charges, amounts=amounts, poll_ms=poll_ms)
    assert Kept(late=False) == await ledger.keep(kept)
    return kept


async def bucket(ledger: RedisLedger, charge: Charge) -> tuple[int, int]:
    return await books.bucket(ledger._client, asks.ACCOUNT, charge.bucket)


async def test_a_job_is_found_as_it_was_given(ledger: RedisLedger, jobs: RedisJobs) -> None:
    kept = await begin(ledger, charges=(asks.token_charge(ledger, 500, 60),))

    assert [kept.job] == list(await jobs.find(asks.ACCOUNT, JOB))
    assert [] == list(await jobs.find("other", JOB))
    assert [] == list(await jobs.find(asks.ACCOUNT, "openai:batch_2"))


def test_a_job_survives_being_written_down() -> None:
    floor = Usage(input_uncached=7, pieces=(("video_second", 4),), service_tier="batch")
    owed = asks.settle("r1", 60, job=JOB)
    job = Job(
        name=JOB,
        owed=owed,
        priced_as="small-1",
        path="/v1/batches/batch_1?api-version=1",
        deadline_ms=9,
        longest_input_tokens=3,
        floor=floor,
    )
    kept = Keep(job=job, lease_ms=5, poll_ms=6)

    assert kept == ask_of(payload_for(kept))
    assert owed == ask_of(payload_for(owed))


def test_a_job_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    kept = asks.keep("r1", 60)
    newer = orjson.loads(payload_for(kept))
    newer["job"]["later"] = newer["job"]["owed"]["event"]["later"] = 1

    assert kept == ask_of(orjson.dumps(newer))


async def test_a_job_occupies_no_place_among_the_calls_in_parallel(
    ledger: RedisLedger, jobs: RedisJobs
) -> None:
    one_call = asks.call_charge(ledger, 1)
    tokens = asks.token_charge(ledger, 500, 60)
    await begin(ledger, charges=(one_call, tokens))

    assert (0, 0) == await bucket(ledger, one_call)
    assert (60, 0) == await bucket(ledger, tokens)
    second = await ledger.reserve(asks.reserve(ledger, "r2", 1, charges=(one_call,)))
    assert isinstance(second, Reserved)
    third = await ledger.reserve(asks.reserve(ledger, "r3", 1, charges=(one_call,)))
    assert isinstance(third, Refused)
    await audit_account(ledger, asks.ACCOUNT)

    await ledger.settle(asks.settle("r1", 40, charges=(one_call, tokens), amounts=(0, 40), job=JOB))

    # The second call still runs: the job's end gave back nothing of its place.
    assert (1, 0) == await bucket(ledger, one_call)
    assert (0, 40) == await bucket(ledger, tokens)
    await audit_account(ledger, asks.ACCOUNT)


@pytest.mark.parametrize("ending", ["settle", "release", "expire"])
async def test_a_job_is_forgotten_with_its_hold(
    ledger: RedisLedger, jobs: RedisJobs, ending: str
) -> None:
    kept = await begin(ledger)
    match ending:
        case "settle":
            await ledger.settle(asks.settle("r1", 25, job=JOB))
        case "release":
            await ledger.release(asks.release("r1", job=JOB))
        case "expire":
            await ledger.keep(Keep(job=kept.job, lease_ms=0, poll_ms=0))
            assert 1 == await ledger.expire_holds()

    assert [] == list(await jobs.find(asks.ACCOUNT, JOB))
    assert [] == list(await jobs.claim(limit=10, claim_ms=1_000))
    await jobs.postpone(kept.job, poll_ms=0)
    assert [] == list(await jobs.claim(limit=10, claim_ms=1_000))
    left = await ledger._client.command("EXISTS", open_jobs_key(shard_tag(asks.ACCOUNT)))
    assert 0 == left


async def test_a_job_of_two_holds_lasts_as_long_as_either(
    ledger: RedisLedger, jobs: RedisJobs
) -> None:
    await begin(ledger, "r1")
    await begin(ledger, "r1.1")

    assert ["r1", "r1.1"] == [job.hold_id for job in await jobs.find(asks.ACCOUNT, JOB)]
    await ledger.settle(asks.settle("r1", 25, job=JOB))
    [[rest]] = await jobs.claim(limit=10, claim_ms=1_000)
    assert "r1.1" == rest.hold_id
    await ledger.settle(asks.settle("r1.1", 10, job=JOB))
    assert [] == list(await jobs.find(asks.ACCOUNT, JOB))


async def test_a_job_is_claimed_by_one_of_many(ledger: RedisLedger, jobs: RedisJobs) -> None:
    for number in range(20):
        await begin(ledger, f"r{number}", job=f"openai:batch_{number}")

    claims = await asyncio.gather(*(jobs.claim(limit=100, claim_ms=60_000) for _ in range(5)))

    names = [parts[0].name for claimed in claims for parts in claimed]
    assert 20 == len(names) == len(set(names))


async def test_a_claim_takes_no_more_than_it_asked_for(
    ledger: RedisLedger, jobs: RedisJobs
) -> None:
    for number in range(5):
        await begin(ledger, f"r{number}", job=f"openai:batch_{number}")

    assert 3 == len(await jobs.claim(limit=3, claim_ms=60_000))
    assert 2 == len(await jobs.claim(limit=3, claim_ms=60_000))


async def test_a_job_whose_asker_died_is_due_again(ledger: RedisLedger, jobs: RedisJobs) -> None:
    await begin(ledger)
    assert 1 == len(await jobs.claim(limit=1, claim_ms=30))
    assert 0 == len(await jobs.claim(limit=1, claim_ms=30))

    async with asyncio.timeout(5):
        while not await jobs.claim(limit=1, claim_ms=30):
            await asyncio.sleep(0.01)


async def test_a_job_is_asked_for_when_its_time_has_come(
    ledger: RedisLedger, jobs: RedisJobs
) -> None:
    kept = await begin(ledger, poll_ms=60_000)
    assert [] == list(await jobs.claim(limit=1, claim_ms=60_000))

    await jobs.postpone(kept.job, poll_ms=-1)
    assert 1 == len(await jobs.claim(limit=1, claim_ms=60_000))
    await jobs.postpone(kept.job, poll_ms=60_000)
    assert [] == list(await jobs.claim(limit=1, claim_ms=60_000))


async def test_a_checkpoint_on_its_way_does_not_shorten_a_kept_hold(ledger: RedisLedger) -> None:
    await ledger.grant(Grant(grant_id="g1", account_id=asks.ACCOUNT, amount_ucr=100))
    await ledger.reserve(asks.reserve(ledger, "r1", 60))
    await ledger.extend(asks.extend("r1", 1, 0, charge_ucr=60, lease_ms=0))
    await ledger.keep(asks.keep("r1", 60))
    await ledger.extend(asks.extend("r1", 1, 0, charge_ucr=60, lease_ms=0))

    assert 0 == await ledger.expire_holds()
