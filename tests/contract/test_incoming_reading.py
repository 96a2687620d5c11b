"""What events bring: payments once paid, refunds as sums so far, and nothing out of garbage."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.payments import stripe_event

from gateway.errors import BadCall
from gateway.incoming import lago, standard, stripe
from gateway.incoming.base import Kind, Payment, Reader, Source
from gateway.incoming.lago import INVOICE, WALLET, Lago
from gateway.incoming.standard import Standard
from gateway.incoming.stripe import Stripe

EVENTS = {Kind.STRIPE: stripe.EVENTS, Kind.LAGO: lago.EVENTS, Kind.STANDARD: standard.EVENTS}
READERS: dict[Kind, Reader] = {
    Kind.STRIPE: Stripe(),
    Kind.LAGO: Lago(),
    Kind.STANDARD: Standard(),
}


def source(kind: Kind) -> Source:
    return Source(name="s", kind=kind, secrets=(), tolerance_s=300, rates={}, events=EVENTS[kind])


def read(kind: Kind, event: dict[str, Any]) -> Payment | None:
    return READERS[kind].read(source(kind), event)


CHECKOUT = {"id": "cs_1", "payment_status": "paid", "amount_total": 1250, "currency": "USD"}


def test_all_events_of_one_payment_have_its_id():
    checkout = stripe_event("checkout.session.completed", **CHECKOUT, invoice="in_1")
    invoice = stripe_event("invoice.paid", id="in_1", amount_paid=1250, currency="usd")
    expanded = stripe_event("checkout.session.completed", **CHECKOUT, invoice={"id": "in_1"})
    payments = [read(Kind.STRIPE, event) for event in (checkout, invoice, expanded)]

    assert [("in_1", Fraction(25, 2))] * 3 == [
        (payment.payment_id, payment.money) for payment in payments if payment
    ]


def test_a_checkout_that_is_paid_later_counts_when_it_is_paid():
    unpaid = stripe_event("checkout.session.completed", **CHECKOUT | {"payment_status": "unpaid"})
    paid = stripe_event("checkout.session.async_payment_succeeded", **CHECKOUT)

    assert read(Kind.STRIPE, unpaid) is None
    assert read(Kind.STRIPE, paid) is not None


def test_what_a_payment_link_says_of_itself_names_no_account():
    event = stripe_event("checkout.session.completed", **CHECKOUT, client_reference_id="victim")
    payment = read(Kind.STRIPE, event)

    assert payment is not None
    assert ("", "") == (payment.account_id, payment.customer)


def test_a_subscriptions_metadata_names_the_account():
    parent = {"subscription_details": {"metadata": {"tollkeeper_account": "acme"}}}
    event = stripe_event("invoice.paid", id="in_1", amount_paid=5, currency="usd", parent=parent)
    payment = read(Kind.STRIPE, event)

    assert payment is not None
    assert "acme" == payment.account_id


def test_a_refund_tells_the_sum_so_far_of_its_charge():
    sums = [
        read(
            Kind.STRIPE,
            stripe_event("charge.refunded", id="ch_1", amount_refunded=cents, currency="usd"),
        )
        for cents in (500, 1250)
    ]

    assert [("ch_1", Fraction(5), True), ("ch_1", Fraction(25, 2), True)] == [
        (each.payment_id, each.money, each.refund) for each in sums if each
    ]


def test_a_payment_intent_counts_only_where_it_is_asked_for():
    event = stripe_event(
        "payment_intent.succeeded", id="pi_1", amount_received=100, currency="jpy", customer="cus_1"
    )
    asked = replace(source(Kind.STRIPE), events=frozenset({"payment_intent.succeeded"}))
    payment = Stripe().read(asked, event)

    assert read(Kind.STRIPE, event) is None
    assert payment is not None
    assert (Fraction(100), "cus_1") == (payment.money, payment.customer)


@pytest.mark.parametrize("amount", [-1, 1.5, "1250", None, True, [], {}])
def test_an_amount_that_is_no_whole_number_is_refused(amount):
    event = stripe_event("invoice.paid", id="in_1", amount_paid=amount, currency="usd")
    with pytest.raises(BadCall):
        read(Kind.STRIPE, event)


def test_lago_tells_of_invoices_once_they_are_paid():
    invoice = {
        "lago_id": "inv-1",
        "total_amount_cents": 4_200,
        "currency": "EUR",
        "customer": {"external_id": "cust-9"},
        "metadata": [{"key": "tollkeeper_account", "value": "acme"}, "odd", {"key": 1}],
    }
    told = [
        read(
            Kind.LAGO,
            {"webhook_type": INVOICE, "invoice": invoice | {"payment_status": status}},
        )
        for status in ("pending", "failed", "succeeded")
    ]

    assert [None, None] == told[:2]
    assert told[2] == Payment(
        payment_id="inv-1",
        money=Fraction(42),
        currency="eur",
        account_id="acme",
        customer="cust-9",
    )


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"status": "pending"}, False),
        ({"transaction_type": "outbound"}, False),
        ({"transaction_status": "granted"}, False),
    ],
)
def test_a_wallet_is_topped_up_by_what_was_bought(change, counts):
    wallets = replace(source(Kind.LAGO), events=frozenset(WALLET))
    told = {
        "lago_id": "wt-1",
        "lago_wallet_id": "w-1",
        "status": "settled",
        "transaction_type": "inbound",
        "transaction_status": "purchased",
        "amount": "12.345",
    }
    payment = Lago().read(wallets, {"webhook_type": WALLET[0], "wallet_transaction": told | change})

    assert counts == (payment is not None)
    if payment is not None:
        assert (Fraction(2469, 200), "wallet", "w-1") == (
            payment.money,
            payment.currency,
            payment.customer,
        )


@pytest.mark.parametrize("kind", ["payment.succeeded", "payment.refunded"])
def test_a_program_of_ones_own_tells_in_decimal_text(kind):
    data = {"id": "order-17", "amount": "0.1", "currency": "USD", "account_id": "acme"}
    payment = read(Kind.STANDARD, {"type": kind, "data": data})

    assert payment is not None
    assert (Fraction(1, 10), "usd", kind == "payment.refunded") == (
        payment.money,
        payment.currency,
        payment.refund,
    )


@pytest.mark.parametrize(
    "amount", [12.5, 12, None, "", "1,5", "NaN", "Infinity", "-1", "1e999999", "9" * 41, "0x10"]
)
def test_an_amount_that_is_no_decimal_text_is_refused(amount):
    with pytest.raises(BadCall):
        read(Kind.STANDARD, {"type": "payment.succeeded", "data": {"id": "o", "amount": amount}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "object", "invoice", "customer", "metadata", "amount"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
TYPES = st.sampled_from(sorted({*stripe.EVENTS, *lago.EVENTS, *standard.EVENTS, "other"}))


@given(kind=st.sampled_from(list(Kind)), name=TYPES, content=JSON)
def test_garbage_brings_nothing_or_is_refused(kind, name, content):
    event = {"type": name, "webhook_type": name, "data": content, "invoice": content}
    try:
        payment = read(kind, event)
    except BadCall:
        return
    assert payment is None or payment.money >= 0
