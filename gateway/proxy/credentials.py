"""Who we are to a provider, told the way it wants: a fixed header, or a signature for each request.

Knows no configuration and no sockets.
"""

from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import ClassVar, Protocol

from gateway.dialects.aws_signing import AwsIdentity, signing_headers
from gateway.proxy.aside import aside
from gateway.proxy.seams import RawHeaders


class Credential(Protocol):
    @property
    def fixed(self) -> RawHeaders | None:
        """The fields, if they are the same for every request."""
        ...

    async def __call__(self, method: str, target: str, body: bytes, *, now_s: float) -> RawHeaders:
        """The fields to add to this request: always of the same names. `target` as an `Upstream`
        is asked for it."""
        ...


@dataclass(frozen=True, slots=True)
class FixedHeaders:
    """The same for every request."""

    fixed: RawHeaders = field(repr=False)

    async def __call__(self, method: str, target: str, body: bytes, *, now_s: float) -> RawHeaders:
        del method, target, body, now_s
        return self.fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSignature:
    """Made for each request. `host` as in its Host header; `path_prefix` comes before its path."""

    fixed: ClassVar[None] = None
    identity: AwsIdentity
    host: bytes
    path_prefix: str

    async def __call__(self, method: str, target: str, body: bytes, *, now_s: float) -> RawHeaders:
        body_sha256 = await aside(body, partial(_sha256, body))
        return signing_headers(
            self.identity,
            method=method,
            target=self.path_prefix + target,
            headers=((b"host", self.host),),
            body_sha256=body_sha256,
            now_s=now_s,
        )


def _sha256(body: bytes) -> str:
    return sha256(body).hexdigest()
