"""GET /costs: what it cost, over time, by the lines of the receipts if asked."""

from collections.abc import Sequence
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field

from gateway.access.services import ServiceScope
from gateway.api.balance import usd
from gateway.api.buckets import BucketFrame, BucketQuery, PageFrame, by_bucket, span_of, split
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Query, Reply, amount
from gateway.api.whose import account_of
from gateway.errors import HistoryUnavailable
from gateway.metering.history import CostSum, Dimension, Question

LINE_ITEM = ("line_item", "class")
GroupBy = Annotated[
    tuple[Literal["model", "api_key_id", "dialect", "line_item", "class"], ...],
    BeforeValidator(split),
    Field(max_length=5),
]


class CostsQuery(BucketQuery):
    """What to sum up, and by what."""

    bucket_width: Literal["1h", "1d"] = "1d"
    """UTC hours or days."""
    group_by: GroupBy = ()
    """A result for each; `line_item` (or `class`): for each class of tokens, kind of piece, fee."""


class CostResult(Reply):
    """What a bucket cost. All results of a bucket add up to its charges exactly."""

    object: Literal["costs.result"] = "costs.result"
    amount: Amount
    usd: str
    """The same in US dollars; decimal text, exact."""
    line_item: str | None
    """A class of tokens, a piece, `request`; `rounding`: calls are rounded up once, as a whole;
    `unitemised`: what usage times rates does not explain, such as a hold that was charged."""
    line_kind: str | None
    quantity: int | None
    model: str | None
    api_key_id: str | None
    dialect: str | None


class CostBucket(BucketFrame):
    results: Sequence[CostResult]


class CostPage(PageFrame):
    """Buckets in order of time, also those that cost nothing."""

    data: Sequence[CostBucket]


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_costs(asked: Asked[Query]) -> CostPage:
        known = cast("Asked[CostsQuery]", asked)
        query = known.query
        span = span_of(query, now_ms=resources.ledger.now_ms())
        by = tuple(Dimension(name) for name in query.group_by if name not in LINE_ITEM)
        itemised = any(name in LINE_ITEM for name in query.group_by)
        question = Question(
            account_id=account_of(known),
            start_ms=span.start_ms,
            end_ms=span.end_ms,
            width_ms=span.width_ms,
            by=by,
            models=query.models,
            keys=query.api_key_ids,
        )
        sums = await resources.history.costs(question)
        nanos = resources.usd_nanos_per_credit
        buckets = [
            CostBucket(
                start_time=start_ms // 1000,
                end_time=(start_ms + span.width_ms) // 1000,
                results=[
                    _result(each, by, itemised=itemised, usd_nanos_per_credit=nanos)
                    for each in (found if itemised else together(found))
                ],
            )
            for start_ms, found in by_bucket(span, sums).items()
        ]
        return CostPage(data=buckets, has_more=bool(span.next_page), next_page=span.next_page)

    return (
        Operation(
            method="GET",
            path="/costs",
            name="getCosts",
            summary="What it cost, by hour or day, in credits and US dollars",
            tag="Usage",
            audience=Audience.KEY_OR_SERVICE,
            scope=ServiceScope.USAGE_READ,
            handler=get_costs,
            query=CostsQuery,
            answer=CostPage,
            errors=(HistoryUnavailable,),
        ),
    )


def together(sums: Sequence[CostSum]) -> Sequence[CostSum]:
    """Of one bucket: all lines of a group in one."""
    groups: dict[tuple[str, ...], CostSum] = {}
    for each in sums:
        known = groups.get(each.group)
        groups[each.group] = CostSum(
            bucket_ms=each.bucket_ms,
            group=each.group,
            kind="",
            name="",
            quantity=0,
            amount_ucr=each.amount_ucr + (known.amount_ucr if known else 0),
        )
    return list(groups.values())


def _result(
    found: CostSum, by: Sequence[Dimension], *, itemised: bool, usd_nanos_per_credit: int
) -> CostResult:
    named = dict(zip(by, found.group, strict=True))
    return CostResult(
        amount=amount(found.amount_ucr),
        usd=usd(found.amount_ucr, usd_nanos_per_credit=usd_nanos_per_credit),
        line_item=found.name if itemised else None,
        line_kind=found.kind if itemised else None,
        quantity=found.quantity if itemised else None,
        model=named.get(Dimension.MODEL),
        api_key_id=named.get(Dimension.KEY),
        dialect=named.get(Dimension.DIALECT),
    )
