"""Money coming in: signed events become credit once, whatever their order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from support import gateways
from support.gateways import ACCOUNT, TestGateway, running_gateway
from support.payments import (
    LAGO_SECRET,
    STANDARD_SECRET,
    STRIPE_SECRET,
    STRIPE_SECRET_OLD,
    encoded,
    lago_headers,
    now_s,
    standard_headers,
    stripe_event,
    stripe_headers,
)

from gateway.metering.accounts import Account

CONFIG = """\
incoming:
  stripe: {kind: stripe, secrets: [env:STRIPE_NEW, env:STRIPE_OLD],
           credits_per_unit: {usd: "100", jpy: "1"}, customers: stripe,
           accounts: {cus_mapped: acme}}
  lago: {kind: lago, secrets: [env:LAGO], credits_per_unit: {eur: "100"}, accounts: {cust-1: acme}}
  shop: {kind: standard, secrets: [env:SHOP], credits_per_unit: {usd: "100"}, expires_days: 30}
"""
MINE = {"metadata": {"tollkeeper_account": ACCOUNT}}
CREDIT_UCR = 1_000_000


@pytest.fixture
async def gateway(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestGateway]:
    async with paying_gateway(tmp_path, store_url, monkeypatch) as gateway:
        yield gateway


@asynccontextmanager
async def paying_gateway(
    folder: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestGateway]:
    secrets = {
        "STRIPE_NEW": STRIPE_SECRET,
        "STRIPE_OLD": STRIPE_SECRET_OLD,
        "LAGO": LAGO_SECRET,
        "SHOP": STANDARD_SECRET,
    }
    for name, secret in secrets.items():
        monkeypatch.setitem(gateways.SECRETS, name, secret)
    async with running_gateway(folder, store_url, credit=0, more=CONFIG) as gateway:
        yield gateway


async def tell(
    gateway: TestGateway, name: str, body: bytes, headers: dict[str, str]
) -> tuple[int, Any]:
    url = f"{gateway.origin}/metering/v1/incoming/{name}"
    sent = {"Content-Type": "application/json; charset=utf-8"} | headers
    async with gateway.http.post(url, data=body, headers=sent) as answer:
        return answer.status, await answer.json(content_type=None)


async def stripe(gateway: TestGateway, event: dict[str, Any]) -> Any:
    body = encoded(event)
    status, told = await tell(gateway, "stripe", body, stripe_headers(body))
    return told.get("result", (status, told.get("code")))


def checkout(**more: Any) -> dict[str, Any]:
    told = {
        "id": "cs_1",
        "payment_intent": "pi_1",
        "payment_status": "paid",
        "amount_total": 1250,
        "currency": "usd",
    }
    return stripe_event("checkout.session.completed", **(told | MINE | more))


def refunded(sum_minor: int, **more: Any) -> dict[str, Any]:
    told = {"id": "ch_1", "payment_intent": "pi_1", "currency": "usd"}
    return stripe_event("charge.refunded", **(told | MINE | {"amount_refunded": sum_minor} | more))


async def test_a_payment_becomes_a_grant_once(gateway):
    assert "granted" == await stripe(gateway, checkout())
    assert "repeated" == await stripe(gateway, checkout())
    later = checkout() | {"type": "checkout.session.async_payment_succeeded"}
    assert "repeated" == await stripe(gateway, later)
    [grant] = (await gateway.balance()).grants

    assert ("stripe-pi_1", 1_250 * CREDIT_UCR, "prepaid") == (
        grant.grant_id,
        grant.remaining_ucr,
        grant.kind,
    )
    assert 2 == await gateway.metric(
        r'tollkeeper_incoming_events_total\{received="repeated",source="stripe"\}'
    )


async def test_an_invoice_paid_by_a_checkout_counts_once(gateway):
    subscribed = checkout(invoice="in_1", payment_intent=None)
    invoice = stripe_event(
        "invoice.paid",
        id="in_1",
        amount_paid=1250,
        currency="usd",
        parent={"subscription_details": MINE},
    )

    assert ["granted", "repeated"] == [
        await stripe(gateway, event) for event in (invoice, subscribed)
    ]


@pytest.mark.parametrize(
    "event",
    [
        checkout(payment_status="unpaid"),
        checkout(amount_total=0),
        stripe_event("payment_intent.succeeded", id="pi_1", amount_received=5, currency="usd"),
        stripe_event("customer.created", id="cus_1"),
        {"type": 7},
        {},
    ],
)
async def test_what_brings_no_money_is_answered_and_ignored(gateway, event):
    assert "ignored" == await stripe(gateway, event)
    assert () == (await gateway.balance()).grants


async def test_any_order_and_repetition_of_payments_and_refunds_gives_the_same_balance(gateway):
    events = [checkout(), refunded(300), refunded(1250), checkout(payment_intent="pi_2")]
    for number, order in enumerate(permutations(events)):
        account_id = f"a{number}"
        await gateway.session.stores.keys.put_account(Account(account_id=account_id, plan="test"))
        whose = {"metadata": {"tollkeeper_account": account_id}}
        for event in (*order, *order[::-1], order[0]):
            told = event["data"]["object"] | whose
            assert await stripe(gateway, event | {"data": {"object": told}}) in (
                "granted",
                "corrected",
                "repeated",
            )
        balance = await gateway.ledger.balance(account_id)
        assert (1_250 * CREDIT_UCR, 0) == (balance.available_ucr, balance.debt_ucr)


async def test_a_refund_of_what_was_spent_becomes_debt(gateway):
    await stripe(gateway, checkout(amount_total=10))
    async with gateway.chat() as answer:
        assert 200 == answer.status
    spent = (await gateway.settled(charged=lambda ucr: ucr > 0)).charged_ucr
    await stripe(gateway, refunded(10))
    books = await gateway.assert_books_balance()

    assert (0, spent, spent) == (books.available_ucr, books.debt_ucr, books.corrected_ucr)


async def test_an_account_is_found_by_metadata_its_external_id_or_the_mapping(gateway):
    keys = gateway.session.stores.keys
    await keys.put_account(Account(account_id="ext", plan="test", external={"stripe": "cus_ext"}))
    nobody = {"metadata": {}}
    found = [
        await stripe(gateway, checkout(payment_intent="pi_a", customer="cus_ext", **nobody)),
        await stripe(gateway, checkout(payment_intent="pi_b", customer="cus_mapped", **nobody)),
        await stripe(gateway, checkout(payment_intent="pi_c", customer="cus_other", **nobody)),
        await stripe(gateway, checkout(client_reference_id=ACCOUNT, **nobody)),
        await stripe(gateway, checkout(metadata={"tollkeeper_account": "nobody"})),
    ]

    assert ["granted", "granted"] == found[:2]
    assert [(422, "payer_unknown")] * 3 == found[2:]
    assert 1_250 * CREDIT_UCR == (await gateway.ledger.balance("ext")).available_ucr
    assert 1_250 * CREDIT_UCR == (await gateway.balance()).available_ucr


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (checkout(currency="eur"), "currency_unknown"),
        (checkout(amount_total=-5), "invalid_request"),
        (checkout(amount_total="5"), "invalid_request"),
        (checkout(amount_total=2**60), "invalid_request"),
        (checkout(payment_intent="pi 1"), "invalid_request"),
        (checkout(payment_intent=None, id=None), "invalid_request"),
    ],
)
async def test_what_is_not_as_documented_is_refused(gateway, event, code):
    assert (400, code) == await stripe(gateway, event)
    assert () == (await gateway.balance()).grants


async def test_nothing_is_taken_that_is_not_signed(gateway):
    body = encoded(checkout())
    now = int(now_s())
    forged = [
        {},
        {"Stripe-Signature": ""},
        {"Stripe-Signature": f"t={now},v1="},
        {"Stripe-Signature": f"t=,v1={'0' * 64}"},
        {"Stripe-Signature": f"t={'9' * 40},v1={'0' * 64}"},
        stripe_headers(body, secret="whsec_somebody-elses-secret"),
        stripe_headers(body, at_s=now - 301),
        stripe_headers(body, at_s=now + 302),
        stripe_headers(body + b" "),
    ]
    for headers in forged:
        status, told = await tell(gateway, "stripe", body, headers)
        assert (403, "signature_invalid") == (status, told["code"])
    for name in ("other", "stripe2"):
        assert 404 == (await tell(gateway, name, body, stripe_headers(body)))[0]
    assert () == (await gateway.balance()).grants


async def test_an_old_secret_signs_while_it_is_being_replaced(gateway):
    body = encoded(checkout())
    old = stripe_headers(body, secret=STRIPE_SECRET_OLD)
    status, told = await tell(gateway, "stripe", body, old)
    both = stripe_headers(body, also=f",v1={'0' * 64}")
    again, _ = await tell(gateway, "stripe", body, both)

    assert (200, "granted", 200) == (status, told["result"], again)


async def test_lago_tells_of_paid_invoices(gateway):
    invoice = {
        "lago_id": "5eb02857-a71e-4ea2-bcf9-57d3a41bc6ba",
        "payment_status": "succeeded",
        "currency": "EUR",
        "total_amount_cents": 995,
        "customer": {"external_id": "cust-1"},
    }
    event = {"webhook_type": "invoice.payment_status_updated", "invoice": invoice}
    pending = event | {"invoice": invoice | {"payment_status": "pending"}}
    results = []
    for each in (pending, event, event):
        body = encoded(each)
        results.append((await tell(gateway, "lago", body, lago_headers(body)))[1]["result"])
    body = encoded(event)
    by_jwt = lago_headers(body) | {"X-Lago-Signature-Algorithm": "jwt"}
    forged = lago_headers(body, secret="another-hmac-key-for-tests")
    refused = [(await tell(gateway, "lago", body, sent))[0] for sent in (by_jwt, forged, {})]

    assert ["ignored", "granted", "repeated"] == results
    assert [403, 403, 403] == refused
    assert 995 * CREDIT_UCR == (await gateway.balance()).available_ucr


async def test_a_program_of_ones_own_tells_of_payments_that_lapse(gateway):
    told = {"id": "order-17", "amount": "12.505", "currency": "usd", "account_id": ACCOUNT}
    body = encoded({"type": "payment.succeeded", "data": told})
    back = encoded({"type": "payment.refunded", "data": told | {"amount": "2.5"}})
    late = standard_headers(body, at_s=int(now_s()) - 400)
    results = [
        (await tell(gateway, "shop", each, standard_headers(each)))[1]["result"]
        for each in (body, body, back, back)
    ]
    [grant] = (await gateway.balance()).grants

    assert ["granted", "repeated", "corrected", "repeated"] == results
    assert 403 == (await tell(gateway, "shop", body, late))[0]
    assert 403 == (await tell(gateway, "shop", back, standard_headers(body)))[0]
    assert 1_000_500_000 == grant.remaining_ucr
    assert abs(grant.expires_ms - now_s() * 1000 - 30 * 86_400_000) < 60_000
