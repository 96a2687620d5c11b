"""Payments told by a program of one's own, signed as Standard Webhooks
(https://www.standardwebhooks.com, read 2026-11).

    {"type": "payment.succeeded",            or "payment.refunded"
     "data": {"id": "order-17",              the payment, in either
              "amount": "12.50",             decimal text; of a refund the sum so far
              "currency": "usd",
              "account_id": "acme"}}         or "customer", an external id

"""

import base64
from collections.abc import Mapping

from gateway.incoming.base import Payment, Source, any_matches, hmac_sha256, part, text
from gateway.incoming.lago import decimal_money

PAID, REFUNDED = "payment.succeeded", "payment.refunded"
EVENTS = frozenset({PAID, REFUNDED})
SIGNATURES_MAX = 10


class Standard:
    """Implements `Reader`."""

    def signed(
        self, source: Source, headers: Mapping[str, str], body: bytes, *, now_s: float
    ) -> bool:
        name, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not name or not moment.isascii() or not moment.isdigit() or len(moment) > 12:  # noqa: PLR2004 seconds
            return False
        if abs(now_s - int(moment)) > source.tolerance_s:
            return False
        signed = b"%b.%b.%b" % (name.encode(), moment.encode(), body)
        digests = [
            base64.b64encode(hmac_sha256(secret, signed)).decode() for secret in source.secrets
        ]
        given = headers.get("webhook-signature", "").split(" ")[:SIGNATURES_MAX]
        return any_matches([each[3:] for each in given if each.startswith("v1,")], digests)

    def read(self, source: Source, event: Mapping[str, object]) -> Payment | None:
        kind = text(event, "type")
        if kind not in source.events or kind not in EVENTS:
            return None
        told = part(event, "data")
        return Payment(
            payment_id=text(told, "id"),
            money=decimal_money(told.get("amount")),
            currency=text(told, "currency").lower(),
            account_id=text(told, "account_id"),
            customer=text(told, "customer"),
            refund=kind == REFUNDED,
        )
