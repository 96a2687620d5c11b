"""GET /dashboard/billing/{subscription,usage,credit_grants}, with and without /v1: OpenAI's old
paths, which no page documents any more and many chat clients still poll.

Shapes as those clients read them: dollars in `subscription` and `credit_grants`, cents in `usage`.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Literal, cast

from gateway.api.compat_shapes import LenientQuery, day_start_ms, dollars
from gateway.api.operation import Answer, Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Query, Reply
from gateway.errors import BadCall, HistoryUnavailable
from gateway.metering.balance import GrantState
from gateway.metering.history import DAY_MS, Dimension, Question

CENTS = 100
# What asks for no time gets the days up to now that the vendor's page showed.
DEFAULT_DAYS = 100
DAYS_MAX = 400
# A grant that never expires does so a hundred years from now, for clients that want a number.
NEVER_S = 4_946_659_200


class Plan(Reply):
    title: str
    id: str


class SubscriptionAnswer(Reply):
    object: Literal["billing_subscription"] = "billing_subscription"
    has_payment_method: bool = True
    canceled: bool = False
    access_until: int
    soft_limit_usd: float
    hard_limit_usd: float
    """All credit that was ever to be spent: clients take their usage off it."""
    system_hard_limit_usd: float
    plan: Plan
    account_name: str


class UsageQuery(LenientQuery):
    start_date: str = ""
    """2026-11-01, UTC."""
    end_date: str = ""
    """Not included."""


class LineItem(Reply):
    name: str
    cost: float
    """In cents."""


class DailyCost(Reply):
    timestamp: float
    line_items: Sequence[LineItem]


class UsageAnswer(Reply):
    object: Literal["list"] = "list"
    daily_costs: Sequence[DailyCost]
    total_usage: float
    """In cents."""


class CreditGrant(Reply):
    object: Literal["credit_grant"] = "credit_grant"
    id: str
    grant_amount: float
    used_amount: float
    effective_at: float
    expires_at: float


class CreditGrants(Reply):
    object: Literal["list"] = "list"
    data: Sequence[CreditGrant]


class CreditGrantsAnswer(Reply):
    object: Literal["credit_summary"] = "credit_summary"
    total_granted: float
    total_used: float
    total_available: float
    total_paid_available: float
    grants: CreditGrants


Handler = Callable[[Asked[Query]], Awaitable[Answer]]
InDollars = Callable[[int], float]


def _subscription(resources: Resources, usd: InDollars) -> Handler:
    async def get_subscription(asked: Asked[Query]) -> SubscriptionAnswer:
        holder = asked.holder
        books = await resources.ledger.balance(holder.account.account_id)
        limit = usd(books.granted_ucr - books.lapsed_ucr - books.voided_ucr)
        return SubscriptionAnswer(
            access_until=NEVER_S,
            soft_limit_usd=limit,
            hard_limit_usd=limit,
            system_hard_limit_usd=limit,
            plan=Plan(title=holder.plan.name, id=holder.plan.name),
            account_name=holder.account.name or holder.account.account_id,
        )

    return get_subscription


def _usage(resources: Resources, usd: InDollars) -> Handler:
    async def get_usage(asked: Asked[Query]) -> UsageAnswer:
        query, now_ms = cast("UsageQuery", asked.query), resources.ledger.now_ms()
        start_ms, end_ms = _days(query, now_ms=now_ms)
        sums = await resources.history.usage(
            Question(
                account_id=asked.holder.account.account_id,
                start_ms=start_ms,
                end_ms=end_ms,
                width_ms=DAY_MS,
                by=(Dimension.MODEL,),
            )
        )
        days: dict[int, list[LineItem]] = {ms: [] for ms in range(start_ms, end_ms, DAY_MS)}
        for each in sums:
            cost = usd(each.charge_ucr) * CENTS
            days[each.bucket_ms].append(LineItem(name=each.group[0], cost=cost))
        return UsageAnswer(
            daily_costs=[
                DailyCost(timestamp=ms / 1000, line_items=items) for ms, items in days.items()
            ],
            total_usage=usd(sum(each.charge_ucr for each in sums)) * CENTS,
        )

    return get_usage


def _credit_grants(resources: Resources, usd: InDollars) -> Handler:
    async def get_credit_grants(asked: Asked[Query]) -> CreditGrantsAnswer:
        books = await resources.ledger.balance(asked.holder.account.account_id)
        left = usd(books.available_ucr)
        return CreditGrantsAnswer(
            total_granted=usd(books.granted_ucr),
            total_used=usd(books.charged_ucr - books.observed_ucr),
            total_available=left,
            total_paid_available=left,
            grants=CreditGrants(
                data=[
                    CreditGrant(
                        id=grant.grant_id,
                        grant_amount=usd(grant.amount_ucr),
                        used_amount=usd(grant.consumed_ucr + _lapsed(grant)),
                        effective_at=grant.effective_ms / 1000,
                        expires_at=grant.expires_ms / 1000 if grant.expires_ms else NEVER_S,
                    )
                    for grant in books.grants
                ]
            ),
        )

    return get_credit_grants


def operations(resources: Resources) -> Sequence[Operation]:
    usd = partial(dollars, usd_nanos_per_credit=resources.usd_nanos_per_credit)
    served: Sequence[tuple[str, Handler, type[Query], type[Reply]]] = (
        ("subscription", _subscription(resources, usd), LenientQuery, SubscriptionAnswer),
        ("usage", _usage(resources, usd), UsageQuery, UsageAnswer),
        ("credit_grants", _credit_grants(resources, usd), LenientQuery, CreditGrantsAnswer),
    )
    return [
        Operation(
            method="GET",
            path=f"{root}/dashboard/billing/{name}",
            name=f"getDashboard_{name}{root.replace('/', '_')}",
            summary="As many chat clients poll it",
            tag="Compatible",
            audience=Audience.KEY,
            handler=handler,
            query=query,
            answer=answer,
            errors=(HistoryUnavailable,),
        )
        for root in ("", "/v1")
        for name, handler, query, answer in served
    ]


def _lapsed(grant: GrantState) -> int:
    return grant.expired_ucr + grant.voided_ucr


def _days(query: UsageQuery, *, now_ms: int) -> tuple[int, int]:
    """First day and the day after the last; at most DAYS_MAX of them."""
    end_ms = _day_ms(query.end_date) if query.end_date else day_start_ms(now_ms) + DAY_MS
    start_ms = _day_ms(query.start_date) if query.start_date else end_ms - DEFAULT_DAYS * DAY_MS
    if not start_ms <= end_ms <= start_ms + DAYS_MAX * DAY_MS:
        raise BadCall(f"start_date and end_date: at most {DAYS_MAX} days, in order.")
    return start_ms, end_ms


def _day_ms(text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadCall("start_date and end_date: days such as 2026-11-01.") from None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
