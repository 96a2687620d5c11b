"""Who the gateway is to a provider; what AWS is sent, botocore would have signed."""

import asyncio
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.dialects.aws_signing import AwsIdentity
from gateway.proxy import credentials
from gateway.proxy.aside import INLINE_BYTES_MAX
from gateway.proxy.credentials import AwsSignature, FixedHeaders

NOW_S = datetime(2026, 11, 24, 9, 30, 5, tzinfo=UTC).timestamp()
HOST = "gateway.internal:8443"
SIGNATURE = AwsSignature(
    identity=AwsIdentity(access_key_id="AKIA", secret_access_key="secret", region="eu-west-1"),
    host=HOST.encode(),
    path_prefix="/bedrock",
)


async def test_a_fixed_header_is_the_same_for_every_request():
    fixed = FixedHeaders(((b"x-api-key", b"secret"),))

    assert ((b"x-api-key", b"secret"),) == await fixed("POST", "/v1/a", b"1", now_s=1)
    assert "secret" not in repr(fixed)


@pytest.mark.parametrize("size", [0, 20, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1])
async def test_the_whole_request_is_signed_with_the_providers_own_path(size):
    body = b"x" * size
    target = "/model/anthropic.claude-v1%3A0/invoke?a=b"
    request = AWSRequest("POST", f"https://{HOST}/bedrock{target}", data=body)
    moment = datetime.fromtimestamp(NOW_S, UTC).replace(tzinfo=None)
    with patch("botocore.auth.get_current_datetime", lambda: moment):
        SigV4Auth(Credentials("AKIA", "secret"), "bedrock", "eu-west-1").add_auth(request)

    signed = dict(await SIGNATURE("POST", target, body, now_s=NOW_S))

    assert {
        b"x-amz-date": request.headers["X-Amz-Date"].encode(),
        b"authorization": request.headers["Authorization"].encode(),
    } == signed


async def test_a_large_body_does_not_hold_up_the_loop(monkeypatch):
    """Digested in a thread, so that other calls go on: here nobody waits on the loop for it."""
    loop = asyncio.get_running_loop()
    inside = []
    digest = credentials._sha256

    def watched(body):
        try:
            inside.append(asyncio.get_running_loop() is loop)
        except RuntimeError:
            inside.append(False)
        return digest(body)

    monkeypatch.setattr(credentials, "_sha256", watched)
    for size in (INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1):
        await SIGNATURE("POST", "/", b"x" * size, now_s=NOW_S)

    assert [True, False] == inside
