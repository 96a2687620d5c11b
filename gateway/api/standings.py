"""GET /standings: all accounts with their money, searched and sorted, for operators."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from gateway.access.services import ServiceScope
from gateway.api.operation import Asked, Audience, Operation
from gateway.api.resources import Resources
from gateway.api.shapes import Amount, Moment, Query, Reply, amount, moment
from gateway.metering.accounts import Account
from gateway.metering.balance import Balance
from gateway.stores.base import Ledger

# Balances asked for at a time: calls are not to wait behind thousands of them.
AT_ONCE = 50
# A balance costs the store about a tenth of a millisecond.
ACCOUNTS_MAX = 20_000

# What is asked for first, by the name of the order.
ORDERS: Mapping[str, Callable[[Balance], int]] = {
    "charged": lambda balance: -balance.charged_ucr,
    "available": lambda balance: balance.available_ucr - balance.debt_ucr,
    "held": lambda balance: -balance.held_ucr - balance.overdraft_held_ucr,
    "debt": lambda balance: -balance.debt_ucr,
    "lapsed": lambda balance: -balance.lapsed_ucr,
}


class StandingReply(Reply):
    """An account in a list."""

    account_id: str
    name: str
    plan: str
    status: str
    available: Amount
    held: Amount
    debt: Amount
    charged: Amount
    granted: Amount
    lapsed: Amount
    """What was left of grants whose time was over."""
    running_calls: int


class StandingsQuery(Query):
    """Which accounts, in which order."""

    search: Annotated[str, Field(max_length=200)] = ""
    """Part of the id or of the name, in any case."""
    plan: Annotated[str, Field(max_length=64)] = ""
    status: Literal["", "active", "suspended", "closed"] = ""
    sort: Literal["account_id", "charged", "available", "held", "debt", "lapsed"] = "account_id"
    """`charged`, `held`, `debt`, `lapsed`: the most first; `available`: the least first."""
    cursor: Annotated[str, Field(pattern="^[0-9]{0,9}$")] = ""
    """`next_cursor` of the page before."""
    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class StandingsReply(Reply):
    """A page of accounts, each as it was in the moment it was asked."""

    as_of: Moment
    accounts: int
    """All there are."""
    matched: int
    """That were asked for; of more than can be looked at in one answer the first are sorted."""
    data: Sequence[StandingReply]
    next_cursor: str | None


def standing(account: Account, balance: Balance) -> StandingReply:
    return StandingReply(
        account_id=account.account_id,
        name=account.name,
        plan=account.plan,
        status=account.status,
        available=amount(balance.available_ucr),
        held=amount(balance.held_ucr + balance.overdraft_held_ucr),
        debt=amount(balance.debt_ucr),
        charged=amount(balance.charged_ucr),
        granted=amount(balance.granted_ucr),
        lapsed=amount(balance.lapsed_ucr),
        running_calls=balance.running_calls,
    )


async def balances_of(ledger: Ledger, account_ids: Sequence[str]) -> list[Balance]:
    """In the same order, at most `ACCOUNTS_MAX`."""
    balances: list[Balance] = []
    for start in range(0, min(len(account_ids), ACCOUNTS_MAX), AT_ONCE):
        some = account_ids[start : start + AT_ONCE]
        balances += await asyncio.gather(*map(ledger.balance, some))
    return balances[:ACCOUNTS_MAX]


def admin_operations(resources: Resources) -> Sequence[Operation]:
    async def get_standings(asked: Asked[Query]) -> StandingsReply:
        query = asked.query
        assert isinstance(query, StandingsQuery)
        accounts = await resources.keys.accounts()
        found = {
            each.account_id: each
            for each in sorted(accounts, key=lambda each: each.account_id)
            if _matches(each, query)
        }
        start = int(query.cursor or 0)
        end = start + query.limit
        order = ORDERS.get(query.sort)
        if order is None:
            page = await balances_of(resources.ledger, list(found)[start:end])
        else:
            page = sorted(await balances_of(resources.ledger, list(found)), key=order)[start:end]
        reachable = len(found) if order is None else min(len(found), ACCOUNTS_MAX)
        return StandingsReply(
            as_of=moment(resources.ledger.now_ms()),
            accounts=len(accounts),
            matched=len(found),
            data=[standing(found[each.account_id], each) for each in page],
            next_cursor=str(end) if end < reachable else None,
        )

    return (
        Operation(
            method="GET",
            path="/standings",
            name="listStandings",
            summary="Accounts with their money: searched, sorted, page by page",
            tag="Operating",
            audience=Audience.ADMIN,
            scope=ServiceScope.ADMIN,
            handler=get_standings,
            query=StandingsQuery,
            answer=StandingsReply,
        ),
    )


def _matches(account: Account, query: StandingsQuery) -> bool:
    wanted = query.search.casefold()
    return (
        (wanted in account.account_id.casefold() or wanted in account.name.casefold())
        and query.plan in ("", account.plan)
        and query.status in ("", account.status)
    )
