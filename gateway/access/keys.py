"""Who is calling? Answered from a keyed digest of what was presented, giving nothing away.

Asked by the data plane before it reads a body, and by the Metering API.
"""

from collections.abc import Mapping

from gateway.dialects.keys import presented_key
from gateway.errors import Unauthenticated
from gateway.metering.accounts import Caller, Status, digest, well_formed
from gateway.metering.admission import INVALID_KEY
from gateway.metering.plans import Plan
from gateway.stores.base import KeyRecord, KeyStore, Ledger

# Longer than any key of ours: nothing that long is hashed or looked up.
PRESENTED_CHARS_MAX = 256


class Authentication:
    def __init__(
        self, keys: KeyStore, ledger: Ledger, *, plans: Mapping[str, Plan], pepper: bytes
    ) -> None:
        self._keys = keys
        self._ledger = ledger
        self._plans = plans
        self._pepper = pepper

    async def caller(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Caller:
        """Whose key a request carries. Raises Unauthenticated, always with the same words."""
        presented = presented_key(headers, query)
        caller = None if presented is None else await self.known(presented)
        if caller is None:
            raise Unauthenticated(INVALID_KEY)
        return caller

    async def known(self, presented: str) -> Caller | None:
        """The holder of a valid key; None for anything else, whatever is wrong with it."""
        if len(presented) > PRESENTED_CHARS_MAX:
            return None
        record = await self._find(presented)
        if record is None or not self._valid(record):
            return None
        plan = self._plans.get(record.account.plan)
        # None if the account names a plan that the configuration no longer has.
        return None if plan is None else Caller(record.key, record.account, plan)

    async def _find(self, presented: str) -> KeyRecord | None:
        try:
            looked_up = digest(self._pepper, presented)
        except UnicodeEncodeError:
            return None
        record = self._keys.cached(looked_up)
        if record is not None:
            return record
        # The checksum spares the store whatever cannot be a key of ours.
        return await self._keys.find(looked_up) if well_formed(presented) else None

    def _valid(self, record: KeyRecord) -> bool:
        key = record.key
        expired = bool(key.expires_ms) and key.expires_ms <= self._ledger.now_ms()
        return key.status is Status.ACTIVE and not expired
