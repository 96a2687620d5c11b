"""Who is calling? Answered from a keyed digest of what was presented, giving nothing away.

Asked by the data plane before it reads a body, and by the Metering API.
"""

from collections.abc import Mapping

from gateway.access.failures import Failures
from gateway.dialects.keys import presented_key
from gateway.errors import GatewayError, StoreUnavailable
from gateway.metering.accounts import Caller, Status, digest, well_formed
from gateway.metering.plans import Plan
from gateway.stores.base import Ledger
from gateway.stores.identifying import KeyRecord, KeyStore

# Longer than any key of ours: nothing that long is hashed or looked up.
PRESENTED_CHARS_MAX = 256
# Members of an enumeration cost a descriptor call each time they are reached through it.
_ACTIVE = Status.ACTIVE


class Authentication:
    def __init__(
        self, keys: KeyStore, ledger: Ledger, *, plans: Mapping[str, Plan], pepper: bytes
    ) -> None:
        self._keys = keys
        self._ledger = ledger
        self._plans = plans
        self._pepper = pepper
        self._failures = Failures()

    async def caller(
        self,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        *,
        address: str,
        store_away: bool = False,
    ) -> Caller:
        """Whose key a request carries. Raises Unauthenticated, always with the same words, and
        QuotaExceeded where it comes from an address that keeps failing.

        `store_away`: if the store does not answer, what was last known of the key will do, for as
        long as its plan serves calls without the store.
        """
        presented = presented_key(headers, query)
        try:
            caller = None if presented is None else await self.known(presented)
        except StoreUnavailable:
            caller = self._last_known(presented) if store_away and presented else None
            if caller is None:
                raise
        if caller is None:
            raise self.refusal(address)
        return caller

    def refusal(self, address: str) -> GatewayError:
        """What a wrong key from there is answered with. Counts it."""
        return self._failures.refusal(address)

    async def known(self, presented: str) -> Caller | None:
        """The holder of a valid key; None for anything else, whatever is wrong with it."""
        if len(presented) > PRESENTED_CHARS_MAX:
            return None
        return self._holder(await self._find(presented))

    def remembered(self, looked_up: str) -> Caller | None:
        """The holder of the key of that digest, if it is known without asking anybody that the key
        is valid now."""
        record = self._keys.cached(looked_up)
        return None if record is None else self._holder(record)

    async def holder(self, looked_up: str) -> Caller | None:
        """The holder of the key of that digest, if the key is valid now."""
        return self._holder(self._keys.cached(looked_up) or await self._keys.find(looked_up))

    def _holder(self, record: KeyRecord | None) -> Caller | None:
        if record is None or not self._valid(record):
            return None
        plan = self._plans.get(record.account.plan)
        # None if the account names a plan that the configuration no longer has.
        return None if plan is None else Caller(record.key, record.account, plan, record.project)

    def _last_known(self, presented: str) -> Caller | None:
        known = self._keys.last_known(digest(self._pepper, presented))
        if known is None:
            return None
        record, age_ms = known
        caller = self._holder(record)
        away = None if caller is None else caller.plan.away
        return caller if away is not None and age_ms < away.usable_ms else None

    async def still(self, caller: Caller) -> bool:
        """Whether the caller's key is as good as when it came."""
        looked_up = caller.key.digest
        record = self._keys.cached(looked_up) or await self._keys.find(looked_up)
        return record is not None and self._valid(record)

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
        return key.status is _ACTIVE and not expired
