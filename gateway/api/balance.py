"""GET /balance: what an account has, what is held now, and which grant burns next."""

import asyncio
from collections.abc import Sequence

from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment, moment_or_none
from gateway.errors import HistoryUnavailable
from gateway.metering.accounts import Account
from gateway.metering.allowances import next_reset_ms
from gateway.metering.balance import Balance, GrantState
from gateway.metering.history import DAY_MS, HOUR_MS, Question
from gateway.metering.plans import Plan
from gateway.metering.pricing import UCR_PER_CREDIT
from gateway.stores.base import History

PACE_DAYS = 7
# Some milliseconds as a rule; without it the balance is told all the same.
PACE_TIMEOUT_S = 1.0


class GrantReply(Reply):
    """One grant with credit left or held, as it burns."""

    id: str
    kind: str
    priority: int
    """Lower burns first."""
    remaining: Amount
    held: Amount
    effective_at: Moment | None
    """Null: at once."""
    expires_at: Moment | None
    """Null: never."""
    rolled_over: bool
    """It is the rest of a period that is over."""


class BalanceReply(Reply):
    """One atomic snapshot of an account's money."""

    as_of: Moment
    account_id: str
    available: Amount
    """Free to spend now."""
    held: Amount
    """Set aside for running calls, and in advance."""
    in_advance: Amount
    """Part of what is held: set aside so that calls are served while the ledger does not answer."""
    debt: Amount
    """Owed: what was served beyond the credit; the next grant pays it first."""
    charged: Amount
    """All that was ever charged."""
    usd: str
    """What is available, in US dollars; decimal text."""
    usd_per_credit: str
    next_expiry: Moment | None
    next_reset: Moment | None
    """When the allowance of the account's plan comes anew; null: it has none."""
    runway_days: float | None
    """How long what is available lasts at the pace of the last seven days; null: nothing was used
    then, or it cannot be told now."""
    running_calls: int
    grants: Sequence[GrantReply]
    """In burn order."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_balance(asked: Asked[Query]) -> BalanceReply:
        return await balance_reply(resources, asked.holder.account, asked.holder.plan)

    return (
        Operation(
            method="GET",
            path="/balance",
            name="getBalance",
            summary="What the account has, and which grant burns next",
            tag="Self-service",
            audience=Audience.KEY,
            handler=get_balance,
            answer=BalanceReply,
        ),
    )


async def balance_reply(resources: Resources, account: Account, plan: Plan | None) -> BalanceReply:
    balance = await resources.ledger.balance(account.account_id)
    return _told(
        balance,
        usd_nanos_per_credit=resources.usd_nanos_per_credit,
        next_reset_ms=next_reset_ms(account, plan, balance.now_ms),
        charged_lately_ucr=await _charged_lately_ucr(resources.history, balance),
    )


async def _charged_lately_ucr(history: History, balance: Balance) -> int:
    """In PACE_DAYS, as far as it is known: a balance is told whatever becomes of the history."""
    end_ms = balance.now_ms // HOUR_MS * HOUR_MS + HOUR_MS
    asked = Question(
        account_id=balance.account_id,
        start_ms=end_ms - PACE_DAYS * DAY_MS,
        end_ms=end_ms,
        width_ms=HOUR_MS,
    )
    try:
        async with asyncio.timeout(PACE_TIMEOUT_S):
            return sum(each.charge_ucr for each in await history.usage(asked))
    except (HistoryUnavailable, TimeoutError):
        return 0


def _told(
    balance: Balance, *, usd_nanos_per_credit: int, next_reset_ms: int, charged_lately_ucr: int
) -> BalanceReply:
    lasts = balance.available_ucr * PACE_DAYS / charged_lately_ucr if charged_lately_ucr else None
    grants = [grant for grant in balance.grants if grant.remaining_ucr or grant.held_ucr]
    expiries = [grant.expires_ms for grant in grants if grant.expires_ms and grant.remaining_ucr]
    return BalanceReply(
        as_of=moment(balance.now_ms),
        account_id=balance.account_id,
        available=amount(balance.available_ucr),
        held=amount(balance.held_ucr + balance.overdraft_held_ucr),
        in_advance=amount(balance.advances_ucr),
        debt=amount(balance.debt_ucr),
        charged=amount(balance.charged_ucr),
        usd=usd(balance.available_ucr, usd_nanos_per_credit=usd_nanos_per_credit),
        usd_per_credit=usd(UCR_PER_CREDIT, usd_nanos_per_credit=usd_nanos_per_credit),
        next_expiry=moment_or_none(min(expiries, default=0)),
        next_reset=moment_or_none(next_reset_ms),
        runway_days=None if lasts is None else round(max(lasts, 0), 1),
        running_calls=balance.running_calls,
        grants=[_grant(grant) for grant in grants],
    )


def usd(ucr: int, *, usd_nanos_per_credit: int) -> str:
    """Exact: a microcredit is worth whole 10⁻¹⁵ dollars."""
    femtos = ucr * usd_nanos_per_credit
    sign = "-" if femtos < 0 else ""
    whole, fraction = divmod(abs(femtos), 10**15)
    return f"{sign}{whole}.{fraction:015d}".rstrip("0").rstrip(".")


def _grant(grant: GrantState) -> GrantReply:
    return GrantReply(
        id=grant.grant_id,
        kind=grant.kind,
        priority=grant.priority,
        remaining=amount(grant.remaining_ucr),
        held=amount(grant.held_ucr),
        effective_at=moment_or_none(grant.effective_ms),
        expires_at=moment_or_none(grant.expires_ms),
        rolled_over=grant.rolled_over,
    )
