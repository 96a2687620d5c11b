"""What keeps webhook endpoints and the notices on their way to them.

Beside `base.py`, and a contract as that is. Every method may raise `StoreUnavailable`.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.metering.journal import Drained
from gateway.metering.webhooks import Endpoint, Message

DEAD_MAX = 10_000
"""Undelivered messages that are kept, of all endpoints; the oldest go first."""


class Endpoints(Protocol):
    async def add(self, endpoint: Endpoint) -> bool:
        """False, and nothing is added, if its account has `ENDPOINTS_MAX` already."""
        ...

    async def change(self, read: Endpoint, changed: Endpoint) -> bool:
        """False, and nothing is changed, if it is no longer what was read."""
        ...

    async def get(self, endpoint_id: str) -> Endpoint | None: ...

    async def listed(self, account_id: str | None = None) -> Sequence[Endpoint]:
        """By id; of one account, or all."""
        ...

    async def remove(self, read: Endpoint) -> bool:
        """With what is on its way to it. False, and it stays, if it is no longer what was read."""
        ...


class NoticeQueue(Protocol):
    async def enqueue(self, found: Sequence[Drained]) -> None:
        """What of these entries somebody is to be told, once for each endpoint, however often the
        same entries come within a day."""
        ...

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[Message]:
        """Messages that are to be sent now. Nobody else gets them for `claim_ms`."""
        ...

    async def sent(self, message: Message) -> None:
        """It arrived."""
        ...

    async def postpone(self, message: Message, *, pause_ms: int) -> None:
        """It did not, and is tried again after that time."""
        ...

    async def bury(self, message: Message) -> None:
        """It did not, and is not tried again unless it is asked for."""
        ...

    async def dead(self, endpoint_id: str, *, limit: int) -> Sequence[Message]:
        """Newest first."""
        ...

    async def redrive(self, messages: Sequence[Message]) -> int:
        """Try dead ones once more, from the start; answers how many were still there."""
        ...
