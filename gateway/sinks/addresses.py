"""Which addresses a webhook may go to: public ones, and those the configuration allows.

The name is resolved here, each address judged, and the connection made to one that passed: there
is no second look-up in between that could answer differently. aiohttp asks a resolver for names
only; an address written into the URL is judged when the sink is opened.
"""

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = tuple[Network, ...]
# Prefixes whose addresses carry an IPv4 address: NAT64, 6to4.
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def permitted(address: str, allow: Sequence[Network]) -> bool:
    """Whether that is an address of the public internet, or one of the allowed."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return permitted(str(inner), allow)
    if any(ip.version == network.version and ip in network for network in allow):
        return True
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def permitted_literal(url: str, allow: Sequence[Network]) -> bool:
    """False for a URL with an address in it that is not permitted; names are for the resolver."""
    host = urlsplit(url).hostname or ""
    try:
        return permitted(host, allow)
    except ValueError:
        return True


class GuardedResolver(AbstractResolver):
    """Resolves to permitted addresses only; a name that has none is not found."""

    def __init__(self, allow: Networks) -> None:
        self._allow = allow
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        good = [result for result in found if permitted(result["host"], self._allow)]
        if not good:
            raise OSError("the name leads to no address that webhooks may go to")
        return good

    async def close(self) -> None:
        await self._inner.close()
