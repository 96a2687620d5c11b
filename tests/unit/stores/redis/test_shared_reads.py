"""Who shares a look-up, and whom it fails."""

import asyncio

import pytest

from gateway.errors import StoreUnavailable
from gateway.metering.accounts import Account, VirtualKey
from gateway.stores.identifying import KeyRecord
from gateway.stores.redis.shared_reads import SharedReads

RECORD = KeyRecord(
    VirtualKey(key_id="k1", account_id="acme", digest="d1"),
    Account(account_id="acme", plan="light"),
)


class Store:
    """Answers when the test says so; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self, digest: str) -> KeyRecord | None:
        self.asked.append(digest)
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return RECORD


Readers = list[asyncio.Future[KeyRecord | None]]


async def readers(reads: SharedReads, store: Store, *, count: int, generation: int = 0) -> Readers:
    """So many who ask for the same key; all of them have begun to wait."""
    waiting: Readers = [
        asyncio.ensure_future(reads.read("d1", generation, ask=store.ask)) for _ in range(count)
    ]
    await asyncio.sleep(0)
    return waiting


async def test_hundreds_who_ask_at_once_are_one_look_up() -> None:
    reads, store = SharedReads(), Store()
    waiting = await readers(reads, store, count=300)
    store.may_answer.set()

    assert [RECORD] * 300 == await asyncio.gather(*waiting)
    assert ["d1"] == store.asked


async def test_what_was_asked_is_forgotten_with_its_answer() -> None:
    reads, store = SharedReads(), Store()
    store.may_answer.set()
    await reads.read("d1", 0, ask=store.ask)

    await reads.read("d1", 0, ask=store.ask)

    assert ["d1", "d1"] == store.asked


async def test_after_a_change_nobody_joins_a_look_up_from_before() -> None:
    reads, store = SharedReads(), Store()
    before = await readers(reads, store, count=2, generation=0)
    after = await readers(reads, store, count=2, generation=1)
    store.may_answer.set()

    await asyncio.gather(*before, *after)

    assert ["d1", "d1"] == store.asked


@pytest.mark.parametrize("leaving", [0, 1], ids=["who asked", "who joined"])
async def test_who_leaves_does_not_fail_the_others(leaving: int) -> None:
    reads, store = SharedReads(), Store()
    waiting = await readers(reads, store, count=5)
    waiting.pop(leaving).cancel()
    # A turn for who leaves, one to tell the others, one for these to see who asks now.
    for _ in range(3):
        await asyncio.sleep(0)
    store.may_answer.set()

    assert [RECORD] * 4 == await asyncio.gather(*waiting)
    assert len(store.asked) == (2 if leaving == 0 else 1)


async def test_a_store_that_is_away_is_told_to_all_and_asked_once() -> None:
    reads, store = SharedReads(), Store()
    store.error = StoreUnavailable("away")
    waiting = await readers(reads, store, count=3)
    store.may_answer.set()

    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert [store.error] * 3 == outcomes
    assert ["d1"] == store.asked


async def test_a_failure_nobody_else_waited_for_is_not_left_behind() -> None:
    reads, store = SharedReads(), Store()
    store.error = StoreUnavailable("away")
    store.may_answer.set()

    with pytest.raises(StoreUnavailable):
        await reads.read("d1", 0, ask=store.ask)
