"""The Metering API for services written in Python: `async with Metering(url, key) as metering`.

Depends on aiohttp alone, and on nothing else of this package.
"""

from gateway.client.metering import Held, Metering
from gateway.client.values import (
    EventResult,
    Refused,
    Rejected,
    Settled,
    Unanswered,
    Usage,
    UsageEvent,
)

__all__ = [
    "EventResult",
    "Held",
    "Metering",
    "Refused",
    "Rejected",
    "Settled",
    "Unanswered",
    "Usage",
    "UsageEvent",
]
