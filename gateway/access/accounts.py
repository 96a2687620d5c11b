"""Accounts with what follows from their plan: opened, moved to another plan, given their allowance.

Commands, the Metering API, the configuration and the agenda's worker all come here; what is due is
decided in `metering/allowances.py`, and the ledger does each of it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Conflict
from gateway.metering.accounts import Account
from gateway.metering.allowances import due
from gateway.metering.balance import Balance
from gateway.metering.plans import Plan
from gateway.stores.base import Ledger
from gateway.stores.identifying import KeyStore


@dataclass(frozen=True, slots=True)
class Accounts:
    keys: KeyStore
    ledger: Ledger
    plans: Mapping[str, Plan]

    async def put(self, account: Account) -> None:
        """Create or change it, but for its plan."""
        await self.keys.put_account(account)
        await self.look(account)

    async def change(self, read: Account, changed: Account) -> bool:
        """False, and nothing is changed, if somebody else changed it since it was read."""
        if not await self.keys.change_account(read, changed):
            return False
        await self.look(changed)
        return True

    async def move(self, account: Account, plan: str) -> Account:
        """To another plan, from now on."""
        await self.keys.move_account(account.account_id, plan, now_ms=self.ledger.now_ms())
        moved = await self.keys.account(account.account_id)
        assert moved is not None, "an account is never deleted"
        await self.look(moved)
        return moved

    async def look(self, account: Account) -> Balance:
        """Give it what is due, take what another plan gave for later, and tell what is to be told;
        answers its balance as it was found."""
        seen = await self.ledger.balance(account.account_id)
        asked = due(account, self.plans, seen)
        for void in asked.voids:
            await self.ledger.void_grant(void)
        for grant in asked.grants:
            try:
                await self.ledger.grant(grant)
            except Conflict:
                # Given on other terms, or the account has moved: then it is due once more.
                continue
        await self.ledger.look(asked.look)
        return seen
