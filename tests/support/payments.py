"""Events of payment systems, shaped as their documentation shows them, and signed as they sign."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import orjson

STRIPE_SECRET = "whsec_a-stripe-secret-for-tests"
STRIPE_SECRET_OLD = "whsec_the-one-before-for-tests"
LAGO_SECRET = "a-lago-hmac-key-for-tests"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"a-standard-webhooks-secret").decode()


def now_s() -> float:
    return datetime.now(UTC).timestamp()


def _hmac(secret: bytes, signed: bytes) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).digest()


def stripe_event(kind: str, **told: Any) -> dict[str, Any]:
    return {"id": "evt_1", "object": "event", "type": kind, "data": {"object": told}}


def stripe_headers(
    body: bytes, *, secret: str = STRIPE_SECRET, at_s: int | None = None, also: str = ""
) -> dict[str, str]:
    moment = str(int(now_s()) if at_s is None else at_s)
    signature = _hmac(secret.encode(), moment.encode() + b"." + body).hex()
    return {"Stripe-Signature": f"t={moment}{also},v1={signature},v0=ignored"}


def lago_headers(body: bytes, *, secret: str = LAGO_SECRET) -> dict[str, str]:
    signature = base64.b64encode(_hmac(secret.encode(), body)).decode()
    return {"X-Lago-Signature": signature, "X-Lago-Signature-Algorithm": "hmac"}


def standard_headers(
    body: bytes, *, secret: str = STANDARD_SECRET, at_s: int | None = None
) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    moment = str(int(now_s()) if at_s is None else at_s)
    signature = base64.b64encode(_hmac(key, f"msg_1.{moment}.".encode() + body)).decode()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(b'another').decode()} v1,{signature}",
    }


def encoded(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event)
