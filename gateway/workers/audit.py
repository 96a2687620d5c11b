"""Recomputes what accounts have from the journal, and compares it with the ledger's own books.

The history and what the outboxes still hold behind it are one journal: an audit needs nobody to
stand still. It reads the ledger before and after, and looks again if the account moved meanwhile.
A repair never edits: it writes corrections through the ledger, where the journal is whole and
the ledger is not (a store that was set back in time, an amount changed by hand). What the journal
lacks cannot be repaired from the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.errors import Conflict
from gateway.metering.audit import Books, Correction, Difference, Remedy, corrections, differences
from gateway.metering.balance import Balance, Forgotten
from gateway.metering.events import End, UsageEvent
from gateway.metering.journal import (
    CHARGING,
    FUNDED,
    NO_HASH,
    SHARDS,
    Entry,
    Position,
    chained,
    shard_of,
)
from gateway.metering.ledger import Correct, Grant, GrantKind, Settle
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
    lost them. `missing`: the other way round. `newest`: where neither tells, what moved last of
    what differs. `corrections`: what a repair would write; nothing where the journal has gaps."""

    account_id: str
    differences: Sequence[Difference]
    forgotten: Sequence[Entry] = ()
    missing: Sequence[Entry] = ()
    newest: Sequence[Entry] = ()
    corrections: Sequence[Correction] = ()


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
        newest = () if forgotten or missing else await self._newest(account_id, found)
        planned = () if missing else corrections(found, earlier=look.books.corrections)
        return AccountReport(
            account_id=account_id,
            differences=found,
            forgotten=forgotten,
            missing=missing,
            newest=newest,
            corrections=planned,
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

    async def _newest(self, account_id: str, found: Sequence[Difference]) -> Sequence[Entry]:
        """The last movements that had to do with what differs."""
        grants = {words[-1] for each in found if len(words := each.what.split()) > 1}
        of_totals = {"granted": frozenset({FUNDED}), "charged": CHARGING}
        kinds = frozenset().union(*(of_totals.get(each.what, ()) for each in found))
        moved = await self._history.movements(account_id, kinds=(), before=None, limit=PAGE)
        about = [
            each.entry
            for each in moved
            if each.entry.kind in kinds or grants & {name for name, _ in each.entry.slices}
        ]
        return (about or [each.entry for each in moved])[:ENTRIES_TOLD_MAX]

    async def repair(self, report: AccountReport, *, by: str) -> Sequence[str]:
        """Write what the report plans, each once, `by` whom it says. Answers their ids."""
        for each in report.corrections:
            note = f"Audit, by {by}: {each.reason}."
            match each.remedy:
                case Remedy.RECOUNT:
                    await self._ledger.recount(each.account_id)
                case Remedy.GRANT:
                    await self._ledger.grant(_grant(each, note))
                case Remedy.CHARGE:
                    await self._ledger.settle(_charge(self._ledger, each, note))
                case Remedy.TAKE_BACK:
                    await self._ledger.correct(
                        Correct(
                            correction_id=each.operation_id,
                            account_id=each.account_id,
                            amount_ucr=each.amount_ucr,
                            note=note,
                        )
                    )
        return [each.operation_id for each in report.corrections]


def _grant(each: Correction, note: str) -> Grant:
    return Grant(
        grant_id=each.operation_id,
        account_id=each.account_id,
        amount_ucr=each.amount_ucr,
        kind=GrantKind.CORRECTION,
        note=note,
    )


def _charge(ledger: Ledger, each: Correction, note: str) -> Settle:
    """Of no hold, so the ledger charges it directly, once."""
    event = UsageEvent(
        event_id=each.operation_id,
        account_id=each.account_id,
        key_id="",
        provider="",
        dialect="correction",
        model_requested=note,
        model="",
        rate_version="",
        started_ms=ledger.now_ms(),
        end=End.COMPLETED,
        charge_ucr=each.amount_ucr,
    )
    return Settle(
        hold_id=each.operation_id,
        account_id=each.account_id,
        charges=(),
        amounts=(),
        event=event,
    )


def _stood_still(before: Balance, after: Balance) -> bool:
    def but_its_grants(balance: Balance) -> Balance:
        return replace(balance, now_ms=0, grants=(), forgotten=Forgotten())

    def movements(balance: Balance) -> tuple[int, int, int]:
        return balance.consumed_ucr, balance.lapsed_ucr, balance.voided_ucr

    return but_its_grants(before) == but_its_grants(after) and movements(before) == movements(after)


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
