"""Sums over all accounts, and who stands out."""

from typing import Any

from gateway.metering.balance import Balance, Forgotten, GrantState
from gateway.metering.ledger import GrantKind
from gateway.metering.overview import most_charged, nearly_empty, totals


def grant(**fields: Any) -> GrantState:
    return GrantState(
        **{
            "grant_id": "g",
            "kind": GrantKind.PREPAID,
            "amount_ucr": 100,
            "remaining_ucr": 0,
            "held_ucr": 0,
            "consumed_ucr": 0,
            "expired_ucr": 0,
            "voided_ucr": 0,
            "priority": 50,
            "effective_ms": 0,
            "expires_ms": 0,
            "note": "",
        }
        | fields
    )


def balance(account_id: str, *grants: GrantState, **fields: Any) -> Balance:
    zero = dict.fromkeys(
        (
            *("available_ucr", "held_ucr", "overdraft_held_ucr", "debt_ucr", "observed_ucr"),
            *("charged_ucr", "corrected_ucr", "granted_ucr", "live_holds", "now_ms"),
        ),
        0,
    )
    return Balance(account_id=account_id, grants=grants, **zero | fields)


def test_sums_are_over_all_accounts():
    found = totals(
        [
            balance("a", granted_ucr=100, available_ucr=60, held_ucr=10, charged_ucr=30),
            balance("b", granted_ucr=50, overdraft_held_ucr=5, debt_ucr=7, charged_ucr=57),
            balance("c", live_holds=2),
        ]
    )

    assert (3, 2, 150, 87, 60, 15, 7) == (
        found.accounts,
        found.running_calls,
        found.granted_ucr,
        found.charged_ucr,
        found.available_ucr,
        found.held_ucr,
        found.debt_ucr,
    )


def test_only_credit_that_was_paid_for_is_owed():
    found = totals(
        [
            balance(
                "a",
                grant(remaining_ucr=40, held_ucr=2),
                grant(kind=GrantKind.PROMO, remaining_ucr=30),
                grant(kind=GrantKind.ALLOWANCE, held_ucr=9, expired_ucr=11),
                grant(voided_ucr=3),
                forgotten=Forgotten(2, 50, consumed_ucr=30, expired_ucr=15, voided_ucr=5),
            )
        ]
    )

    assert (42, 26, 8) == (found.liability_ucr, found.lapsed_ucr, found.voided_ucr)


def test_those_who_spent_most_come_first_and_who_spent_nothing_not_at_all():
    spent = [balance("a", charged_ucr=1), balance("b", charged_ucr=9), balance("c")]

    assert ["b", "a"] == [each.account_id for each in most_charged(spent, limit=5)]
    assert ["b"] == [each.account_id for each in most_charged(spent, limit=1)]


def test_those_with_a_tenth_or_less_are_nearly_empty_the_emptiest_first():
    rows = [
        balance("new"),
        balance("full", granted_ucr=100, available_ucr=11),
        balance("low", granted_ucr=100, available_ucr=10),
        balance("busy", granted_ucr=100, held_ucr=50),
        balance("owes", granted_ucr=100, debt_ucr=3),
    ]

    assert ["owes", "low"] == [each.account_id for each in nearly_empty(rows, limit=5)]
