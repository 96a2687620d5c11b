"""GET /calls: the calls behind the sums that operators see, each with what it cost and left."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gateway.access.services import ServiceScope
from gateway.api.accuracy import NEWEST_MAX
from gateway.api.buckets import Names, split
from gateway.api.margin import known, prices_of
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Page, Query, Reply, amount, moment
from gateway.errors import HistoryUnavailable
from gateway.metering.history import HOUR_MS, Record, Wanted
from gateway.metering.margin import Margin, SoldSum, lengths, margins


class CallsQuery(Query):
    hours: Annotated[int, Field(ge=1, le=24 * 400)] = 24
    """How far back."""
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
    """Newest first. With filters, the newest 50 000 behind the cursor are looked through."""


def admin_operations(resources: Resources) -> Sequence[Operation]:
    above = lengths(resources.rate_card.lines)

    async def list_calls(asked: Asked[Query]) -> CallPage:
        query = asked.query
        assert isinstance(query, CallsQuery)
        records = await resources.history.newest(
            Wanted(
                start_ms=max(0, resources.ledger.now_ms() - query.hours * HOUR_MS),
                before=int(query.cursor) if query.cursor else None,
                looked_at=NEWEST_MAX,
                limit=query.limit + 1,
                accounts=query.account_ids,
                providers=query.providers,
                models=query.models,
                provenances=query.provenances,
            )
        )
        page, more = records[: query.limit], len(records) > query.limit
        sums = [_sold(each, above) for each in page]
        prices = await prices_of(sums, resources.history)
        costs = [margins([each], prices, above=above)[0] for each in sums]
        return CallPage(
            data=[_told(*each) for each in zip(page, sums, costs, strict=True)],
            next_cursor=str(page[-1].record_id) if more else None,
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


def _sold(record: Record, above: Sequence[int]) -> SoldSum:
    usage = record.usage
    return SoldSum(
        provider=record.provider,
        model=record.model,
        rate_id=record.rate_id,
        provenance=record.provenance,
        level=sum(usage.input_tokens > length for length in above),
        calls=record.requests,
        charge_ucr=record.charge_ucr,
        usage=usage,
    )


def _told(record: Record, sold: SoldSum, cost: Margin) -> CallReply:
    return CallReply(
        id=str(record.record_id),
        request_id=record.request_id,
        time=moment(record.time_ms),
        kind=record.kind,
        account_id=record.account_id,
        api_key_id=record.key_id,
        provider=record.provider,
        model=record.model,
        input_tokens=sold.usage.input_tokens,
        output_tokens=sold.usage.output_tokens,
        provenance=record.provenance,
        end=record.end,
        charged=amount(record.charge_ucr),
        held=amount(record.held_ucr),
        cost=known(cost.cost_ucr),
        margin=known(cost.margin_ucr),
    )
