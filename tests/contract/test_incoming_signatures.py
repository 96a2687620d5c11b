"""Who may tell of payments: signatures of each system, old, foreign, altered and malformed ones."""

from typing import Any

import pytest
from support.payments import (
    LAGO_SECRET,
    STANDARD_SECRET,
    STRIPE_SECRET,
    STRIPE_SECRET_OLD,
    lago_headers,
    standard_headers,
    stripe_headers,
)

from gateway.incoming.base import Kind, Reader, Source
from gateway.incoming.lago import Lago
from gateway.incoming.standard import Standard
from gateway.incoming.stripe import Stripe
from gateway.sinks.webhook import secret_of

NOW_S = 1_795_700_000
TOLERANCE_S = 300
BODY = b'{"type":"x"}'


def source(kind: Kind, *secrets: bytes) -> Source:
    return Source(
        name="s", kind=kind, secrets=secrets, tolerance_s=TOLERANCE_S, rates={}, events=frozenset()
    )


STRIPE = source(Kind.STRIPE, STRIPE_SECRET.encode(), STRIPE_SECRET_OLD.encode())
LAGO = source(Kind.LAGO, LAGO_SECRET.encode())
STANDARD = source(Kind.STANDARD, secret_of(STANDARD_SECRET))


def signed(
    reader: Reader, source: Source, headers: dict[str, Any], body: bytes = BODY, at_s: float = NOW_S
) -> bool:
    lower = {name.lower(): value for name, value in headers.items()}
    return reader.signed(source, lower, body, now_s=at_s)


def test_what_each_system_signs_is_taken():
    assert signed(Stripe(), STRIPE, stripe_headers(BODY, at_s=NOW_S))
    assert signed(Stripe(), STRIPE, stripe_headers(BODY, at_s=NOW_S, secret=STRIPE_SECRET_OLD))
    assert signed(Lago(), LAGO, lago_headers(BODY))
    assert signed(Standard(), STANDARD, standard_headers(BODY, at_s=NOW_S))


@pytest.mark.parametrize("offset_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_what_is_old_or_of_the_future_is_a_replay(offset_s):
    at_s = NOW_S + offset_s
    assert not signed(Stripe(), STRIPE, stripe_headers(BODY, at_s=at_s))
    assert not signed(Standard(), STANDARD, standard_headers(BODY, at_s=at_s))


@pytest.mark.parametrize("offset_s", [-TOLERANCE_S, TOLERANCE_S])
def test_clocks_may_differ_by_the_tolerance(offset_s):
    at_s = NOW_S + offset_s
    assert signed(Stripe(), STRIPE, stripe_headers(BODY, at_s=at_s))
    assert signed(Standard(), STANDARD, standard_headers(BODY, at_s=at_s))


def test_an_altered_body_or_a_foreign_secret_is_refused():
    altered = BODY + b" "
    assert not signed(Stripe(), STRIPE, stripe_headers(BODY, at_s=NOW_S), altered)
    assert not signed(Lago(), LAGO, lago_headers(BODY), altered)
    assert not signed(Standard(), STANDARD, standard_headers(BODY, at_s=NOW_S), altered)
    assert not signed(Stripe(), STRIPE, stripe_headers(BODY, at_s=NOW_S, secret="whsec_other"))
    assert not signed(Lago(), LAGO, lago_headers(BODY, secret="other"))
    other = "whsec_" + "QUFB" * 8
    assert not signed(Standard(), STANDARD, standard_headers(BODY, at_s=NOW_S, secret=other))


def test_a_signature_of_another_moment_does_not_carry_over():
    headers = stripe_headers(BODY, at_s=NOW_S - 1)
    moved = headers["Stripe-Signature"].replace(f"t={NOW_S - 1}", f"t={NOW_S}")
    assert not signed(Stripe(), STRIPE, {"Stripe-Signature": moved})
    later = standard_headers(BODY, at_s=NOW_S - 1) | {"webhook-timestamp": str(NOW_S)}
    assert not signed(Standard(), STANDARD, later)


def test_a_message_of_another_id_is_not_signed():
    assert not signed(
        Standard(), STANDARD, standard_headers(BODY, at_s=NOW_S) | {"webhook-id": "msg_2"}
    )


@pytest.mark.parametrize(
    "header",
    ["", "t=", "t=1", "v1=00", "t=x,v1=00", "t=١٢٣,v1=00", "t=-5,v1=00", "=,=,=", "t=" + "9" * 400],
)
def test_garbage_from_stripe_is_refused(header):
    assert not signed(Stripe(), STRIPE, {"Stripe-Signature": header})


@pytest.mark.parametrize(
    "header", ["", "v1,", "v2,AAAA", "v1,é", "v1a,AAAA", " ", "v1," + "A" * 10_000]
)
def test_garbage_in_a_standard_webhook_is_refused(header):
    headers = standard_headers(BODY, at_s=NOW_S) | {"webhook-signature": header}
    assert not signed(Standard(), STANDARD, headers)


def test_only_so_many_signatures_are_compared():
    good = stripe_headers(BODY, at_s=NOW_S)["Stripe-Signature"]
    moment, _, rest = good.partition(",")
    many = f"{moment},{'v1=00,' * 10}{rest}"
    assert not signed(Stripe(), STRIPE, {"Stripe-Signature": many})
    headers = standard_headers(BODY, at_s=NOW_S)
    headers["webhook-signature"] = "v1,AAAA " * 10 + headers["webhook-signature"]
    assert not signed(Standard(), STANDARD, headers)


def test_lagos_other_algorithm_is_refused():
    jwt = lago_headers(BODY) | {"X-Lago-Signature-Algorithm": "jwt"}
    assert not signed(Lago(), LAGO, jwt)
    assert not signed(Lago(), LAGO, {"X-Lago-Signature": lago_headers(BODY)["X-Lago-Signature"]})


def test_without_a_secret_nothing_is_signed():
    nobody = source(Kind.STRIPE)
    assert not signed(Stripe(), nobody, stripe_headers(BODY, at_s=NOW_S, secret=""))
    assert not signed(Lago(), source(Kind.LAGO), lago_headers(BODY, secret=""))
