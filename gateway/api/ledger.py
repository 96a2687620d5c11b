"""GET /ledger: the account's statement, each movement of its credit."""

from collections.abc import Sequence
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field

from gateway.access.services import ServiceScope
from gateway.api.buckets import split
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Page, Query, Reply, amount, moment
from gateway.api.whose import AccountQuery, account_of
from gateway.errors import HistoryUnavailable
from gateway.metering.history import Movement
from gateway.metering.journal import MOVEMENTS

Kinds = Annotated[
    tuple[Annotated[str, Field(pattern="^[a-z_.]{1,40}$")], ...],
    BeforeValidator(split),
    Field(max_length=20),
]


class LedgerQuery(AccountQuery):
    """Which movements."""

    type: Kinds = ()
    """Only these: funded, settled, expired, late, grant_expired, rolled_over, debt_paid, voided,
    corrected; or notices, such as balance.low, which are listed only if they are asked for."""
    cursor: Annotated[str, Field(pattern="^[0-9]{0,18}$")] = ""
    """`next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class BurnReply(Reply):
    """A grant's part in a movement."""

    grant: str
    amount: Amount


class MovementReply(Reply):
    """One entry of the journal. The balance is all credit, held or not, less debt."""

    object: Literal["movement"] = "movement"
    id: str
    type: str
    """`settled`, `expired`, `late`: a call was charged; `funded`: credit came in;
    `grant_expired`: what was left of a grant lapsed; `rolled_over`: it stays for another period
    (which changes no balance); `debt_paid`: new credit paid old debt; `voided`, `corrected`: credit
    was taken back."""
    time: Moment
    operation_id: str
    """The request, or the grant."""
    amount: Amount
    debt: Amount
    """What was owed in addition, or paid off if it is below zero."""
    observed: Amount
    """What was counted and not charged."""
    grants: Sequence[BurnReply]
    balance_before: Amount
    balance_after: Amount
    hash: str
    """SHA-256 over the hash of the entry before it in its shard, and this entry."""


class MovementPage(Page[MovementReply]):
    """Newest first."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_ledger(asked: Asked[Query]) -> MovementPage:
        known = cast("Asked[LedgerQuery]", asked)
        query = known.query
        found = await resources.history.movements(
            account_of(known),
            kinds=query.type or MOVEMENTS,
            before=int(query.cursor) if query.cursor else None,
            limit=query.limit + 1,
        )
        page = found[: query.limit]
        more = len(found) > query.limit
        return MovementPage(
            data=[told(each) for each in page],
            next_cursor=str(page[-1].number) if more else None,
        )

    return (
        Operation(
            method="GET",
            path="/ledger",
            name="listMovements",
            summary="The account's statement: each movement, with the balance before and after",
            tag="Usage",
            audience=Audience.KEY_OR_SERVICE,
            scope=ServiceScope.USAGE_READ,
            handler=get_ledger,
            query=LedgerQuery,
            answer=MovementPage,
            errors=(HistoryUnavailable,),
        ),
    )


def told(movement: Movement) -> MovementReply:
    entry = movement.entry
    return MovementReply(
        id=str(movement.number),
        type=entry.kind,
        time=moment(entry.time_ms),
        operation_id=entry.operation_id,
        amount=amount(entry.amount_ucr),
        debt=amount(entry.debt_ucr),
        observed=amount(entry.observed_ucr),
        grants=[BurnReply(grant=name, amount=amount(ucr)) for name, ucr in entry.slices],
        balance_before=amount(movement.balance_before_ucr),
        balance_after=amount(movement.balance_ucr),
        hash=movement.hash.hex(),
    )
