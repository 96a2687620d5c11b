"""When jobs are asked for, how many at once, and that nothing ends it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from support import asks

from gateway.errors import GatewayError, StoreUnavailable, UpstreamFailed
from gateway.metering.jobs import Job
from gateway.workers import jobs as jobs_module
from gateway.workers.jobs import AT_ONCE, BATCH, CLAIM_MS, JobPoller

NOW_MS = asks.STARTED_MS + 100_000
LONGEST_MS = 60_000


def job(name: str = "batch_1", *, deadline_ms: int = NOW_MS + 10_000_000) -> Job:
    kept = asks.keep("r1", 60, job=f"openai:{name}").job
    return replace(kept, deadline_ms=deadline_ms)


class Store:
    """Hands out what it is given, once; `broken` fails as many postponements."""

    def __init__(self, *jobs: Job, broken: int = 0) -> None:
        self._jobs = [[each] for each in jobs]
        self.broken = broken
        self.postponed: list[tuple[str, int]] = []

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[Sequence[Job]]:
        assert (BATCH, CLAIM_MS) == (limit, claim_ms)
        claimed, self._jobs = self._jobs, []
        return claimed

    async def postpone(self, job: Job, *, poll_ms: int) -> None:
        if self.broken:
            self.broken -= 1
            raise StoreUnavailable("away")
        self.postponed.append((job.name, poll_ms))


class Looks:
    """What looking at a job comes to: nothing, or an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.looked: list[str] = []
        self.running = self.most = 0

    async def __call__(self, shares: Sequence[Job]) -> None:
        self.looked.append(shares[0].name)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        if self._error is not None:
            raise self._error


def poller(
    store: Store,
    looks: Looks,
    *,
    on_failure: Callable[[GatewayError], None] = lambda _: None,
    on_fault: Callable[[Exception], None] = lambda _: None,
) -> JobPoller:
    return JobPoller(
        store,
        looks,
        now_ms=lambda: NOW_MS,
        longest_ms=LONGEST_MS,
        on_failure=on_failure,
        on_fault=on_fault,
    )


async def test_each_claimed_job_is_looked_at_and_given_back() -> None:
    store, looks = Store(job("a"), job("b")), Looks()

    assert 2 == await poller(store, looks).run_once()

    assert ["openai:a", "openai:b"] == sorted(looks.looked)
    # A fifth of its age, give or take.
    assert all(16_000 <= pause <= 24_000 for _, pause in store.postponed)


async def test_a_job_is_not_left_alone_beyond_its_deadline() -> None:
    store = Store(job(deadline_ms=NOW_MS + 500))

    await poller(store, Looks()).run_once()

    assert [("openai:batch_1", 500)] == store.postponed


async def test_only_so_many_are_asked_for_at_once() -> None:
    looks = Looks()

    await poller(Store(*(job(str(number)) for number in range(30))), looks).run_once()

    assert (30, AT_ONCE) == (len(looks.looked), looks.most)


async def test_a_provider_that_fails_is_left_alone_for_longest() -> None:
    failures: list[GatewayError] = []
    store = Store(job())

    await poller(store, Looks(UpstreamFailed("no")), on_failure=failures.append).run_once()

    assert [("openai:batch_1", LONGEST_MS)] == store.postponed
    assert ["no"] == [failure.message for failure in failures]


async def test_a_bug_in_one_look_ends_nothing_and_is_told() -> None:
    faults: list[Exception] = []
    store = Store(job("a"), job("b"))

    await poller(store, Looks(KeyError("x")), on_fault=faults.append).run_once()

    assert [KeyError, KeyError] == [type(fault) for fault in faults]
    assert 2 == len(store.postponed)


async def test_a_provider_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "LOOK_S", 0.01)
    failures: list[GatewayError] = []

    async def never(_: Sequence[Job]) -> None:
        await asyncio.sleep(60)

    store = Store(job())
    asking = JobPoller(
        store,
        never,
        now_ms=lambda: NOW_MS,
        longest_ms=LONGEST_MS,
        on_failure=failures.append,
        on_fault=lambda _: None,
    )
    await asking.run_once()

    assert [("openai:batch_1", LONGEST_MS)] == store.postponed
    assert ["upstream_timeout"] == [failure.code for failure in failures]


async def test_what_could_not_be_given_back_is_given_back_when_the_store_answers() -> None:
    store = Store(job(), broken=1)
    asking = poller(store, Looks())

    with pytest.raises(StoreUnavailable):
        await asking.run_once()
    assert 0 == await asking.run_once()

    assert [("openai:batch_1", 0)] == store.postponed


async def test_it_goes_on_while_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "INTERVAL_S", 0.001)
    looks, failures = Looks(), []
    store = Store(job(), broken=3)

    task = asyncio.ensure_future(poller(store, looks, on_failure=failures.append).run())
    async with asyncio.timeout(5):
        while not store.postponed:
            await asyncio.sleep(0.001)
    task.cancel()

    assert 3 == len(failures)
