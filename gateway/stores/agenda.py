"""What whoever looks at accounts in time asks of a store."""

from collections.abc import Sequence
from typing import Protocol


class Agenda(Protocol):
    """When which account is to be looked at: its allowance is due, or a grant's hour comes."""

    async def claim(self, *, limit: int, claim_ms: int) -> Sequence[str]:
        """Accounts that are due now, at most `limit` of each shard. Nobody else gets them for
        `claim_ms`, unless something about them changes."""
        ...

    async def review(self, terms: str) -> bool:
        """Have all accounts looked at, if it was not under these terms that they were last; answer
        whether it was not."""
        ...
