"""Making virtual keys: fresh ids and secrets, of which only a digest is kept."""

import secrets
from dataclasses import replace

from gateway.errors import BadCall
from gateway.metering.accounts import (
    ALPHABET,
    KEY_ID_CHARS,
    SECRET_CHARS,
    Status,
    VirtualKey,
    digest,
    format_key,
)
from gateway.stores.identifying import KeyStore


class Issuing:
    def __init__(self, keys: KeyStore, *, pepper: bytes) -> None:
        self._keys = keys
        self._pepper = pepper

    async def issue(self, template: VirtualKey) -> tuple[VirtualKey, str]:
        """Store a key like `template` under a fresh id and secret; answer it and what to present,
        which nobody can be told again."""
        key, presented = self._drawn(template)
        await self._keys.put_key(key)
        return key, presented

    async def rotate(
        self, old: VirtualKey, *, overlap_ms: int, now_ms: int
    ) -> tuple[VirtualKey, str] | None:
        """A new key like `old`, which works on during the overlap; None, and nothing is done, if
        it has changed since it was read. Raises BadCall unless `old` is active."""
        if old.status is not Status.ACTIVE:
            raise BadCall(f"The key {old.key_id} is {old.status}; make a new one.")
        fresh, presented = self._drawn(replace(old, created_ms=now_ms, source="command"))
        ends_ms = min(old.expires_ms or now_ms + overlap_ms, now_ms + overlap_ms)
        done = await self._keys.rotate_key(old, replace(old, expires_ms=ends_ms), fresh)
        return (fresh, presented) if done else None

    def _drawn(self, template: VirtualKey) -> tuple[VirtualKey, str]:
        key_id, secret = _symbols(KEY_ID_CHARS), _symbols(SECRET_CHARS)
        presented = format_key(key_id, secret)
        return replace(template, key_id=key_id, digest=digest(self._pepper, presented)), presented


def possible_key_id(text: str) -> bool:
    return len(text) == KEY_ID_CHARS and set(text) <= set(ALPHABET)


def _symbols(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))
