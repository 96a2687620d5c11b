"""Signatures are botocore's: what it signs is let in, and nothing else."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.dialects.aws_signing import AwsIdentity
from gateway.simulator.aws import check_signature
from gateway.simulator.chat import RefusedRequest

NOW_S = datetime(2026, 11, 24, 9, 30, 5, tzinfo=UTC).timestamp()
IDENTITY = AwsIdentity(
    access_key_id="AKIDEXAMPLE",
    secret_access_key="a-secret",
    session_token="a-token",
    region="us-east-1",
)
TARGET = "/model/us.anthropic.claude-opus-4-1%3A0/invoke?a=b"
BODY = b'{"messages":[]}'


CREDENTIALS = {"access_key": "AKIDEXAMPLE", "secret_key": "a-secret", "token": "a-token"}


def signed_by_botocore(*, region="us-east-1", service="bedrock", now_s=NOW_S, **credentials):
    """The header fields of a request, as they go out."""
    request = AWSRequest("POST", f"http://127.0.0.1:8080{TARGET}", data=BODY)
    request.headers["Host"] = "127.0.0.1:8080"
    request.headers["Content-Type"] = "application/json"
    signer = SigV4Auth(Credentials(**CREDENTIALS | credentials), service, region)
    moment = datetime.fromtimestamp(now_s, UTC).replace(tzinfo=None)
    with patch("botocore.auth.get_current_datetime", lambda: moment):
        signer.add_auth(request)
    return [
        (b"Accept", b"*/*"),
        *[(name.encode(), value.encode()) for name, value in request.headers.items()],
    ]


def check(headers, *, method="POST", target=TARGET, body=BODY, now_s=NOW_S):
    check_signature(IDENTITY, method=method, target=target, headers=headers, body=body, now_s=now_s)


@pytest.mark.parametrize("late_s", [-300, 0, 300])
def test_what_botocore_signed_is_let_in_for_minutes(late_s):
    check(signed_by_botocore(), now_s=NOW_S + late_s)


def without(headers, name):
    return [field for field in headers if field[0].lower() != name]


def with_authorization(headers, old, new):
    return [
        (name, value.replace(old, new)) if name == b"Authorization" else (name, value)
        for name, value in headers
    ]


GOOD = signed_by_botocore()
REFUSED = {
    "no authorization": (
        "MissingAuthenticationTokenException",
        without(GOOD, b"authorization"),
    ),
    "a bearer token": (
        "IncompleteSignatureException",
        [*without(GOOD, b"authorization"), (b"Authorization", b"Bearer tk_1")],
    ),
    "no date": ("IncompleteSignatureException", without(GOOD, b"x-amz-date")),
    "a stranger": ("UnrecognizedClientException", signed_by_botocore(access_key="AKIDOTHER")),
    "another token": ("UnrecognizedClientException", signed_by_botocore(token="other")),
    "no token": ("UnrecognizedClientException", signed_by_botocore(token=None)),
    "another region": ("InvalidSignatureException", signed_by_botocore(region="eu-west-1")),
    "another service": ("InvalidSignatureException", signed_by_botocore(service="s3")),
    "another secret": ("InvalidSignatureException", signed_by_botocore(secret_key="guessed")),
    "too old": ("InvalidSignatureException", signed_by_botocore(now_s=NOW_S - 301)),
    "of the future": ("InvalidSignatureException", signed_by_botocore(now_s=NOW_S + 301)),
    "another day's scope": (
        "InvalidSignatureException",
        with_authorization(GOOD, b"/20261124/", b"/20261123/"),
    ),
    "a header of AWS's that was added": (
        "InvalidSignatureException",
        [*GOOD, (b"x-amz-other", b"1")],
    ),
    "a host that is not signed": (
        "InvalidSignatureException",
        with_authorization(GOOD, b";host;", b";"),
    ),
    "a signed header that was changed": (
        "InvalidSignatureException",
        [*without(GOOD, b"content-type"), (b"Content-Type", b"text/plain")],
    ),
}


@pytest.mark.parametrize(("kind", "headers"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_turned_away(kind, headers):
    with pytest.raises(RefusedRequest) as refused:
        check(headers)

    assert (403, kind) == (refused.value.status, refused.value.kind)


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "GET"},
        {"target": TARGET + "&c=d"},
        {"target": TARGET.replace("%3A", ":")},
        {"body": BODY + b" "},
    ],
)
def test_a_signature_covers_the_whole_request(changed):
    with pytest.raises(RefusedRequest, match="does not match"):
        check(GOOD, **changed)
