"""What an operator wants to know of all accounts' money: sums of their balances, who stands out.

What was granted is still there, free or held, or it was consumed, lapsed or was taken back. What is
there and was paid for is owed to those who paid: the liability.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.metering.balance import Balance
from gateway.metering.ledger import GrantKind

NEARLY_EMPTY_PERCENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Over all accounts, in µcr. `liability_ucr`: unspent credit of prepaid grants, held or not."""

    accounts: int
    running_calls: int
    granted_ucr: int
    charged_ucr: int
    available_ucr: int
    held_ucr: int
    debt_ucr: int
    lapsed_ucr: int
    voided_ucr: int
    liability_ucr: int


def totals(balances: Sequence[Balance]) -> Totals:
    grants = [grant for balance in balances for grant in balance.grants]
    return Totals(
        accounts=len(balances),
        running_calls=sum(each.running_calls for each in balances),
        granted_ucr=sum(each.granted_ucr for each in balances),
        charged_ucr=sum(each.charged_ucr for each in balances),
        available_ucr=sum(each.available_ucr for each in balances),
        held_ucr=sum(each.held_ucr + each.overdraft_held_ucr for each in balances),
        debt_ucr=sum(each.debt_ucr for each in balances),
        lapsed_ucr=sum(each.lapsed_ucr for each in balances),
        voided_ucr=sum(each.voided_ucr for each in balances),
        liability_ucr=sum(
            grant.remaining_ucr + grant.held_ucr
            for grant in grants
            if grant.kind is GrantKind.PREPAID
        ),
    )


def most_charged(balances: Sequence[Balance], *, limit: int) -> Sequence[Balance]:
    spent = [each for each in balances if each.charged_ucr]
    return sorted(spent, key=lambda each: (-each.charged_ucr, each.account_id))[:limit]


def nearly_empty(balances: Sequence[Balance], *, limit: int) -> Sequence[Balance]:
    """Those with little left of what they were granted, or with debt; the emptiest first."""
    found = [
        each
        for each in balances
        if each.granted_ucr and _worth(each) * 100 <= each.granted_ucr * NEARLY_EMPTY_PERCENT
    ]
    return sorted(found, key=lambda each: (_worth(each), each.account_id))[:limit]


def _worth(balance: Balance) -> int:
    return balance.available_ucr + balance.held_ucr - balance.debt_ucr
