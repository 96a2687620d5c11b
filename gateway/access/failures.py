"""Wrong keys, counted by the address they came from: who keeps failing is told to stop asking.

A valid key is looked up and served whatever its address did: behind one proxy or office many
callers share an address, and one client with a dead key must not lock the others out. What is
limited is what failing gets: beyond the bound the answer is 429 until the minute is over, which
dashboards and alerts see. Guessing is prevented by a key's 196 bits, not by this.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from time import monotonic

from gateway.errors import GatewayError, QuotaExceeded, Unauthenticated
from gateway.metering.admission import INVALID_KEY

FAILURES_MAX = 60
WINDOW_S = 60.0
# Strangers choose how many there are: the oldest is forgotten for the newest.
ADDRESSES_MAX = 10_000
# What one subscriber is given of IPv6; a single address of it costs nothing.
IPV6_HOST_BITS = 64


class Failures:
    """Of one worker."""

    def __init__(self, *, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def refusal(self, address: str) -> GatewayError:
        """What a wrong key from there is answered with. Counts it."""
        name, now_s = _whose(address), self._now_s()
        until_s, count = self._windows.get(name, (0.0, 0))
        if now_s >= until_s:
            self._windows.pop(name, None)
            until_s, count = now_s + WINDOW_S, 0
        self._windows[name] = until_s, count + 1
        if len(self._windows) > ADDRESSES_MAX:
            self._windows.popitem(last=False)
        if count < FAILURES_MAX:
            return Unauthenticated(INVALID_KEY)
        return QuotaExceeded(
            "Too many wrong keys came from this address. Send a valid one: it works at once.",
            code="too_many_attempts",
            retry_after_s=until_s - now_s,
            should_retry=False,
        )


def _whose(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or int(parsed) >> IPV6_HOST_BITS)
