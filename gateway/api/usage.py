"""GET /usage: what was used, over time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field

from gateway.access.services import ServiceScope
from gateway.api.buckets import BucketFrame, BucketQuery, PageFrame, by_bucket, span_of, split
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Query, Reply, amount
from gateway.api.whose import account_of
from gateway.errors import HistoryUnavailable
from gateway.metering.history import Dimension, Question, UsageSum
from gateway.metering.usage import TokenClass, Usage

CLASS = "class"
GroupBy = Annotated[
    tuple[Literal["model", "api_key_id", "dialect", "class"], ...],
    BeforeValidator(split),
    Field(max_length=4),
]


class UsageQuery(BucketQuery):
    """What to sum up, and by what."""

    group_by: GroupBy = ()
    """A result for each; `class`: for each class of tokens."""


class UsageResult(Reply):
    """What was used in a bucket. The classes of `tokens` never overlap."""

    object: Literal["usage.result"] = "usage.result"
    num_model_requests: int | None
    """Null by class: a call uses several."""
    input_tokens: int
    """All classes of input."""
    input_cached_tokens: int
    """Those of them that were read from a cache."""
    output_tokens: int
    """All classes of output, reasoning included."""
    tokens: Mapping[str, int]
    pieces: Mapping[str, int]
    """What is sold by the piece."""
    charged: Amount | None
    """Null by class: `costs` tells that."""
    model: str | None
    api_key_id: str | None
    dialect: str | None
    token_class: str | None


class UsageBucket(BucketFrame):
    results: Sequence[UsageResult]


class UsagePage(PageFrame):
    """Buckets in order of time, also those in which nothing was used."""

    data: Sequence[UsageBucket]


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_usage(asked: Asked[Query]) -> UsagePage:
        known = cast("Asked[UsageQuery]", asked)
        query = known.query
        span = span_of(query, now_ms=resources.ledger.now_ms())
        by = tuple(Dimension(name) for name in query.group_by if name != CLASS)
        sums = await resources.history.usage(
            Question(
                account_id=account_of(known),
                start_ms=span.start_ms,
                end_ms=span.end_ms,
                width_ms=span.width_ms,
                by=by,
                models=query.models,
                keys=query.api_key_ids,
            )
        )
        told = _by_class if CLASS in query.group_by else _whole
        buckets = [
            UsageBucket(
                start_time=start_ms // 1000,
                end_time=(start_ms + span.width_ms) // 1000,
                results=[result for each in found for result in told(each, by)],
            )
            for start_ms, found in by_bucket(span, sums).items()
        ]
        return UsagePage(data=buckets, has_more=bool(span.next_page), next_page=span.next_page)

    return (
        Operation(
            method="GET",
            path="/usage",
            name="getUsage",
            summary="What was used, by minute, hour or day",
            tag="Usage",
            audience=Audience.KEY_OR_SERVICE,
            scope=ServiceScope.USAGE_READ,
            handler=get_usage,
            query=UsageQuery,
            answer=UsagePage,
            errors=(HistoryUnavailable,),
        ),
    )


def usage_of(found: UsageSum) -> Usage:
    named = dict(zip(map(str, TokenClass), found.tokens, strict=True))
    return Usage(**named, pieces=found.pieces, service_tier="")


def _whole(found: UsageSum, by: Sequence[Dimension]) -> Iterator[UsageResult]:
    used, named = usage_of(found), dict(zip(by, found.group, strict=True))
    yield UsageResult(
        num_model_requests=found.requests,
        input_tokens=used.input_tokens,
        input_cached_tokens=used.input_cache_read,
        output_tokens=used.output_tokens,
        tokens=_tokens(used),
        pieces=dict(found.pieces),
        charged=amount(found.charge_ucr),
        model=named.get(Dimension.MODEL),
        api_key_id=named.get(Dimension.KEY),
        dialect=named.get(Dimension.DIALECT),
        token_class=None,
    )


def _by_class(found: UsageSum, by: Sequence[Dimension]) -> Iterator[UsageResult]:
    [whole] = _whole(found, by)
    for name, tokens in _tokens(usage_of(found)).items():
        is_input = name.startswith("input")
        yield whole.model_copy(
            update={
                "num_model_requests": None,
                "input_tokens": tokens if is_input else 0,
                "input_cached_tokens": tokens if name == TokenClass.INPUT_CACHE_READ else 0,
                "output_tokens": 0 if is_input else tokens,
                "tokens": {name: tokens},
                "pieces": {},
                "charged": None,
                "token_class": name,
            }
        )


def _tokens(used: Usage) -> Mapping[str, int]:
    pairs = zip(TokenClass, used.in_order(), strict=True)
    return {token_class.value: tokens for token_class, tokens in pairs if tokens}
