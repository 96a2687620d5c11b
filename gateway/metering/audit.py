"""One account's books as its journal tells them, and where the ledger's own differ.

A store that was set back in time forgets what it did, and what is still known elsewhere is done
again: then the journal has two ends of one call where the ledger knows one. A call counts once:
as what it was settled for, or what its expiry and the late settlement after it came to together,
whichever is more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.metering.balance import Balance, GrantState
from gateway.metering.journal import FUNDED, LAPSED, TAKEN_BACK, Entry

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
    corrections: int = 0
    """Movements that audits wrote, so far."""
    made_up_ucr: int = 0
    """Granted by audits for what was gone without a movement."""
    repeated: bool = False
    """Some call did end twice."""
    _charged_ucr: int = 0
    _ends: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        if entry.operation_id.startswith(CORRECTION):
            self.corrections += 1
            if entry.kind == FUNDED and what_of(entry.operation_id) == "balance":
                self.made_up_ucr += entry.amount_ucr
            return
        if entry.kind == FUNDED:
            # Once, though a store that was set back may have been given it once more.
            self.granted_ucr += entry.amount_ucr - self.funded.get(entry.operation_id, 0)
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

    def lapsed_of(self, grant_id: str) -> int:
        """A grant that lapsed before the store was set back lapsed again after it."""
        left = self.funded.get(grant_id, 0) - self.burnt.get(grant_id, 0)
        return min(self.lapsed.get(grant_id, 0), max(0, left))

    @property
    def worth_ucr(self) -> int:
        """Credit that is left, held or not, less debt. Of calls that ended twice it knows not
        which grants paid in the end: only where none did is it to be believed."""
        gone = sum(self.burnt.values()) + sum(self.voided.values())
        lapsed = sum(map(self.lapsed_of, self.lapsed))
        return self.granted_ucr - gone - lapsed - self.debt_ucr


TOTALS = ("granted", "charged", "balance")
FORGOTTEN = "(forgotten)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`what`: one of TOTALS; `debt`; a grant's `burnt <id>`, `lapsed <id>`, `voided <id>` and
    `left <id>`; the first three of all FORGOTTEN grants together; or what the ledger itself adds up
    of its grants, `available` and `held`.

    `balance` is what the account is worth, beyond what the other totals explain.
    """

    account_id: str
    what: str
    journal_ucr: int
    ledger_ucr: int

    @property
    def total(self) -> bool:
        return self.what in TOTALS

    @property
    def lost_ucr(self) -> int:
        """What the ledger has too little of."""
        return self.journal_ucr - self.ledger_ucr

    @property
    def lost_by_ledger(self) -> bool:
        return self.lost_ucr > 0


Pair = tuple[str, int, int]
"""What it is, by the journal, by the ledger."""


def differences(books: Books, balance: Balance) -> Sequence[Difference]:
    """Totals first. Grant by grant only where no correction and no second end of a call lies
    between: those are paid by whatever grant there was then."""
    granted = ("granted", books.granted_ucr + books.made_up_ucr, balance.granted_ucr)
    charged = ("charged", books.charged_ucr, balance.charged_ucr)
    pairs = [granted, charged, *_own_sums(balance)]
    if not books.repeated:
        worth = sum(each.remaining_ucr + each.held_ucr for each in balance.grants)
        worth -= balance.debt_ucr
        explained = (granted[1] - granted[2]) - (charged[1] - charged[2])
        pairs.append(("balance", books.worth_ucr - explained, worth))
    if not books.corrections and not books.repeated:
        for grant in balance.grants:
            pairs += _of_grant(books, grant)
        if granted[1] == granted[2]:
            pairs += _of_forgotten(books, balance)
        pairs.append(("debt", books.debt_ucr, balance.debt_ucr))
    return [
        Difference(account_id=balance.account_id, what=what, journal_ucr=journal, ledger_ucr=ledger)
        for what, journal, ledger in pairs
        if journal != ledger
    ]


def _own_sums(balance: Balance) -> Sequence[Pair]:
    """What the ledger keeps beside its grants, to be fast, and they say as well."""
    now_ms = balance.now_ms
    free = sum(each.remaining_ucr for each in balance.grants if each.effective_ms <= now_ms)
    held = sum(each.held_ucr for each in balance.grants)
    return [("available", free, balance.available_ucr), ("held", held, balance.held_ucr)]


def _of_grant(books: Books, grant: GrantState) -> Sequence[Pair]:
    name = grant.grant_id
    burnt, voided = books.burnt.get(name, 0), books.voided.get(name, 0)
    lapsed = books.lapsed_of(name)
    left = books.funded.get(name, 0) - burnt - lapsed - voided
    return [
        (f"burnt {name}", burnt, grant.consumed_ucr),
        (f"lapsed {name}", lapsed, grant.expired_ucr),
        (f"voided {name}", voided, grant.voided_ucr),
        (f"left {name}", left, grant.remaining_ucr + grant.held_ucr),
    ]


def _of_forgotten(books: Books, balance: Balance) -> Sequence[Pair]:
    """Where none is missing, those that are not among the grants any more."""
    sums, here = balance.forgotten, {grant.grant_id for grant in balance.grants}
    gone = books.funded.keys() - here
    return [
        (f"burnt {FORGOTTEN}", sum(books.burnt.get(each, 0) for each in gone), sums.consumed_ucr),
        (f"lapsed {FORGOTTEN}", sum(map(books.lapsed_of, gone)), sums.expired_ucr),
        (f"voided {FORGOTTEN}", sum(books.voided.get(each, 0) for each in gone), sums.voided_ucr),
    ]


class Remedy(StrEnum):
    """What an audit may write. Movements of their own, and nothing is ever edited."""

    GRANT = "grant"
    CHARGE = "charge"
    TAKE_BACK = "take back"
    RECOUNT = "add up anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """`operation_id` says what for: written twice, nothing happens twice."""

    account_id: str
    operation_id: str
    remedy: Remedy
    amount_ucr: int
    reason: str


def corrections(found: Sequence[Difference], *, earlier: int) -> Sequence[Correction]:
    """What brings the ledger to a journal that is whole; empty where the journal cannot tell.
    `earlier`: how many an audit wrote of the account before: the same may go wrong again."""
    if any(each.total and each.what != "balance" and not each.lost_by_ledger for each in found):
        return ()
    told = {each.what: each for each in found}
    planned = []
    # Added up first: what is taken back comes out of what is available.
    for what in ("available", *TOTALS):
        if (each := told.get(what)) is not None:
            remedy, reason = _remedy(each)
            planned.append(
                Correction(
                    account_id=each.account_id,
                    operation_id=_operation_id(each, earlier),
                    remedy=remedy,
                    amount_ucr=abs(each.lost_ucr),
                    reason=reason,
                )
            )
    return planned


def _operation_id(each: Difference, earlier: int) -> str:
    return f"{CORRECTION}{earlier}-{each.what}-{each.journal_ucr}-{each.ledger_ucr}"


def what_of(operation_id: str) -> str:
    """What a correction of an audit was written for."""
    return operation_id.removeprefix(CORRECTION).split("-")[1]


def _remedy(each: Difference) -> tuple[Remedy, str]:
    if each.what == "balance" and not each.lost_by_ledger:
        return Remedy.TAKE_BACK, "the journal knows of nothing that gave it"
    return _REMEDIES[each.what]


_REMEDIES = {
    "available": (Remedy.RECOUNT, "what is available is not what its grants have left"),
    "granted": (Remedy.GRANT, "granted according to the journal, and lost by the store"),
    "charged": (Remedy.CHARGE, "charged according to the journal, and lost by the store"),
    "balance": (Remedy.GRANT, "the journal knows of nothing that took it"),
}
