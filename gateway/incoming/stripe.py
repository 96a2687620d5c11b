"""Stripe's webhooks: https://docs.stripe.com/webhooks#verify-manually (read 2026-11).

| event | brings | its id |
|---|---|---|
| `checkout.session.completed`, `….async_payment_succeeded` | `amount_total`, once `paid` | invoice, payment intent |
| `invoice.paid` | `amount_paid` | the invoice |
| `payment_intent.succeeded` | `amount_received` | invoice if it names one, payment intent |
| `charge.refunded` | takes back `amount_refunded`, the sum so far | the charge |

One payment is told by several of them, so it goes by the id that they have in common. The account
is what our metadata says (`tollkeeper_account`), else whose customer it is. `client_reference_id`
is not asked: whoever opens a payment link can set it, and a refund does not carry it.
"""  # noqa: E501 - a table row is one line

from collections.abc import Mapping

from gateway.incoming.base import (
    Payment,
    Source,
    any_matches,
    hmac_sha256,
    money_of,
    part,
    text,
    whole,
)

ACCOUNT = "tollkeeper_account"
AMOUNTS = {
    "checkout.session.completed": "amount_total",
    "checkout.session.async_payment_succeeded": "amount_total",
    "invoice.paid": "amount_paid",
    "payment_intent.succeeded": "amount_received",
    "charge.refunded": "amount_refunded",
}
# Not by default: `payment_intent.succeeded`. Newer versions of Stripe's API do not say there which
# invoice it paid, so an invoice's payment could count twice.
EVENTS = frozenset(AMOUNTS) - {"payment_intent.succeeded"}
SIGNATURES_MAX = 10


class Stripe:
    """Implements `Reader`."""

    def signed(
        self, source: Source, headers: Mapping[str, str], body: bytes, *, now_s: float
    ) -> bool:
        pairs = [
            each.strip().partition("=") for each in headers.get("stripe-signature", "").split(",")
        ]
        moment = next((value for name, _, value in pairs if name == "t"), "")
        signatures = [value for name, _, value in pairs if name == "v1"][:SIGNATURES_MAX]
        if not moment.isascii() or not moment.isdigit() or len(moment) > 12:  # noqa: PLR2004 seconds
            return False
        if abs(now_s - int(moment)) > source.tolerance_s:
            return False
        signed = b"%b.%b" % (moment.encode(), body)
        digests = [hmac_sha256(secret, signed).hex() for secret in source.secrets]
        return any_matches(signatures, digests)

    def read(self, source: Source, event: Mapping[str, object]) -> Payment | None:
        kind = text(event, "type")
        if kind not in source.events or kind not in AMOUNTS:
            return None
        told = part(event, "data", "object")
        unpaid = kind == "checkout.session.completed" and text(told, "payment_status") != "paid"
        amount = whole(told, AMOUNTS[kind]) if not unpaid else 0
        if amount == 0:
            return None
        currency = text(told, "currency").lower()
        refund = kind == "charge.refunded"
        common = "" if refund else text(told, "invoice") or text(told, "payment_intent")
        return Payment(
            payment_id=common or text(told, "id"),
            money=money_of(amount, currency),
            currency=currency,
            account_id=_account(told),
            customer=text(told, "customer"),
            refund=refund,
        )


def _account(told: Mapping[str, object]) -> str:
    """An invoice of a subscription has the subscription's metadata beside its own."""
    places = (
        part(told, "metadata"),
        part(told, "parent", "subscription_details", "metadata"),
        part(told, "subscription_details", "metadata"),
    )
    return next((name for place in places if (name := text(place, ACCOUNT))), "")
