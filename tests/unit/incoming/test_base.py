"""Money becomes credit exactly, rounded down once."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadCall
from gateway.incoming.base import Kind, Payment, Source, microcredits, money_of

SOURCE = Source(
    name="s",
    kind=Kind.STRIPE,
    secrets=(b"x",),
    tolerance_s=1,
    rates={"usd": 100_000_000, "jpy": 333_333},
    events=frozenset(),
)


def paid(money: Fraction, currency: str = "usd") -> Payment:
    return Payment(payment_id="p", money=money, currency=currency)


@pytest.mark.parametrize(
    ("minor", "currency", "whole"),
    [(1250, "usd", Fraction(25, 2)), (1250, "jpy", 1250), (1250, "kwd", Fraction(5, 4))],
)
def test_currencies_have_their_own_smallest_units(minor, currency, whole):
    assert whole == money_of(minor, currency)


def test_credit_is_exact_and_a_currency_without_a_rate_buys_none():
    assert 1_250_000_000 == microcredits(paid(money_of(1250, "usd")), SOURCE)
    assert 999_999 == microcredits(paid(Fraction(3), "jpy"), SOURCE)
    with pytest.raises(BadCall) as refused:
        microcredits(paid(Fraction(1), "eur"), SOURCE)
    assert "currency_unknown" == refused.value.code


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_refunds_are_never_more_than_what_was_paid(some, more):
    part, whole = money_of(some, "jpy"), money_of(some + more, "jpy")

    assert microcredits(paid(part, "jpy"), SOURCE) <= microcredits(paid(whole, "jpy"), SOURCE)
