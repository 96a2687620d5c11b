"""Service keys: other programs of the operator's, which ask the API and never call a provider.

They stand in the configuration with their scopes. `ts_` sets them apart from virtual keys, so that
neither is ever taken for the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.metering.accounts import digest

PREFIX = "ts_"
PRESENTED_CHARS_MAX = 256


class ServiceScope(StrEnum):
    """What a service may do."""

    KEYS_READ = "keys:read"
    """Introspect, verify and list keys."""
    KEYS_WRITE = "keys:write"
    """Create, change, rotate and revoke keys."""
    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    GRANTS_WRITE = "grants:write"
    """Put credit in, void and correct it."""
    RESERVATIONS_WRITE = "reservations:write"
    """Hold and settle for calls outside the gateway; report usage measured elsewhere."""
    USAGE_READ = "usage:read"
    SINKS_READ = "sinks:read"
    SINKS_WRITE = "sinks:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    """Say where accounts, and the operator, are told of notices."""
    ADMIN = "admin"
    """Everything, at the admin listener; nothing at the callers'."""


@dataclass(frozen=True, slots=True)
class Service:
    service_id: str
    scopes: frozenset[ServiceScope]


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """`presented` is the whole key as the service sends it."""

    service: Service
    presented: str = field(repr=False)


class ServiceKeys:
    """Known by a keyed digest: what is compared says nothing about how much of a key is right."""

    def __init__(self, keys: Iterable[ServiceKey], *, pepper: bytes) -> None:
        self._pepper = pepper
        self._by_digest = {digest(pepper, key.presented): key.service for key in keys}

    def service(self, headers: Mapping[str, str]) -> Service | None:
        """Whose service key a request carries; None for anything but a valid one."""
        scheme, _, presented = headers.get("Authorization", "").strip().partition(" ")
        found = self.known(presented.strip()) if scheme.lower() == "bearer" else None
        return None if found is None else found[1]

    def known(self, presented: str) -> tuple[str, Service] | None:
        """The digest of a valid service key, and whose it is."""
        if not presented.startswith(PREFIX) or len(presented) > PRESENTED_CHARS_MAX:
            return None
        try:
            looked_up = digest(self._pepper, presented)
        except UnicodeEncodeError:
            return None
        service = self.holder(looked_up)
        return None if service is None else (looked_up, service)

    def holder(self, looked_up: str) -> Service | None:
        """Whose service key has that digest."""
        return self._by_digest.get(looked_up)
