"""What is asked of a store to know whose a key is: accounts, projects, virtual keys.

Beside `base.py`, and a contract as that is. Every method may raise `StoreUnavailable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.metering.accounts import Account, Project, Status, VirtualKey


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a presented key leads to."""

    key: VirtualKey
    account: Account
    project: Project | None = None


class KeyStore(Protocol):
    """Accounts and virtual keys. Look-ups are cached and forgotten everywhere within 1 s of a
    change; the reserve script checks the key's status once more, at the source."""

    def cached(self, digest: str) -> KeyRecord | None:
        """The record if this process knows it, without waiting."""
        ...

    async def find(self, digest: str) -> KeyRecord | None: ...

    def last_known(self, digest: str) -> tuple[KeyRecord, int] | None:
        """For when `find` gets no answer: the record, and how old it is, ms."""
        ...

    async def put_account(self, account: Account) -> None:
        """Create or replace; other accounts' and the ledger's fields stay untouched."""
        ...

    async def change_account(self, read: Account, changed: Account) -> bool:
        """False, and nothing is changed, if it is no longer what was read."""
        ...

    async def move_account(self, account_id: str, plan: str, *, now_ms: int) -> None:
        """To another plan from now on. Done by several at once it happens once."""
        ...

    async def account(self, account_id: str) -> Account | None: ...

    async def accounts(self) -> Sequence[Account]: ...

    async def put_project(self, project: Project) -> None: ...

    async def change_project(self, read: Project, changed: Project) -> bool:
        """As `change_account`."""
        ...

    async def project(self, account_id: str, project_id: str) -> Project | None: ...

    async def projects(self, account_id: str) -> Sequence[Project]: ...

    async def put_key(self, key: VirtualKey, *, replaces: str = "") -> None:
        """Create or replace by key id; `replaces`: the key it takes over from. Raises Conflict if
        the digest belongs to another key."""
        ...

    async def change_key(self, read: VirtualKey, changed: VirtualKey) -> bool:
        """As `change_account`; it keeps its id, account and digest."""
        ...

    async def rotate_key(self, read: VirtualKey, ending: VirtualKey, fresh: VirtualKey) -> bool:
        """What was read becomes `ending`, and `fresh` is made, in one step; as `change_key`."""
        ...

    async def key(self, key_id: str) -> VirtualKey | None: ...

    async def keys(self, account_id: str | None = None) -> Sequence[VirtualKey]: ...

    async def set_key_status(self, key_id: str, status: Status) -> None: ...
