"""Recomputes what accounts have from the journal, and compares it with the ledger's own books.

The history and what the outboxes still hold behind it are one journal: an audit needs nobody to
stand still. It reads the ledger before and after, and looks again if the account moved meanwhile.
A repair never edits: it writes corrections through the ledger, where the journal is whole and
the ledger lost something (a store that was set back in time). What the journal lacks cannot be
repaired from the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.errors import Conflict
from gateway.metering.audit import CORRECTION, Books, Difference, differences
from gateway.metering.events import End, UsageEvent
from gateway.metering.journal import NO_HASH, SHARDS, Entry, Position, chained, shard_of
from gateway.metering.ledger import Balance, Grant, GrantKind, Settle
from gateway.stores.base import History, Ledger, Outbox

PAGE = 1_000
# A busy account is looked at so often before it is told as it was found last.
LOOKS_MAX = 20
ENTRIES_TOLD_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """Where a shard's chain is broken: this entry, or one before it, is not as it was written."""

    shard: int
    number: int
    entry_id: str
    account_id: str
    operation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """`forgotten`: in the journal and not in the outbox, where they should still be: the store
    lost them. `missing`: the other way round."""

    account_id: str
    differences: Sequence[Difference]
    forgotten: Sequence[Entry] = ()
    missing: Sequence[Entry] = ()

    @property
    def repairable(self) -> bool:
        totals = [each for each in self.differences if each.total]
        return bool(totals) and not self.missing and all(each.lost_by_ledger for each in totals)


@dataclass(frozen=True, slots=True)
class _Look:
    books: Books
    balance: Balance
    position: Position


class Audit:
    def __init__(self, ledger: Ledger, outbox: Outbox, history: History) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._history = history

    async def chain(self, shard: int) -> ChainFault | None:
        """The first entry of a shard that does not follow from those before it."""
        end = (await self._history.positions())[shard]
        number, last = 0, NO_HASH
        while number < end.entries:
            page = await self._history.chain(shard, after=number, limit=PAGE)
            for each in page:
                number, last = number + 1, chained(last, each.entry)
                if each.number != number or each.hash != last:
                    return _fault(shard, number, each.entry)
                if number == end.entries:
                    break
            if not page:
                return _fault(shard, number + 1, None)
        return None if last == end.hash else _fault(shard, number, None)

    async def chains(self) -> Sequence[ChainFault]:
        faults = [await self.chain(shard) for shard in range(SHARDS)]
        return [fault for fault in faults if fault is not None]

    async def account(self, account_id: str) -> AccountReport:
        """Raises Conflict if it never stood still long enough to be compared."""
        look = await self._look(account_id)
        found = differences(look.books, look.balance)
        if not found:
            return AccountReport(account_id=account_id, differences=())
        forgotten, missing = await self._to_look_at(account_id, look.position)
        return AccountReport(
            account_id=account_id, differences=found, forgotten=forgotten, missing=missing
        )

    async def _look(self, account_id: str) -> _Look:
        for _ in range(LOOKS_MAX):
            # Books what has lapsed by now, so that it stands in the outbox as well.
            before = await self._ledger.balance(account_id)
            books, position = await self._books(account_id)
            after = await self._ledger.balance(account_id)
            if _stood_still(before, after):
                return _Look(books, after, position)
        raise Conflict(f"{account_id} changed all the while; audit it when it is less busy.")

    async def _books(self, account_id: str) -> tuple[Books, Position]:
        shard = shard_of(account_id)
        position = (await self._history.positions())[shard]
        tail = await self._tail(account_id, shard, position)
        twice = {*await self._history.ended_twice(account_id)}
        twice.update(entry.operation_id for entry in tail if entry.charges)
        books = Books(frozenset(twice))
        number = 0
        while page := await self._history.journal(account_id, after=number, limit=PAGE):
            for each in page:
                if position.covers(each.entry):
                    books.add(each.entry)
            number = page[-1].number
        for entry in tail:
            books.add(entry)
        return books, position

    async def _tail(self, account_id: str, shard: int, position: Position) -> Sequence[Entry]:
        """What stands in the outbox behind the history."""
        found: list[Entry] = []
        while read := await self._outbox.read({shard: position}, limit=PAGE):
            entries = read[0].entries
            found += [entry for entry in entries if entry.account_id == account_id]
            position = replace(position, entry_id=entries[-1].entry_id)
        return found

    async def _to_look_at(
        self, account_id: str, position: Position
    ) -> tuple[Sequence[Entry], Sequence[Entry]]:
        """The newest entries that only the history has, or only the outbox."""
        outbox = {entry.entry_id: entry for entry in await self._ledger.events(account_id)}
        first = min(outbox, key=_order, default=None)
        history: dict[str, Entry] = {}
        before: int | None = None
        while page := await self._history.movements(
            account_id, kinds=(), before=before, limit=PAGE
        ):
            history |= {each.entry.entry_id: each.entry for each in page}
            before = page[-1].number
            if first is not None and _order(page[-1].entry.entry_id) < _order(first):
                break
        forgotten = [
            entry
            for entry_id, entry in history.items()
            if entry_id not in outbox and (first is None or _order(entry_id) > _order(first))
        ]
        missing = [
            entry
            for entry_id, entry in outbox.items()
            if entry_id not in history and position.covers(entry)
        ]
        return forgotten[:ENTRIES_TOLD_MAX], missing[-ENTRIES_TOLD_MAX:]

    async def repair(self, report: AccountReport) -> Sequence[str]:
        """Give back to the ledger what it lost: a grant, a charge. Answers their ids, which say
        what for: repaired twice, nothing happens twice."""
        assert report.repairable, "nothing is written on the word of a journal with gaps"
        written = []
        for each in report.differences:
            missing_ucr = each.journal_ucr - each.ledger_ucr
            operation_id = f"{CORRECTION}{each.what}-{each.journal_ucr}-{each.ledger_ucr}"
            if each.what == "granted":
                await self._ledger.grant(_grant(report.account_id, operation_id, missing_ucr))
            elif each.what == "charged":
                await self._ledger.settle(_charge(self._ledger, report, operation_id, missing_ucr))
            else:
                continue
            written.append(operation_id)
        return written


def _grant(account_id: str, operation_id: str, amount_ucr: int) -> Grant:
    return Grant(
        grant_id=operation_id,
        account_id=account_id,
        amount_ucr=amount_ucr,
        kind=GrantKind.CORRECTION,
        note="Found by an audit: granted according to the journal, and lost by the store.",
    )


def _charge(ledger: Ledger, report: AccountReport, operation_id: str, charge_ucr: int) -> Settle:
    """Of no hold, so the ledger charges it directly, once."""
    event = UsageEvent(
        event_id=operation_id,
        account_id=report.account_id,
        key_id="",
        provider="",
        dialect="correction",
        model_requested="",
        model="",
        rate_version="",
        started_ms=ledger.now_ms(),
        end=End.COMPLETED,
        charge_ucr=charge_ucr,
    )
    return Settle(
        hold_id=operation_id, account_id=report.account_id, charges=(), amounts=(), event=event
    )


def _stood_still(before: Balance, after: Balance) -> bool:
    return replace(before, now_ms=0, grants=()) == replace(after, now_ms=0, grants=()) and [
        (grant.grant_id, grant.consumed_ucr, grant.expired_ucr) for grant in before.grants
    ] == [(grant.grant_id, grant.consumed_ucr, grant.expired_ucr) for grant in after.grants]


def _fault(shard: int, number: int, entry: Entry | None) -> ChainFault:
    return ChainFault(
        shard=shard,
        number=number,
        entry_id="" if entry is None else entry.entry_id,
        account_id="" if entry is None else entry.account_id,
        operation_id="" if entry is None else entry.operation_id,
    )


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number)
