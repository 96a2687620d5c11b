"""What one call was promised of its account's advance, while the store was away."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.metering.advances import Advance, changed, kept, promised
from gateway.metering.ledger import Extended, Reason, Refused, Reserve, Reserved
from gateway.metering.plans import Plan


@dataclass(slots=True)
class Standing:
    """An account that calls, as this worker sees it. Moments by the clock that does not jump."""

    account_id: str
    plan: Plan
    seen_ms: int
    low: bool = False
    """It has less free than an advance is."""
    asked_ms: int | None = None
    """When an advance was asked for last."""
    advance: Advance | None = None

    def have(self) -> Advance:
        assert self.advance is not None, "an advance stands as long as anything is promised of it"
        return self.advance


class Draw:
    """Stands until the ledger has the call's end. `over` is told then, with the call's id."""

    def __init__(
        self, ask: Reserve, promised_ucr: int, standing: Standing, *, over: Callable[[str], None]
    ) -> None:
        standing.advance = promised(standing.have(), promised_ucr)
        self.ask = ask
        """What the store was asked for and did not answer."""
        self.promised_ucr = promised_ucr
        self.in_store = False
        """The store holds for the call by now: what it needs more, it asks there."""
        self.asks_store = True
        """The call runs, and it is worth asking whether the store holds for it."""
        self._standing = standing
        self._over = over

    def answer(self) -> Reserved:
        """As the ledger would have answered: but how full limits are, nobody knows now."""
        return Reserved(
            held_ucr=self.promised_ucr,
            full=self.promised_ucr >= self.ask.full_ucr,
            available_ucr=self._standing.have().left_ucr,
            rooms=(),
            now_ms=self.ask.now_ms,
        )

    def extend(self, add_ucr: int) -> Extended | Refused:
        """Within the advance, answered as the ledger answers."""
        left_ucr = self._standing.have().left_ucr
        if add_ucr > left_ucr:
            return Refused(
                reason=Reason.BALANCE,
                available_ucr=left_ucr,
                held_ucr=0,
                rooms=tuple(charge.ceiling for charge in self.ask.charges),
                now_ms=self.ask.now_ms,
            )
        self._become(self.promised_ucr + add_ucr)
        return Extended(held_ucr=self.promised_ucr, available_ucr=left_ucr - add_ucr)

    def held_by_store(self, ucr: int) -> None:
        """That much of it; what it grew by meanwhile stays promised."""
        self.in_store, self.asks_store = True, False
        self._become(max(0, self.promised_ucr - ucr))

    def charged(self, charge_ucr: int) -> None:
        """The call is over and its charge on its way: promised until the ledger confirms it."""
        self.asks_store = False
        if not self.in_store:
            self._become(charge_ucr)
            self._standing.advance = replace(self._standing.have(), charged=True)

    def ended(self) -> None:
        """The ledger has the charge, or there is none."""
        self.asks_store = False
        self._standing.advance = kept(self._standing.have(), self.promised_ucr)
        self._over(self.ask.hold_id)

    def _become(self, ucr: int) -> None:
        before_ucr, self.promised_ucr = self.promised_ucr, ucr
        self._standing.advance = changed(
            self._standing.have(), before_ucr=before_ucr, after_ucr=ucr
        )
