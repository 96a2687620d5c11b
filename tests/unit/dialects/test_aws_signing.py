"""AWS's own published example, and botocore's signatures of many requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import aws_signing
from gateway.dialects.aws_signing import AwsIdentity, signing_headers

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
IDENTITY = AwsIdentity(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET, region="us-east-1")
HOST = "bedrock-runtime.us-east-1.amazonaws.com"
NOW_S = datetime(2026, 11, 24, 9, 30, 5, tzinfo=UTC).timestamp()


def signed(identity=IDENTITY, **request):
    fields = {
        "method": "POST",
        "target": "/",
        "headers": [(b"Host", HOST.encode())],
        "body_sha256": sha256(b"").hexdigest(),
        "now_s": NOW_S,
    } | request
    return dict(signing_headers(identity, **fields))


@contextmanager
def botocores_clock_at(now_s: float) -> Iterator[None]:
    with patch(
        "botocore.auth.get_current_datetime",
        lambda: datetime.fromtimestamp(now_s, UTC).replace(tzinfo=None),
    ):
        yield


def signed_by_botocore(identity, *, method, target, headers, body, now_s):
    """The fields that botocore adds to the request."""
    request = AWSRequest(method=method, url=f"https://{HOST}{target}", data=body)
    for name, value in headers:
        request.headers.add_header(name.decode(), value.decode())
    credentials = Credentials(
        identity.access_key_id, identity.secret_access_key, identity.session_token
    )
    with botocores_clock_at(now_s):
        SigV4Auth(credentials, identity.service, identity.region).add_auth(request)
    names = ("X-Amz-Date", "X-Amz-Security-Token", "Authorization")
    return {
        name.lower().encode(): request.headers[name].encode()
        for name in names
        if name in request.headers
    }


def test_the_published_example_has_its_published_signature():
    """`get-vanilla` of AWS's Signature Version 4 test suite."""
    identity = AwsIdentity(
        access_key_id="AKIDEXAMPLE",
        secret_access_key=SECRET,
        region="us-east-1",
        service="service",
    )

    added = signed(
        identity,
        method="GET",
        headers=[(b"Host", b"example.amazonaws.com")],
        now_s=datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp(),
    )

    assert {
        b"x-amz-date": b"20150830T123600Z",
        b"authorization": (
            b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            b"SignedHeaders=host;x-amz-date, "
            b"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        ),
    } == added


@pytest.mark.parametrize(
    "target",
    [
        "/model/anthropic.claude-sonnet-4-20250514-v1:0/invoke",
        "/model/anthropic.claude-sonnet-4-20250514-v1%3A0/invoke-with-response-stream",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic/invoke",
        "/model/arn:aws:bedrock:us-east-1:1:application-inference-profile%2Fabc/invoke",
        "/",
        "/a/b/",
        "//a///b",
        "/a/./b/../c",
        "/../..",
        "/a%20b/~user/(x)*!'",
        "/model/x/invoke?b=2&a=1&a=0&c&d=",
        "/model/x/invoke?a=%3A%2F&B=%C3%B6&_=~.-",
        "/größe",
    ],
)
def test_a_target_is_signed_as_botocore_signs_it(target):
    request = {"method": "POST", "target": target, "headers": [(b"Host", HOST.encode())]}

    assert signed_by_botocore(IDENTITY, **request, body=b"", now_s=NOW_S) == signed(**request)


def test_a_path_that_is_no_text_is_signed_by_its_bytes():
    assert signed(target="/\udcff")[b"authorization"] != signed(target="/")[b"authorization"]


SEGMENT = st.text("abcXYZ019-._~:@!$'()*+,;=", max_size=8) | st.sampled_from(
    ["%3A", "%2F", "%20", "%25", "..", ".", "", "v1:0", "anthropic.claude-opus-4-1%3A0"]
)
PARAMETER = st.tuples(
    st.text("abcAB09-._~%:", min_size=1, max_size=6), st.text("abc09=%2F:+", max_size=6)
)
HEADER = st.tuples(
    st.sampled_from([b"Content-Type", b"X-Amzn-Bedrock-Trace", b"accept", b"X-Amz-Other"]),
    st.text("abc XYZ/;=,", max_size=20).map(str.encode),
)
IDENTITIES = st.builds(
    AwsIdentity,
    access_key_id=st.text("ABCDEFGHIJ0123456789", min_size=16, max_size=20),
    secret_access_key=st.text("abcXYZ0189+/", min_size=20, max_size=40),
    session_token=st.none() | st.text("abcXYZ0189+/=", min_size=1, max_size=60),
    region=st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1"]),
    service=st.sampled_from(["bedrock", "sagemaker"]),
)


REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "PUT"]),
        "target": st.builds(
            lambda segments, parameters: "/" + "/".join(segments) + parameters,
            st.lists(SEGMENT, max_size=6),
            st.lists(PARAMETER, max_size=4).map(
                lambda pairs: "?" + "&".join(map("=".join, pairs)) if pairs else ""
            ),
        ),
        "headers": st.lists(HEADER, max_size=4).map(lambda more: [(b"Host", HOST.encode()), *more]),
        "now_s": st.integers(1_000_000_000, 4_000_000_000),
    }
)


@given(identity=IDENTITIES, asked=REQUESTS, body=st.binary(max_size=40))
def test_any_request_is_signed_as_botocore_signs_it(identity, asked, body):
    assert signed_by_botocore(identity, **asked, body=body) == signed(
        identity, **asked, body_sha256=sha256(body).hexdigest()
    )


def test_a_session_token_is_sent_and_signed():
    identity = AwsIdentity(
        access_key_id="ASIAEXAMPLE",
        secret_access_key=SECRET,
        session_token="token==",
        region="us-east-1",
    )

    added = signed(identity)

    assert b"token==" == added[b"x-amz-security-token"]
    assert b"SignedHeaders=host;x-amz-date;x-amz-security-token," in added[b"authorization"]


def test_the_key_is_derived_once_a_day():
    identity = AwsIdentity(access_key_id="AKIA1", secret_access_key=SECRET, region="eu-west-1")
    before = aws_signing._signing_key.cache_info()

    for now_s in (NOW_S, NOW_S + 3600, NOW_S + 86_400):
        signed(identity, now_s=now_s)

    after = aws_signing._signing_key.cache_info()
    assert (1, 2) == (after.hits - before.hits, after.misses - before.misses)


def test_an_identity_shows_no_secret():
    identity = AwsIdentity(
        access_key_id="AKIA1", secret_access_key=SECRET, session_token="token", region="x"
    )

    assert SECRET not in repr(identity)
    assert "token'" not in repr(identity)
