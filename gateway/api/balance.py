"""GET /balance: what an account has, what is held now, and which grant burns next."""

from collections.abc import Sequence

from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment, moment_or_none
from gateway.metering.ledger import Balance, GrantState


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


class BalanceReply(Reply):
    """One atomic snapshot of an account's money."""

    as_of: Moment
    account_id: str
    available: Amount
    """Free to spend now."""
    held: Amount
    """Set aside for running calls."""
    debt: Amount
    """Owed: what was served beyond the credit; the next grant pays it first."""
    charged: Amount
    """All that was ever charged."""
    usd: str
    """What is available, in US dollars; decimal text."""
    next_expiry: Moment | None
    running_calls: int
    grants: Sequence[GrantReply]
    """In burn order."""


def operations(resources: Resources) -> Sequence[Operation]:
    async def get_balance(asked: Asked[Query]) -> BalanceReply:
        balance = await resources.ledger.balance(asked.holder.account.account_id)
        return told(balance, usd_nanos_per_credit=resources.usd_nanos_per_credit)

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


def told(balance: Balance, *, usd_nanos_per_credit: int) -> BalanceReply:
    grants = [grant for grant in balance.grants if grant.remaining_ucr or grant.held_ucr]
    expiries = [grant.expires_ms for grant in grants if grant.expires_ms and grant.remaining_ucr]
    return BalanceReply(
        as_of=moment(balance.now_ms),
        account_id=balance.account_id,
        available=amount(balance.available_ucr),
        held=amount(balance.held_ucr + balance.overdraft_held_ucr),
        debt=amount(balance.debt_ucr),
        charged=amount(balance.charged_ucr),
        usd=usd(balance.available_ucr, usd_nanos_per_credit=usd_nanos_per_credit),
        next_expiry=moment_or_none(min(expiries, default=0)),
        running_calls=balance.live_holds,
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
    )
