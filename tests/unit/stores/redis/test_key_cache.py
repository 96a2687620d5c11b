"""How long a key is remembered, and that strangers cannot make us forget."""

import pytest

from gateway.metering.accounts import Account, VirtualKey
from gateway.stores.identifying import KeyRecord
from gateway.stores.redis import key_cache
from gateway.stores.redis.key_cache import UNWATCHED_S, WATCHED_S, KeyCache


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(key_cache, "time", clock)
    return clock


def record(digest: str, account_id: str = "acme") -> KeyRecord:
    key = VirtualKey(key_id=f"id-{digest}", account_id=account_id, digest=digest)
    return KeyRecord(key, Account(account_id=account_id, plan="light"))


def filled(*digests: str, records_max: int = 10) -> KeyCache:
    cache = KeyCache(records_max=records_max)
    for digest in digests:
        cache.remember(digest, record(digest), cache.begin())
    return cache


def test_without_word_of_changes_a_record_is_forgotten_within_a_second(clock: Clock) -> None:
    cache = filled("d1")
    clock.now_s += UNWATCHED_S - 0.01

    assert record("d1") == cache.record("d1")

    clock.now_s += 0.02

    assert cache.record("d1") is None
    assert UNWATCHED_S < 1


def test_while_changes_are_heard_of_it_is_kept_longer_but_not_for_ever(clock: Clock) -> None:
    cache = filled("d1")
    cache.complete_until(clock.now_s + 2 * WATCHED_S)
    clock.now_s += WATCHED_S - 0.01

    assert record("d1") == cache.record("d1")

    clock.now_s += 0.02

    assert cache.record("d1") is None


def test_when_word_stays_away_an_older_record_counts_no_more(clock: Clock) -> None:
    """Also in a process that was stopped for a while and has not run its watch yet."""
    cache = filled("d1")
    cache.complete_until(clock.now_s + 5)
    clock.now_s += 5

    assert cache.record("d1") is None


@pytest.mark.parametrize("forget", ["forget_key", "forget_account", "doubt_all"])
def test_what_changed_during_a_look_up_is_not_remembered_as_it_was(forget: str) -> None:
    cache = KeyCache()
    reading = cache.begin()
    arguments = {"forget_key": ["d1"], "forget_account": ["acme"], "doubt_all": []}
    getattr(cache, forget)(*arguments[forget])

    cache.remember("d1", record("d1"), reading)

    assert cache.remembered("d1") is None


def test_forgetting_an_account_spares_the_keys_of_others() -> None:
    cache = filled("d1")
    cache.remember("d2", record("d2", "other"), cache.begin())

    cache.forget_account("acme")

    assert cache.record("d1") is None
    assert record("d2", "other") == cache.record("d2")


def test_an_unknown_digest_is_remembered_as_such_until_its_key_is_made(clock: Clock) -> None:
    cache = KeyCache()
    cache.remember("d1", None, cache.begin())

    assert cache.remembered("d1").record is None

    cache.remember("d1", record("d1"), cache.begin())

    assert record("d1") == cache.remembered("d1").record


def test_a_key_that_vanished_is_not_found_by_its_old_record() -> None:
    cache = filled("d1")
    cache.remember("d1", None, cache.begin())

    assert cache.record("d1") is None
    assert cache.remembered("d1").record is None


def test_the_oldest_go_when_there_are_too_many() -> None:
    cache = filled("d1", "d2", "d3", records_max=2)

    assert [None, record("d2"), record("d3")] == [cache.record(f"d{n}") for n in (1, 2, 3)]


def test_unknown_digests_drive_out_no_known_ones() -> None:
    cache = filled("d1", records_max=2)
    for number in range(1000):
        cache.remember(f"guess{number}", None, cache.begin())

    assert record("d1") == cache.record("d1")
    assert cache.remembered("guess0") is None


def test_what_was_last_known_of_a_key_is_as_old_as_the_last_word_of_changes(clock: Clock) -> None:
    cache = filled("d1")
    clock.now_s += 10
    cache.complete_until(clock.now_s + UNWATCHED_S)
    # The watch is lost.
    cache.complete_until(0.0)
    clock.now_s += 20

    assert cache.record("d1") is None
    assert (record("d1"), 20_000) == cache.last_known("d1")


def test_what_may_have_changed_unheard_is_read_anew_and_is_last_known_as_of_before(
    clock: Clock,
) -> None:
    """However often the store comes and goes in between."""
    cache = filled("d1")
    clock.now_s += 10
    cache.complete_until(clock.now_s + UNWATCHED_S)
    for _ in range(2):
        cache.complete_until(0.0)
        clock.now_s += 5
        cache.doubt_all()
        cache.complete_until(clock.now_s + UNWATCHED_S)

    assert cache.record("d1") is None
    assert cache.remembered("d1") is None
    assert (record("d1"), 10_000) == cache.last_known("d1")

    cache.remember("d1", record("d1"), cache.begin())

    assert record("d1") == cache.record("d1")
    assert (record("d1"), 0) == cache.last_known("d1")


def test_a_record_that_no_longer_held_when_the_store_was_heard_is_not_known(clock: Clock) -> None:
    cache = filled("d1", "d2")
    clock.now_s += WATCHED_S + 1
    cache.complete_until(clock.now_s + UNWATCHED_S)
    cache.forget_key("d2")

    assert cache.last_known("d1") is None
    assert cache.last_known("d2") is None


def test_who_led_nowhere_is_not_known_without_the_store(clock: Clock) -> None:
    cache = KeyCache()
    cache.remember("stranger", None, cache.begin())

    assert cache.last_known("stranger") is None
