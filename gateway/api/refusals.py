"""GET /refusals: calls that came to nothing, in the periods that usage is told in."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field

from gateway.access.services import ServiceScope
from gateway.api.buckets import BucketFrame, BucketQuery, PageFrame, by_bucket, span_of, split
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Query, Reply
from gateway.api.whose import account_of
from gateway.errors import BadCall
from gateway.metering.history import HOUR_MS, Dimension
from gateway.metering.refusals import EVERYBODY, FAILED, RefusalSum, summed
from gateway.stores.refusing import KEEP_MS


class RefusalQuery(BucketQuery):
    """Calls are counted by the model that was asked for."""

    group_by: Annotated[
        tuple[Literal["model", "api_key_id"], ...], BeforeValidator(split), Field(max_length=2)
    ] = ()
    """A result for each, and for each reason."""


class RefusalResult(Reply):
    """Calls of one reason."""

    object: Literal["refusal.result"] = "refusal.result"
    reason: str
    """The code of the error that was answered; `provider_error`: the provider's own."""
    kind: Literal["refused", "failed"]
    """`refused`: by the gateway, for what was asked or for lack of credit; `failed`: not the
    caller's to mend."""
    num_calls: int
    model: str | None
    """As it was asked for; empty: none was, or there were too many to tell apart."""
    api_key_id: str | None
    """Empty: too many to tell apart."""


class RefusalBucket(BucketFrame):
    results: Sequence[RefusalResult] | None
    """Null: not known, since it was not counted yet, or no more."""


class RefusalPage(PageFrame):
    """Buckets in order of time. Calls without a valid key are nobody's and stand in none."""

    data: Sequence[RefusalBucket]


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_refusals(asked: Asked[Query]) -> RefusalPage:
        known = cast("Asked[RefusalQuery]", asked)
        return await _page(resources, known.query, account_of(known))

    return (
        _operation(
            path="/refusals",
            name="getRefusals",
            summary="Calls that were refused or failed, by reason, model and key, by hour or day",
            tag="Usage",
            audience=Audience.KEY_OR_SERVICE,
            scope=ServiceScope.USAGE_READ,
            handler=get_refusals,
        ),
    )


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def get_all_refusals(asked: Asked[Query]) -> RefusalPage:
        known = cast("Asked[RefusalQuery]", asked)
        return await _page(resources, known.query, known.query.account_id or EVERYBODY)

    return (
        _operation(
            path="/refusals/all",
            name="getAllRefusals",
            summary="Calls of all accounts, or of one, that were refused or failed, by reason",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_all_refusals,
        ),
    )


_operation = partial(Operation, method="GET", query=RefusalQuery, answer=RefusalPage)


async def _page(resources: Resources, query: RefusalQuery, account_id: str) -> RefusalPage:
    now_ms = resources.ledger.now_ms()
    span = span_of(query, now_ms=now_ms)
    if span.width_ms < HOUR_MS:
        raise BadCall("bucket_width: refusals are counted by the hour: 1h or 1d.")
    by = tuple(map(Dimension, query.group_by))
    counted = await resources.refusals.sums(
        account_id, start_ms=span.start_ms, end_ms=span.end_ms, width_ms=span.width_ms
    )
    sums = summed(counted, by=by, models=query.models, keys=query.api_key_ids)
    known_ms = max(await resources.refusals.since_ms(), now_ms - KEEP_MS)
    return RefusalPage(
        data=[
            RefusalBucket(
                start_time=start_ms // 1000,
                end_time=(start_ms + span.width_ms) // 1000,
                results=None if start_ms < known_ms else [_told(each, by) for each in found],
            )
            for start_ms, found in by_bucket(span, sums).items()
        ],
        has_more=bool(span.next_page),
        next_page=span.next_page,
    )


def _told(each: RefusalSum, by: Sequence[Dimension]) -> RefusalResult:
    kind: Literal["refused", "failed"] = "failed" if each.reason in FAILED else "refused"
    return RefusalResult(
        reason=each.reason,
        kind=kind,
        num_calls=each.count,
        model=each.model if Dimension.MODEL in by else None,
        api_key_id=each.key_id if Dimension.KEY in by else None,
    )
