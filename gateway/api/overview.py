"""GET /overview: all accounts' money in one look, for operators."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.balance import usd
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.api.standings import StandingReply, balances_of, standing
from gateway.metering.balance import Balance
from gateway.metering.overview import most_charged, nearly_empty, totals
from gateway.metering.pricing import UCR_PER_CREDIT


class OverviewQuery(Query):
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    """Accounts in each list."""


class OverviewReply(Reply):
    """Sums over all accounts, each read as it was in the moment it was asked."""

    as_of: Moment
    usd_per_credit: str
    accounts: int
    accounts_counted: int
    """Fewer than `accounts` where there are more than can be looked at in one answer; the sums are
    of these."""
    suspended: int
    """Suspended or closed."""
    running_calls: int
    granted: Amount
    """All that ever was put in."""
    charged: Amount
    """All that calls ever cost."""
    available: Amount
    held: Amount
    debt: Amount
    """Served and not covered by any credit."""
    lapsed: Amount
    voided: Amount
    liability: Amount
    """Unspent credit of prepaid grants, held or not: owed to those who paid for it."""
    most_charged: Sequence[StandingReply]
    nearly_empty: Sequence[StandingReply]
    """A tenth or less is left of what they were granted; the emptiest first."""


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def get_overview(asked: Asked[Query]) -> OverviewReply:
        assert isinstance(asked.query, OverviewQuery)
        accounts = {each.account_id: each for each in await resources.keys.accounts()}
        balances = await balances_of(resources.ledger, list(accounts))
        found, limit = totals(balances), asked.query.limit

        def told(rows: Sequence[Balance]) -> list[StandingReply]:
            return [standing(accounts[each.account_id], each) for each in rows]

        return OverviewReply(
            as_of=moment(resources.ledger.now_ms()),
            usd_per_credit=usd(UCR_PER_CREDIT, usd_nanos_per_credit=resources.usd_nanos_per_credit),
            accounts=len(accounts),
            accounts_counted=found.accounts,
            suspended=sum(each.status != "active" for each in accounts.values()),
            running_calls=found.running_calls,
            granted=amount(found.granted_ucr),
            charged=amount(found.charged_ucr),
            available=amount(found.available_ucr),
            held=amount(found.held_ucr),
            debt=amount(found.debt_ucr),
            lapsed=amount(found.lapsed_ucr),
            voided=amount(found.voided_ucr),
            liability=amount(found.liability_ucr),
            most_charged=told(most_charged(balances, limit=limit)),
            nearly_empty=told(nearly_empty(balances, limit=limit)),
        )

    return (
        Operation(
            method="GET",
            path="/overview",
            name="getOverview",
            summary="All accounts' money in one look: granted, charged, owed; who stands out",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_overview,
            query=OverviewQuery,
            answer=OverviewReply,
        ),
    )
