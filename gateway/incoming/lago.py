"""Lago's webhooks: https://getlago.com/docs/api-reference/webhooks/format---signature (read
2026-11), signed with HMAC. Its JWT signature needs a public key and RSA, and is refused.

| event | brings | its id |
|---|---|---|
| `invoice.payment_status_updated` | `total_amount_cents`, once `payment_status` is `succeeded` | the invoice |
| `wallet_transaction.created`, `wallet_transaction.updated` | `amount`, if it is bought, inbound and `settled` | the transaction |

An invoice names its customer; a wallet transaction does not: its account is that of its wallet
(`lago_wallet_id`), or what its metadata says (`tollkeeper_account`). Count either the invoices of
wallets or their transactions, or what is topped up counts twice. Lago repeats an event three times.
"""  # noqa: E501 - a table row is one line

import base64
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from gateway.errors import BadCall
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
from gateway.incoming.stripe import ACCOUNT

INVOICE = "invoice.payment_status_updated"
WALLET = ("wallet_transaction.created", "wallet_transaction.updated")
EVENTS = frozenset({INVOICE})


class Lago:
    """Implements `Reader`."""

    def signed(
        self, source: Source, headers: Mapping[str, str], body: bytes, *, now_s: float
    ) -> bool:
        """Without a time: what is repeated later changes nothing."""
        del now_s
        if headers.get("x-lago-signature-algorithm", "").lower() != "hmac":
            return False
        digests = [
            base64.b64encode(hmac_sha256(secret, body)).decode() for secret in source.secrets
        ]
        return any_matches([headers.get("x-lago-signature", "").strip()], digests)

    def read(self, source: Source, event: Mapping[str, object]) -> Payment | None:
        kind = text(event, "webhook_type")
        if kind not in source.events:
            return None
        if kind == INVOICE:
            return _invoice(part(event, "invoice") or part(event, "payment_status"))
        return _topped_up(part(event, "wallet_transaction")) if kind in WALLET else None


def _invoice(told: Mapping[str, object]) -> Payment | None:
    if text(told, "payment_status") != "succeeded":
        return None
    currency = text(told, "currency").lower()
    return Payment(
        payment_id=text(told, "lago_id") or text(told, "lago_invoice_id"),
        money=money_of(whole(told, "total_amount_cents"), currency),
        currency=currency,
        account_id=_account(told),
        customer=text(part(told, "customer"), "external_id"),
    )


def _topped_up(told: Mapping[str, object]) -> Payment | None:
    wanted = {"status": "settled", "transaction_type": "inbound", "transaction_status": "purchased"}
    if any(text(told, name) != value for name, value in wanted.items()):
        return None
    return Payment(
        payment_id=text(told, "lago_id"),
        money=decimal_money(told.get("amount")),
        # A wallet's transaction does not name its currency: it is that of the wallet.
        currency=text(told, "currency").lower() or "wallet",
        account_id=_account(told),
        customer=text(told, "lago_wallet_id"),
    )


def _account(told: Mapping[str, object]) -> str:
    """Metadata is a list of keys and values."""
    listed = told.get("metadata")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, Mapping) and each.get("key") == ACCOUNT:
            return text(each, "value")
    return ""


def decimal_money(value: object) -> Fraction:
    """Decimal text, exact; 0 or more."""
    try:
        number = Decimal(value) if isinstance(value, str) and len(value) <= 40 else None  # noqa: PLR2004 digits
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or number < 0 or number.adjusted() > 20:  # noqa: PLR2004 digits
        raise BadCall("amount: expected decimal text, 0 or more.")
    return Fraction(number)
