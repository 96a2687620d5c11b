"""AWS's front door: whether a request is signed by whom it should be, and how it is turned away.

Types and texts of the refusals as AWS's services answer them: "Common Error Types" of the Amazon
Bedrock API reference (read 2026-11-24).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest

from gateway.dialects.aws_signing import ALGORITHM, AwsIdentity, signature
from gateway.simulator.chat import RefusedRequest

# Beyond this, a signature is too old, or the signer's clock is wrong.
SKEW = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^/, ]+)/(\d{{8}})/([^/, ]+)/([^/, ]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_MOMENT = "%Y%m%dT%H%M%SZ"

Headers = Sequence[tuple[bytes, bytes]]


def check_signature(
    identity: AwsIdentity, *, method: str, target: str, headers: Headers, body: bytes, now_s: float
) -> None:
    """Raises RefusedRequest unless `identity` signed this request within minutes of now."""
    values = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in headers}
    if "authorization" not in values:
        raise _refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    claimed = _AUTHORIZATION.fullmatch(values["authorization"])
    if claimed is None:
        raise _refused(
            "IncompleteSignatureException", "Authorization header requires other parameters."
        )
    key_id, day, region, service, names, proof = claimed.groups()
    token = values.get("x-amz-security-token")
    if (key_id, token) != (identity.access_key_id, identity.session_token):
        raise _refused(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    if (region, service) != (identity.region, identity.service):
        raise _invalid(f"Credential should be scoped to {identity.region}, {identity.service}.")
    moment = values.get("x-amz-date", "")
    _check_moment(moment, day=day, now_s=now_s)
    signed = names.split(";")
    unsigned = [name for name in values if name == "host" or name.startswith("x-amz-")]
    if missing := sorted(set(unsigned) - set(signed)):
        raise _invalid(f"Headers present in the request were not signed: {', '.join(missing)}")
    expected = signature(
        identity,
        method=method,
        target=target,
        headers=[field for field in headers if field[0].lower().decode("latin-1") in signed],
        body_sha256=sha256(body).hexdigest(),
        moment=moment,
    )
    if not compare_digest(expected, proof):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service "
            "documentation for details."
        )


def _check_moment(moment: str, *, day: str, now_s: float) -> None:
    try:
        signed_at = datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        raise _refused(
            "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'."
        ) from None
    now = datetime.fromtimestamp(now_s, UTC)
    if not moment.startswith(day):
        raise _invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version.")
    if abs(now - signed_at) > SKEW:
        raise _invalid(f"Signature expired: {moment} is now earlier than {now:{_MOMENT}}")


def _invalid(message: str) -> RefusedRequest:
    return _refused("InvalidSignatureException", message)


def _refused(kind: str, message: str) -> RefusedRequest:
    return RefusedRequest(message, status=403, kind=kind)
