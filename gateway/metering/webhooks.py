"""Where an account's owner, or the operator, is told of notices, and how patiently.

The secret of an endpoint is derived, not stored: whoever reads the store cannot sign. A new
generation makes a new secret; the one before goes on signing beside it for a while.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.metering.happenings import type_of
from gateway.metering.journal import Entry
from gateway.metering.notices import NoticeKind

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
TYPES = (
    *(kind.value for kind in NoticeKind),
    *("grant.created", "grant.voided", "balance.corrected", "hold.expired"),
)
"""What an endpoint can be told of."""
ENDPOINTS_MAX = 10
"""Of one account, and of the operator."""
PAUSES_S = (5, 30, 120, 600, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600)
"""After each attempt that failed; the message is given up after the last, about a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`types`: what it is told of; none: all. `account_id` "": it is told of what concerns none.

    `previous_until_ms`: how long the generation before signs as well. `disabled`: why nothing is
    sent, empty as long as it is.
    """

    endpoint_id: str
    account_id: str
    url: str
    types: tuple[str, ...] = ()
    generation: int = 1
    previous_until_ms: int = 0
    created_ms: int = 0
    disabled: str = ""

    def wants(self, entry: Entry) -> bool:
        """Whether it is told of it: of what happened to its account since it is there."""
        if entry.account_id != self.account_id or self.disabled:
            return False
        return entry.time_ms >= self.created_ms and type_of(entry.kind) in (self.types or TYPES)

    def rotated(self, until_ms: int) -> "Endpoint":
        """With a new secret; until then the one before signs as well."""
        return replace(self, generation=self.generation + 1, previous_until_ms=until_ms)

    def secrets(self, pepper: bytes, now_ms: int) -> tuple[bytes, ...]:
        """Those that sign now, the newest first."""
        newest = secret(pepper, self.endpoint_id, self.generation)
        if now_ms >= self.previous_until_ms:
            return (newest,)
        return newest, secret(pepper, self.endpoint_id, self.generation - 1)


def secret(pepper: bytes, endpoint_id: str, generation: int) -> bytes:
    return hmac.digest(pepper, f"webhook {endpoint_id} {generation}".encode(), "sha256")


def secret_text(key: bytes) -> str:
    """As Standard Webhooks write it, and receivers' libraries read it."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def told_by_webhook(entry: Entry) -> bool:
    return type_of(entry.kind) in TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A notice on its way to one endpoint. `message_id` is the same at each attempt."""

    message_id: str
    endpoint_id: str
    document: Mapping[str, object]
    attempts: int = 0
    last_error: str = ""
    died_ms: int = 0
    """0: it is on its way."""


def pause_ms(attempts: int) -> int | None:
    """How long to wait after so many attempts; None: no more."""
    return PAUSES_S[attempts - 1] * 1000 if attempts <= len(PAUSES_S) else None
