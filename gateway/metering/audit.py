"""One account's books as its journal tells them, and where the ledger's own differ.

A store that was set back in time forgets what it did, and what is still known elsewhere is done
again: then the journal has two ends of one call where the ledger knows one. A call counts once:
as what it was settled for, or what its expiry and the late settlement after it came to together,
whichever is more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.metering.journal import FUNDED, LAPSED, TAKEN_BACK, Entry
from gateway.metering.ledger import Balance

CORRECTION = "audit-"
"""How the ids of what an audit itself wrote begin. It brings the ledger to the journal, so it is
no part of what the journal expects."""


@dataclass(slots=True)
class Books:
    """Adds up entries in their order. `ended_twice`: the operations with more than one end."""

    ended_twice: frozenset[str] = frozenset()
    granted_ucr: int = 0
    debt_ucr: int = 0
    funded: dict[str, int] = field(default_factory=dict)
    burnt: dict[str, int] = field(default_factory=dict)
    lapsed: dict[str, int] = field(default_factory=dict)
    voided: dict[str, int] = field(default_factory=dict)
    corrected: bool = False
    repeated: bool = False
    """Some call did end twice."""
    _charged_ucr: int = 0
    _ends: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        if entry.operation_id.startswith(CORRECTION):
            self.corrected = True
            return
        if entry.kind == FUNDED:
            self.granted_ucr += entry.amount_ucr
            self.funded[entry.operation_id] = entry.amount_ucr
            return
        self.debt_ucr += entry.debt_ucr
        out = self.lapsed if entry.kind == LAPSED else self.burnt
        if entry.kind in TAKEN_BACK:
            out = self.voided
        for grant_id, amount in entry.slices:
            out[grant_id] = out.get(grant_id, 0) + amount
        if not entry.charges:
            return
        if entry.operation_id in self.ended_twice:
            ends = self._ends.setdefault(entry.operation_id, {})
            self.repeated = self.repeated or bool(ends)
            ends[entry.kind] = entry.amount_ucr
        else:
            self._charged_ucr += entry.amount_ucr

    @property
    def charged_ucr(self) -> int:
        return self._charged_ucr + sum(
            max(ends.get("settled", 0), ends.get("expired", 0) + ends.get("late", 0))
            for ends in self._ends.values()
        )


TOTALS = ("granted", "charged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`what`: one of TOTALS, `debt`, or a grant's `burnt <id>`, `lapsed <id>` and
    `voided <id>`."""

    account_id: str
    what: str
    journal_ucr: int
    ledger_ucr: int

    @property
    def total(self) -> bool:
        return self.what in TOTALS

    @property
    def lost_by_ledger(self) -> bool:
        return self.journal_ucr > self.ledger_ucr


def differences(books: Books, balance: Balance) -> Sequence[Difference]:
    """Totals first. Grant by grant only where no correction and no second end of a call lies
    between: those are paid by whatever grant there was then."""
    account_id = balance.account_id
    pairs = [
        ("granted", books.granted_ucr, balance.granted_ucr),
        ("charged", books.charged_ucr, balance.charged_ucr),
    ]
    if not books.corrected and not books.repeated:
        for grant in balance.grants:
            name = grant.grant_id
            burnt, lapsed = books.burnt.get(name, 0), books.lapsed.get(name, 0)
            # A grant that lapsed before the store was set back lapsed again after it.
            lapsed = min(lapsed, max(0, books.funded.get(name, 0) - burnt))
            pairs.append((f"burnt {name}", burnt, grant.consumed_ucr))
            pairs.append((f"lapsed {name}", lapsed, grant.expired_ucr))
            pairs.append((f"voided {name}", books.voided.get(name, 0), grant.voided_ucr))
        pairs.append(("debt", books.debt_ucr, balance.debt_ucr))
    return [
        Difference(account_id=account_id, what=what, journal_ucr=journal, ledger_ucr=ledger)
        for what, journal, ledger in pairs
        if journal != ledger
    ]
