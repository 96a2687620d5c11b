"""Signatures as the Standard Webhooks specification says, verified by its own library."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.sinks.webhook import message_id, secret_of, signatures

OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
BODY = b'{"type":"usage.batch","data":{"records":[]}}'


def headers(*secrets: str) -> dict[str, str]:
    timestamp = str(int(datetime.now(UTC).timestamp()))
    keys = [secret_of(secret) for secret in secrets]
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": timestamp,
        "webhook-signature": signatures(keys, "msg_1", timestamp, BODY),
    }


@pytest.mark.parametrize("known", [OLD, NEW])
def test_while_a_secret_is_replaced_receivers_of_both_verify(known):
    verified = Webhook(known).verify(BODY, headers(NEW, OLD))

    assert "usage.batch" == verified["type"]


def test_another_body_or_secret_is_not_verified():
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY.replace(b"[]", b"[1]"), headers(NEW))
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, headers(OLD))


def test_the_published_example_is_signed_alike():
    """The vector of the specification's reference implementations."""
    secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'

    signed = signatures([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signed


def test_the_same_records_have_the_same_message_id():
    assert message_id(["a", "b"]) == message_id(["a", "b"])
    assert message_id(["a", "b"]) != message_id(["b", "a"]) != message_id(["ab"])


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_what_is_no_secret_is_refused(text):
    with pytest.raises(ValueError):
        secret_of(text)
