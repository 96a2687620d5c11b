"""GET /calls: the calls behind the sums that operators see, each with what it cost and left."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gateway.access.services import ServiceScope
from gateway.api.accuracy import since_ms
from gateway.api.buckets import Names, Seconds, split
from gateway.api.margin import known
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Page, Query, Reply, amount, moment
from gateway.errors import HistoryUnavailable
from gateway.metering.history import Record, Wanted
from gateway.metering.margin import rounded_up

# Records looked through for one page: some tenths of a second.
LOOKED_AT = 50_000


class CallsQuery(Query):
    hours: Annotated[int, Field(ge=1, le=24 * 400)] = 24
    """How far back, to the beginning of an hour."""
    start_time: Seconds | None = None
    """Unix seconds; in place of `hours`."""
    account_ids: Names = ()
    """Only these."""
    providers: Names = ()
    """Only these."""
    models: Names = ()
    """Only these."""
    provenances: Annotated[
        tuple[Literal["reported", "counted", "held"], ...],
        BeforeValidator(split),
        Field(max_length=3),
    ] = ()
    """Only these."""
    cursor: Annotated[str, Field(pattern="^[0-9]{0,18}$")] = ""
    """`next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class CallReply(Reply):
    """A call as it was charged; of one that was settled late there are two."""

    id: str
    request_id: str
    time: Moment
    """When it was charged."""
    kind: str
    """`settled`, `expired` or `late`, as in `usage/records`."""
    account_id: str
    api_key_id: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    provenance: str
    end: str
    charged: Amount
    held: Amount
    """At most, while it ran."""
    cost: Amount | None
    """What its provider bills, rounded up; null: not known."""
    margin: Amount | None
    """`charged` less `cost`."""


class CallPage(Page[CallReply]):
    """Newest first. With filters, 50 000 are looked through for one page: it may have few rows, or
    none, and be followed by another."""


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def list_calls(asked: Asked[Query]) -> CallPage:
        query = asked.query
        assert isinstance(query, CallsQuery)
        start_ms = since_ms(resources.ledger.now_ms(), hours=query.hours)
        found = await resources.history.newest(
            Wanted(
                start_ms=start_ms if query.start_time is None else query.start_time * 1000,
                before=int(query.cursor) if query.cursor else None,
                looked_at=LOOKED_AT,
                limit=query.limit,
                accounts=query.account_ids,
                providers=query.providers,
                models=query.models,
                provenances=query.provenances,
            )
        )
        return CallPage(
            data=[_told(each) for each in found.records],
            next_cursor=None if found.looked_to is None else str(found.looked_to),
        )

    return (
        Operation(
            method="GET",
            path="/calls",
            name="listCalls",
            summary="Charged calls of all accounts, newest first, and what each cost",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=list_calls,
            query=CallsQuery,
            answer=CallPage,
            errors=(HistoryUnavailable,),
        ),
    )


def _told(record: Record) -> CallReply:
    usage = record.usage
    cost_ucr = None if record.scaled_cost is None else rounded_up(record.scaled_cost)
    return CallReply(
        id=str(record.record_id),
        request_id=record.request_id,
        time=moment(record.time_ms),
        kind=record.kind,
        account_id=record.account_id,
        api_key_id=record.key_id,
        provider=record.provider,
        model=record.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        provenance=record.provenance,
        end=record.end,
        charged=amount(record.charge_ucr),
        held=amount(record.held_ucr),
        cost=known(cost_ucr),
        margin=known(None if cost_ucr is None else record.charge_ucr - cost_ucr),
    )
