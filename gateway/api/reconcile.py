"""GET /reconcile: whether the ledger, the journal behind it and the sinks tell the same.

Cheap: the journal's sums are kept, and its newest entry says what the account was worth after it;
to that comes what still stands in the outbox. `tollkeeper audit` adds up every entry anew, and is
what to ask where these two differ. A sink that can be asked what it has is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.api.whose import account_named
from gateway.errors import Conflict, NotFound
from gateway.metering.accounts import Account
from gateway.metering.balance import Balance
from gateway.metering.history import DAY_MS, HOUR_MS, Question
from gateway.metering.journal import Position, shard_of
from gateway.sinks.base import Outcome, retry

# An account that calls all the while is looked at so often.
LOOKS_MAX = 10
TAIL_PAGE = 1_000


class ReconcileQuery(Query):
    account_id: Annotated[str, Field(max_length=64)] = ""
    """This one only; without it all accounts by id, a page at a time."""
    cursor: Annotated[str, Field(max_length=64)] = ""
    """The last id of the page before."""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    start_time: Annotated[int, Field(ge=0, lt=10**11)] = 0
    """Unix seconds: from when sinks are compared, by whole hours; 0: from the beginning. A sink
    that came later has nothing of before."""


class SinkCharges(Reply):
    """What a sink has of the account."""

    name: str
    charged: Amount | None
    """Null: it cannot be asked, or does not answer."""
    journal_charged: Amount
    """Of the same time."""
    agrees: bool | None
    reason: str
    """Why it is not known."""


class ReconciledAccount(Reply):
    """`worth` is credit, free or held, less debt."""

    account_id: str
    agrees: bool
    """Charges and worth are the same in both, to the microcredit."""
    busy: bool
    """It changed all the while: ask again when it is quieter. It does not agree then."""
    ledger_charged: Amount
    journal_charged: Amount
    ledger_worth: Amount
    journal_worth: Amount
    sinks: Sequence[SinkCharges]


class ReconciledSink(Reply):
    """Settlements of all accounts that it has not got."""

    name: str
    waiting: int
    """In the outbox, to be sent once more, or in sums under way."""
    dead_letters: int


class ReconcileReply(Reply):
    as_of: Moment
    agrees: bool
    """All accounts of this page do, in ledger and journal. What sinks have is told beside it: what
    waits for one it has not got yet."""
    data: Sequence[ReconciledAccount]
    sinks: Sequence[ReconciledSink]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class _Sums:
    charged_ucr: int
    worth_ucr: int


def operations(resources: Resources) -> Sequence[Operation]:
    return (
        Operation(
            method="GET",
            path="/reconcile",
            name="reconcile",
            summary="Whether ledger, journal and sinks tell the same, account by account",
            tag="Accounts",
            audience=Audience.SERVICE,
            scope=ServiceScope.ACCOUNTS_READ,
            query=ReconcileQuery,
            handler=_Reconciling(resources).answer,
            answer=ReconcileReply,
            errors=(NotFound,),
        ),
    )


class _Reconciling:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def answer(self, asked: Asked[Query]) -> ReconcileReply:
        query = asked.query
        assert isinstance(query, ReconcileQuery)
        accounts = await self._accounts(query)
        page = accounts[: query.limit]
        first_ms = query.start_time * 1000 // HOUR_MS * HOUR_MS
        rows = [await self._account(each.account_id, first_ms) for each in page]
        return ReconcileReply(
            as_of=moment(self._resources.ledger.now_ms()),
            agrees=all(row.agrees for row in rows),
            data=rows,
            sinks=await self._sinks(),
            next_cursor=page[-1].account_id if len(accounts) > len(page) else None,
        )

    async def _accounts(self, query: ReconcileQuery) -> Sequence[Account]:
        if not query.account_id:
            known = await self._resources.keys.accounts()
            return [account for account in known if account.account_id > query.cursor]
        return [await account_named(query.account_id, self._resources.keys)]

    async def _account(self, account_id: str, first_ms: int) -> ReconciledAccount:
        busy = False
        try:
            ledger, journal = await self._stood_still(account_id)
        except Conflict:
            busy, journal = True, await self._journal(account_id)
            ledger = _sums(await self._resources.ledger.balance(account_id))
        return ReconciledAccount(
            account_id=account_id,
            agrees=ledger == journal and not busy,
            busy=busy,
            ledger_charged=amount(ledger.charged_ucr),
            journal_charged=amount(journal.charged_ucr),
            ledger_worth=amount(ledger.worth_ucr),
            journal_worth=amount(journal.worth_ucr),
            sinks=await self._at_sinks(account_id, first_ms),
        )

    async def _at_sinks(self, account_id: str, first_ms: int) -> Sequence[SinkCharges]:
        if not self._resources.exports.configured:
            return []
        journal = await self._journal(account_id, first_ms=first_ms)
        return [
            await self._at_sink(name, account_id, first_ms, journal.charged_ucr)
            for name in self._resources.exports.configured
        ]

    async def _at_sink(
        self, name: str, account_id: str, first_ms: int, journal_ucr: int
    ) -> SinkCharges:
        exports = self._resources.exports
        sink = exports.tell_charges.get(name)
        told: int | Outcome = retry("such a sink cannot be asked")
        if sink is not None:
            end_ms = self._resources.ledger.now_ms() + DAY_MS
            told = await sink.charged(
                account_id, source=exports.source, first_ms=first_ms, end_ms=end_ms
            )
        unknown = isinstance(told, Outcome)
        return SinkCharges(
            name=name,
            charged=None if isinstance(told, Outcome) else amount(told),
            journal_charged=amount(journal_ucr),
            agrees=None if unknown else told == journal_ucr,
            reason=told.reason if isinstance(told, Outcome) else "",
        )

    async def _stood_still(self, account_id: str) -> tuple[_Sums, _Sums]:
        """Of one moment. Raises Conflict if there was none."""
        ledger, shard = self._resources.ledger, shard_of(account_id)
        for _ in range(LOOKS_MAX):
            # Books what has lapsed by now, so that it stands in the outbox as well.
            before, began = await ledger.balance(account_id), await self._position(shard)
            journal = await self._journal(account_id)
            after, ended = await ledger.balance(account_id), await self._position(shard)
            if began == ended and replace(before, now_ms=0) == replace(after, now_ms=0):
                return _sums(after), journal
        raise Conflict(f"{account_id} changed all the while.")

    async def _position(self, shard: int) -> Position:
        return (await self._resources.history.positions())[shard]

    async def _journal(self, account_id: str, *, first_ms: int = 0) -> _Sums:
        """`first_ms`: of what was charged since then, a whole hour."""
        resources, shard = self._resources, shard_of(account_id)
        end_ms = (resources.ledger.now_ms() // DAY_MS + 2) * DAY_MS
        width_ms = HOUR_MS if first_ms else DAY_MS
        days = await resources.history.usage(
            Question(account_id=account_id, start_ms=first_ms, end_ms=end_ms, width_ms=width_ms)
        )
        newest = await resources.history.movements(account_id, kinds=(), before=None, limit=1)
        charged_ucr = sum(day.charge_ucr for day in days)
        worth_ucr = newest[0].balance_ucr if newest else 0
        position = await self._position(shard)
        while read := await resources.outbox.read({shard: position}, limit=TAIL_PAGE):
            entries = read[0].entries
            position = replace(position, entry_id=entries[-1].entry_id)
            own = [entry for entry in entries if entry.account_id == account_id]
            charging = [each for each in own if each.charges and each.time_ms >= first_ms]
            charged_ucr += sum(entry.amount_ucr for entry in charging)
            worth_ucr += sum(entry.effect_ucr for entry in own)
        return _Sums(charged_ucr, worth_ucr)

    async def _sinks(self) -> Sequence[ReconciledSink]:
        exports = self._resources.exports
        found = {name: await exports.deliveries.backlog(name) for name in exports.configured}
        return [
            ReconciledSink(
                name=name,
                waiting=left.waiting + left.repeats + left.sums,
                dead_letters=left.dead,
            )
            for name, left in found.items()
        ]


def _sums(balance: Balance) -> _Sums:
    left_ucr = sum(grant.remaining_ucr + grant.held_ucr for grant in balance.grants)
    return _Sums(balance.charged_ucr, left_ucr - balance.debt_ucr)
