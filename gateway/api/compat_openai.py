"""GET /v1/organization/usage/completions and /v1/organization/costs, in OpenAI's shapes.

https://platform.openai.com/docs/api-reference/usage, and the types of openai-python 3.57
(`openai.types.admin.organization`). Served to the holder of a key, about its own account; projects,
users and the like are not known here, and filters by them let nothing through but all.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field

from gateway.api.buckets import BucketFrame, BucketQuery, PageFrame, by_bucket, span_of, split
from gateway.api.compat_shapes import LenientQuery, dollars
from gateway.api.costs import together
from gateway.api.operation import Answer, Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Query, Reply
from gateway.api.usage import usage_of
from gateway.errors import HistoryUnavailable
from gateway.metering.history import CostSum, Dimension, Question, UsageSum

GroupBy = Annotated[
    tuple[Annotated[str, Field(max_length=40)], ...], BeforeValidator(split), Field(max_length=20)
]
KNOWN = {"model": Dimension.MODEL, "api_key_id": Dimension.KEY}


class CompletionsQuery(BucketQuery, LenientQuery):
    model_config = LenientQuery.model_config

    group_by: GroupBy = ()


class OpenAiCostsQuery(BucketQuery, LenientQuery):
    model_config = LenientQuery.model_config

    bucket_width: Literal["1d"] = "1d"
    group_by: GroupBy = ()


class CompletionsResult(Reply):
    object: Literal["organization.usage.completions.result"] = (
        "organization.usage.completions.result"
    )
    input_tokens: int
    input_uncached_tokens: int
    input_cached_tokens: int
    input_cache_write_tokens: int
    input_audio_tokens: int
    output_tokens: int
    output_audio_tokens: int
    num_model_requests: int
    project_id: None = None
    user_id: None = None
    api_key_id: str | None
    model: str | None
    batch: None = None
    service_tier: None = None


class CompletionsBucket(BucketFrame):
    results: Sequence[CompletionsResult]


class CompletionsPage(PageFrame):
    data: Sequence[CompletionsBucket]


class CostAmount(Reply):
    value: float
    currency: Literal["usd"] = "usd"


class OpenAiCostResult(Reply):
    object: Literal["organization.costs.result"] = "organization.costs.result"
    amount: CostAmount
    line_item: str | None
    quantity: float | None
    project_id: None = None
    api_key_id: str | None


class OpenAiCostBucket(BucketFrame):
    results: Sequence[OpenAiCostResult]


class OpenAiCostPage(PageFrame):
    data: Sequence[OpenAiCostBucket]


Handler = Callable[[Asked[Query]], Awaitable[Answer]]


def _usage(resources: Resources) -> Handler:
    async def get_completions(asked: Asked[Query]) -> CompletionsPage:
        query = cast("CompletionsQuery", asked.query)
        span = span_of(query, now_ms=resources.ledger.now_ms())
        by = _dimensions(query.group_by)
        sums = await resources.history.usage(
            Question(
                account_id=asked.holder.account.account_id,
                start_ms=span.start_ms,
                end_ms=span.end_ms,
                width_ms=span.width_ms,
                by=by,
                models=query.models,
                keys=query.api_key_ids,
            )
        )
        buckets = [
            CompletionsBucket(
                start_time=start_ms // 1000,
                end_time=(start_ms + span.width_ms) // 1000,
                results=[_completions(each, by) for each in found],
            )
            for start_ms, found in by_bucket(span, sums).items()
        ]
        return CompletionsPage(
            data=buckets, has_more=bool(span.next_page), next_page=span.next_page
        )

    return get_completions


def _costs(resources: Resources) -> Handler:
    async def get_costs(asked: Asked[Query]) -> OpenAiCostPage:
        query = cast("OpenAiCostsQuery", asked.query)
        span = span_of(query, now_ms=resources.ledger.now_ms())
        by, itemised = _dimensions(query.group_by), "line_item" in query.group_by
        # A line item of theirs is "model, class".
        asked_by = by if Dimension.MODEL in by or not itemised else (*by, Dimension.MODEL)
        sums = await resources.history.costs(
            Question(
                account_id=asked.holder.account.account_id,
                start_ms=span.start_ms,
                end_ms=span.end_ms,
                width_ms=span.width_ms,
                by=asked_by,
                keys=query.api_key_ids,
            )
        )
        nanos = resources.usd_nanos_per_credit
        buckets = [
            OpenAiCostBucket(
                start_time=start_ms // 1000,
                end_time=(start_ms + span.width_ms) // 1000,
                results=[
                    _cost(each, asked_by, itemised=itemised, usd_nanos_per_credit=nanos)
                    for each in (found if itemised else together(found))
                ],
            )
            for start_ms, found in by_bucket(span, sums).items()
        ]
        return OpenAiCostPage(data=buckets, has_more=bool(span.next_page), next_page=span.next_page)

    return get_costs


def operations(resources: Resources) -> Sequence[Operation]:
    served: Sequence[tuple[str, str, Handler, type[Query], type[Reply]]] = (
        ("usage/completions", "Usage", _usage(resources), CompletionsQuery, CompletionsPage),
        ("costs", "Costs", _costs(resources), OpenAiCostsQuery, OpenAiCostPage),
    )
    return [
        Operation(
            method="GET",
            path=f"/v1/organization/{path}",
            name=f"getOpenAi{name}",
            summary="As OpenAI's clients poll it",
            tag="Compatible",
            audience=Audience.KEY,
            handler=handler,
            query=query,
            answer=answer,
            errors=(HistoryUnavailable,),
        )
        for path, name, handler, query, answer in served
    ]


def _dimensions(names: Sequence[str]) -> tuple[Dimension, ...]:
    return tuple(dict.fromkeys(KNOWN[name] for name in names if name in KNOWN))


def _completions(found: UsageSum, by: Sequence[Dimension]) -> CompletionsResult:
    used, named = usage_of(found), dict(zip(by, found.group, strict=True))
    return CompletionsResult(
        input_tokens=used.input_tokens,
        input_uncached_tokens=used.input_uncached,
        input_cached_tokens=used.input_cache_read,
        input_cache_write_tokens=used.input_cache_write_5m + used.input_cache_write_1h,
        input_audio_tokens=used.input_audio,
        output_tokens=used.output_tokens,
        output_audio_tokens=used.output_audio,
        num_model_requests=found.requests,
        api_key_id=named.get(Dimension.KEY),
        model=named.get(Dimension.MODEL),
    )


def _cost(
    found: CostSum, by: Sequence[Dimension], *, itemised: bool, usd_nanos_per_credit: int
) -> OpenAiCostResult:
    named = dict(zip(by, found.group, strict=True))
    value = dollars(found.amount_ucr, usd_nanos_per_credit=usd_nanos_per_credit)
    return OpenAiCostResult(
        amount=CostAmount(value=value),
        line_item=f"{named[Dimension.MODEL]}, {found.name}" if itemised else None,
        quantity=found.quantity if itemised else None,
        api_key_id=named.get(Dimension.KEY),
    )
