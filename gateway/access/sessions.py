"""Signing in with a key, for browsers: a session stands for its key and sees what the key sees.

With a virtual key where callers are, with an operator's service key on the admin listener.

A session is a random token that only the browser has; the store knows its digest and the key's.
Each request looks the key up again, so a session ends with its key, within a second of a
revocation, and after `LIVES_MS` at the latest.
"""

import secrets
from dataclasses import dataclass, field

from gateway.access.keys import Authentication
from gateway.access.services import Service, ServiceKeys, ServiceScope
from gateway.errors import Unauthenticated
from gateway.metering.accounts import Caller, digest
from gateway.stores.signing_in import SessionStore

TOKEN_BYTES = 32
TOKEN_CHARS_MAX = 64
# A working day.
LIVES_MS = 12 * 3_600_000


@dataclass(frozen=True, slots=True)
class Session:
    """`guard`: what a page must send with whatever changes something, beside the cookie. `who`:
    the holder of the virtual key, or the service whose key it is."""

    token: str = field(repr=False)
    guard: str = field(repr=False)
    who: Caller | Service
    ends_ms: int


class Sessions:
    def __init__(
        self,
        store: SessionStore,
        authentication: Authentication,
        services: ServiceKeys,
        *,
        pepper: bytes,
    ) -> None:
        self._store = store
        self._authentication = authentication
        self._services = services
        self._pepper = pepper

    async def sign_in(
        self, presented: str, *, address: str, now_ms: int, operator: bool = False
    ) -> Session:
        """`operator`: with a service key that has the scope `admin`, else with a virtual key.
        Raises Unauthenticated, and QuotaExceeded where wrong keys keep coming from."""
        found = self._operator(presented) if operator else await self._caller(presented)
        if found is None:
            raise self._authentication.refusal(address)
        key_digest, who = found
        token, ends_ms = secrets.token_urlsafe(TOKEN_BYTES), now_ms + LIVES_MS
        await self._store.open(self._digest(token), key_digest, ends_ms=ends_ms, lives_ms=LIVES_MS)
        return Session(token, self._guard(token), who, ends_ms)

    async def _caller(self, presented: str) -> tuple[str, Caller] | None:
        caller = await self._authentication.known(presented)
        return None if caller is None else (caller.key.digest, caller)

    def _operator(self, presented: str) -> tuple[str, Service] | None:
        found = self._services.known(presented)
        return found if found is not None and ServiceScope.ADMIN in found[1].scopes else None

    async def session(self, token: str) -> Session:
        """Raises Unauthenticated for one that is over, or never was."""
        if len(token) <= TOKEN_CHARS_MAX and token.isascii():
            found = await self._store.find(self._digest(token))
            who = await self._holder(found.key_digest) if found else None
            if found is not None and who is not None:
                return Session(token, self._guard(token), who, found.ends_ms)
        raise Unauthenticated("The session is over. Sign in again.")

    async def _holder(self, key_digest: str) -> Caller | Service | None:
        service = self._services.holder(key_digest)
        return service or await self._authentication.holder(key_digest)

    async def sign_out(self, session: Session) -> None:
        await self._store.close(self._digest(session.token))

    def _digest(self, token: str) -> str:
        return digest(self._pepper, f"session {token}")

    def _guard(self, token: str) -> str:
        """Follows from the token, which a page cannot read: nothing more is to be kept."""
        return digest(self._pepper, f"guard {token}")
