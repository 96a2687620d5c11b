"""Accounts and virtual keys in the store, and the look-up of a presented key's digest.

Not the hot path: `cached` answers nearly every call from this process' memory, and what it
remembers is forgotten within a second of any change (`key_cache.py`, `key_watch.py`). Writing a
record and telling of it are one transaction, so that no writer's death leaves a change untold.

Writes of one key touch several slots of a cluster, so they are not atomic together. They are
ordered: whatever a crash leaves, the key still works as before or not at all, and putting it again
completes the change.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from gateway.errors import BadCall, Conflict
from gateway.metering.accounts import Account, Status, VirtualKey
from gateway.stores.base import KeyRecord
from gateway.stores.redis.key_cache import KeyCache
from gateway.stores.redis.key_records import (
    ACCOUNT_FIELDS,
    account_fields,
    account_of,
    key_fields,
    key_of,
)
from gateway.stores.redis.key_watch import KeyWatch, account_changed, key_changed
from gateway.stores.redis.layout import (
    ACCOUNTS,
    KEYS_CHANNEL,
    account_key,
    account_keys_key,
    key_digest_key,
    key_id_key,
    key_record_key,
)
from gateway.stores.redis.plain import Command, PlainClient
from gateway.stores.redis.shared_reads import SharedReads
from gateway.tasks import TaskSet

# A look-up is part of admission, which answers within 250 ms even if the store does not.
FIND_S = 0.2
# Records read in one go when all are listed.
LISTED_AT_ONCE = 500

Item = TypeVar("Item")


class RedisKeyStore:
    """KeyStore over redis-py. `start` watches for changes; without it look-ups live 0.9 s."""

    def __init__(self, url: str, *, find_timeout_s: float = FIND_S) -> None:
        self._find_timeout_s = find_timeout_s
        self._client = PlainClient(url)
        self._ask = self._client.ask
        self._cache = KeyCache()
        self._watch = KeyWatch(self._client.redis, self._cache)
        self._shared = SharedReads()
        self._tasks = TaskSet()
        self.cached = self._cache.record

    async def start(self) -> None:
        """Returns at once; a store that is away is tried again for as long as it takes."""
        self._tasks.start(self._watch.run(), name="watch for changed keys")

    async def close(self) -> None:
        await self._tasks.cancel()
        await self._client.close()

    async def find(self, digest: str) -> KeyRecord | None:
        known = self._cache.remembered(digest)
        if known is not None:
            return known.record
        return await self._shared.read(digest, self._cache.generation, ask=self._look_up)

    async def _look_up(self, digest: str) -> KeyRecord | None:
        reading = self._cache.begin()
        record = await self._read(digest)
        self._cache.remember(digest, record, reading)
        return record

    async def _read(self, digest: str) -> KeyRecord | None:
        # Two questions, one deadline.
        timeout_s = self._find_timeout_s / 2
        (place,) = await self._ask(("GET", key_digest_key(digest)), timeout_s=timeout_s)
        if place is None:
            return None
        account_id, _, key_id = place.decode().rpartition(" ")
        fields, values = await self._ask(
            ("HGETALL", key_record_key(account_id, key_id)),
            ("HMGET", account_key(account_id), *ACCOUNT_FIELDS),
            timeout_s=timeout_s,
        )
        key, account = key_of(key_id, fields), account_of(account_id, values)
        # A digest left behind by a change that was broken off leads to another key: to nobody.
        if key is None or account is None or key.digest != digest:
            return None
        return KeyRecord(key, account)

    async def put_account(self, account: Account) -> None:
        account_id = account.account_id
        # First: an id without an account is skipped, an account nobody lists would be lost.
        await self._ask(("SADD", ACCOUNTS, account_id))
        await self._ask(
            ("HSET", account_key(account_id), *account_fields(account)),
            ("PUBLISH", KEYS_CHANNEL, account_changed(account_id)),
            atomic=True,
        )
        self._cache.forget_account(account_id)

    async def account(self, account_id: str) -> Account | None:
        (values,) = await self._ask(("HMGET", account_key(account_id), *ACCOUNT_FIELDS))
        return account_of(account_id, values)

    async def accounts(self) -> Sequence[Account]:
        """By id."""
        found: list[Account | None] = []
        for ids in _batches(await self._members(ACCOUNTS)):
            rows = await self._ask(*(("HMGET", account_key(each), *ACCOUNT_FIELDS) for each in ids))
            found += map(account_of, ids, rows)
        return [account for account in found if account is not None]

    async def put_key(self, key: VirtualKey) -> None:
        old = await self.key(key.key_id)
        await self._claim_digest(key)
        await self._ask(
            ("HSET", key_record_key(key.account_id, key.key_id), *key_fields(key)),
            ("SADD", account_keys_key(key.account_id), key.key_id),
            ("PUBLISH", KEYS_CHANNEL, key_changed(key.digest)),
            atomic=True,
        )
        await self._ask(*_replacement(old, key))
        self._cache.forget_key(key.digest)
        if old is not None:
            self._cache.forget_key(old.digest)

    async def _claim_digest(self, key: VirtualKey) -> None:
        name, place = key_digest_key(key.digest), f"{key.account_id} {key.key_id}"
        _, owner = await self._ask(("SETNX", name, place), ("GET", name), atomic=True)
        if owner.decode().rpartition(" ")[2] != key.key_id:
            raise Conflict("That secret belongs to another key already: draw a new one.")

    async def key(self, key_id: str) -> VirtualKey | None:
        (account_id,) = await self._ask(("GET", key_id_key(key_id)))
        if account_id is None:
            return None
        (fields,) = await self._ask(("HGETALL", key_record_key(account_id.decode(), key_id)))
        return key_of(key_id, fields)

    async def keys(self, account_id: str | None = None) -> Sequence[VirtualKey]:
        """By account, then oldest first."""
        accounts = await self._members(ACCOUNTS) if account_id is None else [account_id]
        places: list[tuple[str, str]] = []
        for some in _batches(accounts):
            members = await self._ask(*(("SMEMBERS", account_keys_key(each)) for each in some))
            for account, key_ids in zip(some, members, strict=True):
                places += ((account, key_id.decode()) for key_id in key_ids)
        keys: list[VirtualKey | None] = []
        for batch in _batches(places):
            rows = await self._ask(*(("HGETALL", key_record_key(*place)) for place in batch))
            keys += (key_of(key_id, row) for (_, key_id), row in zip(batch, rows, strict=True))
        return sorted((key for key in keys if key is not None), key=_rank)

    async def set_key_status(self, key_id: str, status: Status) -> None:
        """Raises BadCall if there is no such key."""
        key = await self.key(key_id)
        if key is None:
            raise BadCall(f"There is no key {key_id}.")
        await self._ask(
            ("HSET", key_record_key(key.account_id, key_id), "st", status),
            ("PUBLISH", KEYS_CHANNEL, key_changed(key.digest)),
            atomic=True,
        )
        self._cache.forget_key(key.digest)

    async def _members(self, name: str) -> list[str]:
        (members,) = await self._ask(("SMEMBERS", name))
        return sorted(member.decode() for member in members)


def _replacement(old: VirtualKey | None, key: VirtualKey) -> Iterator[Command]:
    """What led to the old record, away; what leads to the new one, there. In this order."""
    if old is not None and old.account_id != key.account_id:
        yield "DEL", key_record_key(old.account_id, key.key_id)
        yield "SREM", account_keys_key(old.account_id), key.key_id
    if old is not None and old.digest != key.digest:
        yield "DEL", key_digest_key(old.digest)
        yield "PUBLISH", KEYS_CHANNEL, key_changed(old.digest)
    yield "SET", key_digest_key(key.digest), f"{key.account_id} {key.key_id}"
    yield "SET", key_id_key(key.key_id), key.account_id
    yield "PUBLISH", KEYS_CHANNEL, key_changed(key.digest)


def _rank(key: VirtualKey) -> tuple[str, int, str]:
    return key.account_id, key.created_ms, key.key_id


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), LISTED_AT_ONCE):
        yield items[start : start + LISTED_AT_ONCE]
