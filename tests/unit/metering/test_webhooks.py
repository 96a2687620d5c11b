"""Endpoints: what they are told of, with which secrets, and how patiently."""

import base64

from gateway.metering.journal import Entry
from gateway.metering.webhooks import (
    PAUSES_S,
    TYPES,
    Endpoint,
    pause_ms,
    secret,
    secret_text,
)

PEPPER = b"p" * 32
DAY_MS = 86_400_000


def endpoint(**more) -> Endpoint:
    return Endpoint(endpoint_id="we_1", account_id="lab", url="https://x.example/", **more)


def entry(kind: str = "funded", account_id: str = "lab", time_ms: int = 1000) -> Entry:
    return Entry(
        entry_id=f"{time_ms}-0",
        kind=kind,
        account_id=account_id,
        operation_id="x",
        amount_ucr=1,
        debt_ucr=0,
        observed_ucr=0,
        slices=(),
    )


def test_an_endpoint_is_told_of_its_own_account_since_it_is_there():
    made = endpoint(created_ms=1000)

    assert made.wants(entry())
    assert not made.wants(entry(time_ms=999))
    assert not made.wants(entry(account_id="other"))
    assert not endpoint(disabled="HTTP 410").wants(entry())


def test_an_endpoint_is_told_of_what_it_chose():
    chosen = endpoint(types=("grant.expired",))

    assert chosen.wants(entry("grant_expired"))
    assert not chosen.wants(entry("funded"))


def test_calls_are_no_notices():
    assert "call.settled" not in TYPES
    assert not endpoint().wants(entry("settled"))


def test_a_rotated_endpoint_signs_with_both_secrets_for_a_while():
    rotated = endpoint(generation=2, previous_until_ms=5000)

    assert (secret(PEPPER, "we_1", 2), secret(PEPPER, "we_1", 1)) == rotated.secrets(PEPPER, 4999)
    assert (secret(PEPPER, "we_1", 2),) == rotated.secrets(PEPPER, 5000)


def test_no_two_endpoints_generations_or_peppers_share_a_secret():
    made = {
        secret(pepper, name, generation)
        for pepper in (PEPPER, b"q" * 32)
        for name in ("we_1", "we_2")
        for generation in (1, 2)
    }

    assert 8 == len(made)
    assert all(len(key) == 32 for key in made)


def test_a_secret_is_written_as_standard_webhooks_read_it():
    key = secret(PEPPER, "we_1", 1)
    prefix, _, encoded = secret_text(key).partition("_")

    assert ("whsec", key) == (prefix, base64.b64decode(encoded))


def test_patience_grows_and_ends_after_about_a_day():
    pauses = [pause_ms(attempt) for attempt in range(1, len(PAUSES_S) + 1)]

    assert sorted(pauses) == pauses
    assert 0.8 * DAY_MS < sum(pauses) < 1.2 * DAY_MS
    assert pause_ms(len(PAUSES_S) + 1) is None
