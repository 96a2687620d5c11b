"""What is kept of those who are signed in: the contract of its store."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredSession:
    """Whose key somebody signed in with, and until when that holds."""

    key_digest: str
    ends_ms: int


class SessionStore(Protocol):
    """Who is signed in, by digests alone."""

    async def open(self, session: str, key_digest: str, *, ends_ms: int, lives_ms: int) -> None: ...

    async def find(self, session: str) -> StoredSession | None: ...

    async def close(self, session: str) -> None: ...
