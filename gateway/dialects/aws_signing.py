"""AWS Signature Version 4: the header fields that tell AWS who sends a request. Pure functions.

The signature covers method, path, query, header fields and the body's digest. The path is signed
as it stands on the wire, encoded once more: every service but S3 wants it so. Sources: AWS
"Signature Version 4 signing process, create a signed request" (read 2026-11-24); botocore 1.44,
`auth.py`, whose signatures the tests compare with ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from urllib.parse import quote_from_bytes

ALGORITHM = "AWS4-HMAC-SHA256"

Fields = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsIdentity:
    """Who asks which service in which region. `session_token`: of temporary credentials."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str
    service: str = "bedrock"


def signing_headers(
    identity: AwsIdentity,
    *,
    method: str,
    target: str,
    headers: Fields,
    body_sha256: str,
    now_s: float,
) -> list[tuple[bytes, bytes]]:
    """The fields to add to a request. `target`: its path and query as they go out;
    `body_sha256` in hexadecimal.

    `headers` are signed as well, so they must go out unchanged; Host must be among them. AWS
    takes a signature for five minutes around `now_s`.
    """
    moment = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [(b"x-amz-date", moment.encode())]
    if identity.session_token is not None:
        added.append((b"x-amz-security-token", identity.session_token.encode()))
    signed = [*headers, *added]
    proof = signature(
        identity,
        method=method,
        target=target,
        headers=signed,
        body_sha256=body_sha256,
        moment=moment,
    )
    authorization = (
        f"{ALGORITHM} Credential={identity.access_key_id}/{_scope(identity, moment)}, "
        f"SignedHeaders={b';'.join(_canonical(signed)).decode('latin-1')}, Signature={proof}"
    )
    return [*added, (b"authorization", authorization.encode("latin-1"))]


def signature(
    identity: AwsIdentity,
    *,
    method: str,
    target: str,
    headers: Fields,
    body_sha256: str,
    moment: str,
) -> str:
    """Over exactly these `headers`. `moment` as in X-Amz-Date, which is among them."""
    path, _, query = target.encode("utf-8", "surrogateescape").partition(b"?")
    canonical = _canonical(headers)
    request = b"\n".join(
        (
            method.encode(),
            _canonical_path(path),
            _canonical_query(query),
            *map(b":".join, canonical.items()),
            b"",
            b";".join(canonical),
            body_sha256.encode(),
        )
    )
    scope = _scope(identity, moment)
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(request).hexdigest()}"
    return digest(_signing_key(identity, moment[:8]), text.encode(), "sha256").hex()


def _scope(identity: AwsIdentity, moment: str) -> str:
    return f"{moment[:8]}/{identity.region}/{identity.service}/aws4_request"


# The same all day; around midnight a gateway's few identities have two days each.
@lru_cache(maxsize=64)
def _signing_key(identity: AwsIdentity, day: str) -> bytes:
    key = f"AWS4{identity.secret_access_key}".encode()
    for part in (day, identity.region, identity.service, "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key


def _canonical(headers: Fields) -> dict[bytes, bytes]:
    """Values by name in lower case, sorted; blanks reduced to one, repeated fields joined."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(b" ".join(value.split()))
    return {name: b",".join(values[name]) for name in sorted(values)}


def _canonical_path(path: bytes) -> bytes:
    """Dots and empty segments resolved, then encoded whatever is encoded already."""
    segments: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del segments[-1:]
        elif segment not in (b"", b"."):
            segments.append(segment)
    trailing = b"/" if segments and path.endswith(b"/") else b""
    return quote_from_bytes(b"/%b%b" % (b"/".join(segments), trailing), safe="/~").encode()


def _canonical_query(query: bytes) -> bytes:
    """The parameters as they are encoded, sorted, each with an equals sign."""
    if not query:
        return b""
    pairs = sorted(parameter.partition(b"=")[::2] for parameter in query.split(b"&"))
    return b"&".join(map(b"=".join, pairs))
