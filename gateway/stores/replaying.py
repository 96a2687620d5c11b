"""What is remembered of requests with an `Idempotency-Key`: the contract."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Replay:
    """The same request was answered before, like this."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class InFlight:
    """The same request is running."""


@dataclass(frozen=True, slots=True)
class Other:
    """The same key came with another request."""


class Replays(Protocol):
    """What was answered under an `Idempotency-Key`. `owner`: whose keys these are. Nobody reads an
    answer off the store: it may tell a secret."""

    async def begin(
        self, owner: str, key: str, fingerprint: str
    ) -> Replay | InFlight | Other | None:
        """None: it is new, and noted as running for a minute."""
        ...

    async def finish(
        self, owner: str, key: str, fingerprint: str, *, status: int, body: bytes
    ) -> None:
        """The answer, which must be text; kept for two days."""
        ...

    async def forget(self, owner: str, key: str) -> None:
        """It came to nothing: the same key may try again."""
        ...
