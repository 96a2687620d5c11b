"""Answers to requests with an `Idempotency-Key`, kept for two days, sealed.

One key a request: first a note that it is running (for as long as an operation may take), then its
answer. A process that dies in between leaves the note to expire.

An answer may tell a secret that is told once, a virtual key or what signs webhooks. So what is kept
opens only to whoever has the pepper, which is not in the store, *and* the `Idempotency-Key`, of
which the store has a digest.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.stores.redis.plain import PlainClient
from gateway.stores.replaying import InFlight, Other, Replay

RUNNING_MS = 60_000
# Stripe keeps them for a day, and people retry after a weekend day.
KEPT_MS = 48 * 3_600_000
FINGERPRINT_CHARS = 64
NONCE_BYTES = 12


class RedisReplays:
    """Implements `Replays`."""

    def __init__(self, url: str, *, pepper: bytes) -> None:
        self._client = PlainClient(url)
        self._pepper = pepper

    async def close(self) -> None:
        await self._client.close()

    async def begin(
        self, owner: str, key: str, fingerprint: str
    ) -> Replay | InFlight | Other | None:
        assert len(fingerprint) == FINGERPRINT_CHARS, "as SHA-256 writes it"
        name = _name(owner, key)
        set_now, found = await self._client.ask(
            ("SET", name, fingerprint, "NX", "PX", RUNNING_MS), ("GET", name)
        )
        if set_now is not None or found is None:
            return None
        known, sealed = found[:FINGERPRINT_CHARS].decode(), found[FINGERPRINT_CHARS:]
        if known != fingerprint:
            return Other()
        return self._opened(owner, key, sealed) if sealed else InFlight()

    async def finish(
        self, owner: str, key: str, fingerprint: str, *, status: int, body: bytes
    ) -> None:
        nonce = os.urandom(NONCE_BYTES)
        answer = status.to_bytes(2, "big") + body
        sealed = nonce + self._seal(owner, key).encrypt(nonce, answer, None)
        kept = fingerprint.encode() + sealed
        await self._client.ask(("SET", _name(owner, key), kept, "PX", KEPT_MS))

    async def forget(self, owner: str, key: str) -> None:
        await self._client.ask(("DEL", _name(owner, key)))

    def _opened(self, owner: str, key: str, sealed: bytes) -> Replay | Other:
        nonce, hidden = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            answer = self._seal(owner, key).decrypt(nonce, hidden, None)
        except InvalidTag:
            # Sealed under another pepper: nobody can tell that answer any more, and the request
            # is not done a second time under the same key.
            return Other()
        return Replay(int.from_bytes(answer[:2], "big"), answer[2:])

    def _seal(self, owner: str, key: str) -> AESGCM:
        return AESGCM(hmac.digest(self._pepper, b"answer\0" + _whole(owner, key), "sha256"))


def _name(owner: str, key: str) -> str:
    # Digested: what callers choose is of any length and holds any character.
    return f"idem:{hashlib.sha256(_whole(owner, key)).hexdigest()}"


def _whole(owner: str, key: str) -> bytes:
    return b"%b\0%b" % (owner.encode(), key.encode())
