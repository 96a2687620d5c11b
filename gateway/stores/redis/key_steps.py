"""The commands that making and changing a key consist of. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.metering.accounts import VirtualKey
from gateway.metering.notices import NoticeKind
from gateway.stores.redis.key_records import key_fields
from gateway.stores.redis.key_watch import key_changed
from gateway.stores.redis.layout import (
    KEYS_CHANNEL,
    account_keys_key,
    key_digest_key,
    key_id_key,
    key_record_key,
)
from gateway.stores.redis.notes import notice
from gateway.stores.redis.wire import Command


def notice_of_new(key: VirtualKey, replaces: str) -> Command:
    if replaces:
        return _notice(NoticeKind.KEY_ROTATED, key, {"replaces": replaces})
    return _notice(NoticeKind.KEY_CREATED, key, {})


def _notice(kind: NoticeKind, key: VirtualKey, facts: Mapping[str, object]) -> Command:
    facts = {"name": key.name, **facts}
    return notice(kind, account_id=key.account_id, subject=key.key_id, facts=facts)


def notice_of_end(key: VirtualKey) -> Command:
    return _notice(NoticeKind.KEY_REVOKED, key, {})


def added(key: VirtualKey) -> Sequence[Command]:
    """Its record, and its place among the account's; all in one slot."""
    return (
        ("HSET", key_record_key(key.account_id, key.key_id), *key_fields(key)),
        ("SADD", account_keys_key(key.account_id), key.key_id),
        ("PUBLISH", KEYS_CHANNEL, key_changed(key.digest)),
    )


def replacement(old: VirtualKey | None, key: VirtualKey) -> Iterator[Sequence[Command]]:
    """What led to the old record, away; what leads to the new one, there. Step by step: the places
    may lie on several nodes, and what is told of a change must not overtake it."""
    if old is not None and old.account_id != key.account_id:
        yield (
            ("DEL", key_record_key(old.account_id, key.key_id)),
            ("SREM", account_keys_key(old.account_id), key.key_id),
        )
    if old is not None and old.digest != key.digest:
        yield (
            ("DEL", key_digest_key(old.digest)),
            ("PUBLISH", KEYS_CHANNEL, key_changed(old.digest)),
        )
    yield (("SET", key_id_key(key.key_id), key.account_id),)
    yield (
        ("SET", key_digest_key(key.digest), f"{key.account_id} {key.key_id}"),
        ("PUBLISH", KEYS_CHANNEL, key_changed(key.digest)),
    )
