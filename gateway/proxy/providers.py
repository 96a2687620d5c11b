"""A provider as the data plane knows it: connections, and who we are to it."""

from dataclasses import dataclass, field

from gateway.proxy.credentials import Credential
from gateway.proxy.seams import SocketProvider, Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """`host` goes into the Host header; what `credential` answers replaces the caller's key."""

    name: str
    apis: tuple[str, ...]
    """Whose paths and formats it serves, by name."""
    upstream: Upstream
    sockets: SocketProvider
    host: bytes
    credential: Credential = field(repr=False)
    objects_by_account: bool = True
    """What is stored there belongs to the account that created it, not to all."""
