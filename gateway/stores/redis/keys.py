"""Accounts and virtual keys in the store, and the look-up of a presented key's digest.

Not the hot path: `cached` answers nearly every call from this process' memory, and what it
remembers is forgotten within a second of any change (`key_cache.py`, `key_watch.py`). Writing a
record and telling of it are one step, so that no writer's death leaves a change untold.

Writes of one key touch several slots of a cluster, so they are not atomic together. They are
ordered: whatever a crash leaves, the key still works as before or not at all, and putting it again
completes the change.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TypeVar

from gateway.errors import BadCall, Conflict
from gateway.metering.accounts import Account, Project, Status, VirtualKey
from gateway.stores.identifying import KeyRecord
from gateway.stores.redis.key_cache import KeyCache
from gateway.stores.redis.key_records import (
    ACCOUNT_FIELDS,
    account_fields,
    account_of,
    key_fields,
    key_of,
    project_of,
    project_text,
)
from gateway.stores.redis.key_steps import added, notice_of_end, notice_of_new, replacement
from gateway.stores.redis.key_watch import KeyWatch, account_changed, key_changed
from gateway.stores.redis.layout import (
    ACCOUNTS,
    KEYS_CHANNEL,
    account_key,
    account_keys_key,
    account_projects_key,
    agenda_key,
    key_digest_key,
    key_id_key,
    key_record_key,
    shard_tag,
)
from gateway.stores.redis.lua import MOVE
from gateway.stores.redis.plain import PlainClient
from gateway.stores.redis.shared_reads import SharedReads
from gateway.stores.redis.wire import Command
from gateway.tasks import TaskSet

# A look-up is part of admission, which answers within 250 ms even if the store does not.
FIND_S = 0.2
# Records read in one go when all are listed.
LISTED_AT_ONCE = 500

Item = TypeVar("Item")


class RedisKeyStore:
    """`start` watches for changes; without it look-ups live 0.9 s."""

    def __init__(self, url: str, *, find_timeout_s: float = FIND_S) -> None:
        self._find_timeout_s = find_timeout_s
        self._client = PlainClient(url)
        self._ask = self._client.ask
        self._cache = KeyCache()
        self._watch = KeyWatch(self._client.masters, self._cache)
        self._shared = SharedReads()
        self._tasks = TaskSet()
        self.cached = self._cache.record
        self.last_known = self._cache.last_known

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
        # Three questions at most, one deadline.
        until_s = asyncio.get_running_loop().time() + self._find_timeout_s
        (place,) = await self._ask(("GET", key_digest_key(digest)), until_s=until_s)
        if place is None:
            return None
        account_id, _, key_id = place.decode().rpartition(" ")
        fields, values = await self._ask(
            ("HGETALL", key_record_key(account_id, key_id)),
            ("HMGET", account_key(account_id), *ACCOUNT_FIELDS),
            until_s=until_s,
        )
        key, account = key_of(key_id, fields), account_of(account_id, values)
        # A digest left behind by a change that was broken off leads to another key: to nobody.
        if key is None or account is None or key.digest != digest:
            return None
        if not key.project_id:
            return KeyRecord(key, account)
        place = account_projects_key(account_id), key.project_id
        (text,) = await self._ask(("HGET", *place), until_s=until_s)
        return KeyRecord(key, account, project_of(text)) if text else None

    async def put_account(self, account: Account) -> None:
        account_id = account.account_id
        # First: an id without an account is skipped, an account nobody lists would be lost.
        await self._ask(("SADD", ACCOUNTS, account_id))
        await self._client.ask_together(
            ("HSET", account_key(account_id), *account_fields(account)),
            ("ZADD", agenda_key(shard_tag(account_id)), 0, account_id),
            ("PUBLISH", KEYS_CHANNEL, account_changed(account_id)),
        )
        self._cache.forget_account(account_id)

    async def change_account(self, read: Account, changed: Account) -> bool:
        account_id = read.account_id
        assert account_id == changed.account_id, "an account keeps its id"
        key = account_key(account_id)
        done = await self._client.swap(
            *(key, account_fields(read)),
            ("HSET", key, *account_fields(changed)),
            ("ZADD", agenda_key(shard_tag(account_id)), 0, account_id),
            ("PUBLISH", KEYS_CHANNEL, account_changed(account_id)),
        )
        self._cache.forget_account(account_id)
        return done

    async def move_account(self, account_id: str, plan: str, *, now_ms: int) -> None:
        keys = account_key(account_id), agenda_key(shard_tag(account_id))
        told = KEYS_CHANNEL, account_changed(account_id)
        await self._client.run(MOVE, keys, (plan, now_ms, account_id, *told))
        self._cache.forget_account(account_id)

    async def put_project(self, project: Project) -> None:
        account_id = project.account_id
        key = account_projects_key(account_id)
        await self._client.ask_together(
            ("HSET", key, project.project_id, project_text(project)),
            ("PUBLISH", KEYS_CHANNEL, account_changed(account_id)),
        )
        self._cache.forget_account(account_id)

    async def change_project(self, read: Project, changed: Project) -> bool:
        account_id, key = read.account_id, account_projects_key(read.account_id)
        done = await self._client.swap(
            *(key, (read.project_id, project_text(read))),
            ("HSET", key, read.project_id, project_text(changed)),
            ("PUBLISH", KEYS_CHANNEL, account_changed(account_id)),
        )
        self._cache.forget_account(account_id)
        return done

    async def project(self, account_id: str, project_id: str) -> Project | None:
        (text,) = await self._ask(("HGET", account_projects_key(account_id), project_id))
        return project_of(text) if text else None

    async def projects(self, account_id: str) -> Sequence[Project]:
        (texts,) = await self._ask(("HVALS", account_projects_key(account_id)))
        return sorted(map(project_of, texts), key=lambda project: project.project_id)

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

    async def put_key(self, key: VirtualKey, *, replaces: str = "") -> None:
        old = await self.key(key.key_id)
        await self._claim_digest(key)
        told = [notice_of_new(key, replaces)] if old is None else []
        await self._client.ask_together(*told, *added(key))
        for step in replacement(old, key):
            await self._client.ask_together(*step)
        self._cache.forget_key(key.digest)
        if old is not None:
            self._cache.forget_key(old.digest)

    async def change_key(self, read: VirtualKey, changed: VirtualKey) -> bool:
        same = read.key_id, read.account_id, read.digest
        assert same == (changed.key_id, changed.account_id, changed.digest), "it stays that key"
        revoked = changed.status is Status.REVOKED and read.status is not Status.REVOKED
        told = [notice_of_end(changed)] if revoked else []
        return await self._swap_key(read, changed, *told)

    async def rotate_key(self, read: VirtualKey, ending: VirtualKey, fresh: VirtualKey) -> bool:
        await self._claim_digest(fresh)
        ways = key_id_key(fresh.key_id), key_digest_key(fresh.digest)
        await self._ask(("SET", ways[0], fresh.account_id))
        told = notice_of_new(fresh, replaces=read.key_id)
        done = await self._swap_key(read, ending, told, *added(fresh))
        if not done:
            await self._ask(*(("DEL", way) for way in ways))
        return done

    async def _swap_key(self, read: VirtualKey, changed: VirtualKey, *beside: Command) -> bool:
        key = key_record_key(read.account_id, read.key_id)
        done = await self._client.swap(
            *(key, key_fields(read)),
            *beside,
            ("HSET", key, *key_fields(changed)),
            ("PUBLISH", KEYS_CHANNEL, key_changed(read.digest)),
        )
        self._cache.forget_key(read.digest)
        return done

    async def _claim_digest(self, key: VirtualKey) -> None:
        name, place = key_digest_key(key.digest), f"{key.account_id} {key.key_id}"
        _, owner = await self._client.ask_together(("SETNX", name, place), ("GET", name))
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
        revoked = status is Status.REVOKED and key.status is not Status.REVOKED
        told = [notice_of_end(key)] if revoked else []
        await self._client.ask_together(
            *told,
            ("HSET", key_record_key(key.account_id, key_id), "st", status),
            ("PUBLISH", KEYS_CHANNEL, key_changed(key.digest)),
        )
        self._cache.forget_key(key.digest)

    async def _members(self, name: str) -> list[str]:
        (members,) = await self._ask(("SMEMBERS", name))
        return sorted(member.decode() for member in members)


def _rank(key: VirtualKey) -> tuple[str, int, str]:
    return key.account_id, key.created_ms, key.key_id


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), LISTED_AT_ONCE):
        yield items[start : start + LISTED_AT_ONCE]
