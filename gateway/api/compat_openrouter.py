"""GET /v1/key and /v1/credits, as OpenRouter's clients poll them.

https://openrouter.ai/docs/api/reference/limits and /docs/api/api-reference/credits, seen 2026-11.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from gateway.api.compat_shapes import LenientQuery, day_start_ms, dollars
from gateway.api.operation import Answer, Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Query, Reply, moment_or_none
from gateway.errors import HistoryUnavailable
from gateway.metering.history import DAY_MS, Question, UsageSum
from gateway.metering.limits import Limit, Scope, Unit, Window, effective_limits, window_bounds
from gateway.metering.plans import Plan

# 1970-01-01 was a Thursday: weeks begin on Monday, three days before.
RESETS: dict[Window, Literal["daily", "weekly", "monthly"]] = {
    Window.DAY: "daily",
    Window.WEEK: "weekly",
    Window.MONTH: "monthly",
}


class KeyData(Reply):
    """The presented key; amounts in US dollars."""

    label: str
    limit: float | None
    """What this key may spend in the period of `limit_reset`; null: no limit of its own."""
    limit_remaining: float | None
    limit_reset: Literal["daily", "weekly", "monthly"] | None
    usage: float
    usage_daily: float
    usage_weekly: float
    usage_monthly: float
    is_free_tier: bool
    is_provisioning_key: bool
    rate_limit: dict[str, int | str]
    expires_at: str | None


class KeyAnswer(Reply):
    data: KeyData


class CreditsData(Reply):
    total_credits: float
    total_usage: float


class CreditsAnswer(Reply):
    data: CreditsData


def operations(resources: Resources) -> Sequence[Operation]:
    nanos = resources.usd_nanos_per_credit

    def in_dollars(ucr: int) -> float:
        return dollars(ucr, usd_nanos_per_credit=nanos)

    async def get_key(asked: Asked[Query]) -> KeyAnswer:
        key, plan = asked.holder.key, asked.holder.plan
        now_ms = resources.ledger.now_ms()
        question = Question(
            account_id=key.account_id,
            start_ms=0,
            end_ms=day_start_ms(now_ms) + DAY_MS,
            width_ms=DAY_MS,
            keys=(key.key_id,),
        )
        spent = _Spent(await resources.history.usage(question), now_ms)
        limit = _spend_limit(plan, key.limits)
        left = None if limit is None else max(0, limit.ceiling - spent.within(limit.window))
        return KeyAnswer(
            data=KeyData(
                label=key.name or f"tk_{key.key_id}",
                limit=None if limit is None else in_dollars(limit.ceiling),
                limit_remaining=None if left is None else in_dollars(left),
                limit_reset=None if limit is None else RESETS[limit.window],
                usage=in_dollars(spent.since(0)),
                usage_daily=in_dollars(spent.within(Window.DAY)),
                usage_weekly=in_dollars(spent.within(Window.WEEK)),
                usage_monthly=in_dollars(spent.within(Window.MONTH)),
                is_free_tier=False,
                is_provisioning_key=False,
                rate_limit=_rate_limit(plan, key.limits),
                expires_at=moment_or_none(key.expires_ms),
            )
        )

    async def get_credits(asked: Asked[Query]) -> CreditsAnswer:
        books = await resources.ledger.balance(asked.holder.account.account_id)
        lapsed = books.lapsed_ucr + books.voided_ucr
        used = books.charged_ucr - books.observed_ucr
        return CreditsAnswer(
            data=CreditsData(
                total_credits=in_dollars(books.granted_ucr - lapsed), total_usage=in_dollars(used)
            )
        )

    return (
        _operation("/v1/key", "getOpenRouterKey", get_key, KeyAnswer),
        _operation("/v1/credits", "getOpenRouterCredits", get_credits, CreditsAnswer),
    )


class _Spent:
    """What a key spent, by day."""

    def __init__(self, sums: Sequence[UsageSum], now_ms: int) -> None:
        self._sums = sums
        self._now_ms = now_ms

    def since(self, start_ms: int) -> int:
        return sum(each.charge_ucr for each in self._sums if each.bucket_ms >= start_ms)

    def within(self, window: Window) -> int:
        """The current one, a day or longer."""
        return self.since(window_bounds(window, self._now_ms)[0])


def _spend_limit(plan: Plan, own: tuple[Limit, ...]) -> Limit | None:
    """The key's tightest over a day, a week or a month."""
    spends = [
        limit
        for limit in effective_limits(plan.limits, own)
        if limit.unit is Unit.MICROCREDITS
        and limit.scope is Scope.KEY
        and limit.window in RESETS
        and not limit.shadow
    ]
    return min(spends, key=lambda limit: limit.ceiling, default=None)


def _rate_limit(plan: Plan, own: tuple[Limit, ...]) -> dict[str, int | str]:
    """Requests per minute; -1 where there is no such limit."""
    ceilings = [
        limit.ceiling
        for limit in effective_limits(plan.limits, own)
        if limit.unit is Unit.REQUESTS and limit.window is Window.MINUTE and not limit.shadow
    ]
    return {"requests": min(ceilings, default=-1), "interval": "1m"}


def _operation(
    path: str, name: str, handler: Callable[[Asked[Query]], Awaitable[Answer]], answer: type[Reply]
) -> Operation:
    return Operation(
        method="GET",
        path=path,
        name=name,
        summary="As OpenRouter's clients poll it",
        tag="Compatible",
        audience=Audience.KEY,
        handler=handler,
        query=LenientQuery,
        answer=answer,
        errors=(HistoryUnavailable,),
    )
