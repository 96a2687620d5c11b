"""Who calls and who pays: virtual keys, accounts, and what a presented key must look like.

Key: `tk_<key id>_<secret><checksum>`. The key id (12 characters) names the record, the secret
carries 196 bits (33 characters of letters and digits), the checksum (6) lets secret scanners and
us see a mistyped key without asking the store. Stored is only HMAC-SHA-256(pepper, whole key).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from gateway.errors import Forbidden
from gateway.metering.alerts import Alert
from gateway.metering.limits import Limit, Whose, effective_limits
from gateway.metering.plans import Plan
from gateway.values import small_value

KEY_PREFIX = "tk"
KEY_ID_CHARS = 12
# 62 symbols give 5.95 bits each: 33 characters are 196 bits.
SECRET_CHARS = 33
CHECKSUM_CHARS = 6
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_PATTERN = re.compile(
    rf"tk_([0-9A-Za-z]{{{KEY_ID_CHARS}}})_([0-9A-Za-z]{{{SECRET_CHARS}}})([0-9A-Za-z]{{{CHECKSUM_CHARS}}})"
)


# Of HMAC-SHA-256 (RFC 2104).
BLOCK_BYTES = 64
INNER, OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
NAME_PATTERN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


class Status(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    account_id: str
    plan: str
    status: Status = Status.ACTIVE
    name: str = ""
    created_ms: int = 0
    external: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Who it is at billing systems: the system's name → the customer's or subscription's id."""
    anchor_ms: int = 0
    """When its own periods begin, for plans that go by it; 0: when it was created."""
    since_ms: int = 0
    """On its plan since; 0: since it was created."""
    former_plan: str = ""
    """The one before, if there was one."""
    alerts: tuple[Alert, ...] | None = None
    """In place of the plan's."""

    def moved(self, plan: str, now_ms: int) -> "Account":
        """On that plan from now on, if it is not already."""
        if plan == self.plan:
            return self
        return replace(self, plan=plan, former_plan=self.plan, since_ms=now_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A part of an account, with limits for all its keys together. Its credit is the account's."""

    project_id: str
    """Unique within the account."""
    account_id: str
    name: str = ""
    status: Status = Status.ACTIVE
    limits: tuple[Limit, ...] = ()
    created_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualKey:
    """A stored key: everything but the secret. Times in ms of the ledger's clock; 0 = never."""

    key_id: str
    account_id: str
    digest: str
    project_id: str = ""
    status: Status = Status.ACTIVE
    name: str = ""
    models: tuple[str, ...] = ()
    """Globs; empty means whatever the plan allows."""
    limits: tuple[Limit, ...] = ()
    created_ms: int = 0
    expires_ms: int = 0
    manages: bool = False
    """It may manage the keys of its account: the account's own key, so to speak."""
    source: str = "command"
    """`config` for keys declared in YAML: those vanish when the declaration does."""


@small_value
class Caller:
    """An authenticated request: all later attribution comes from here, never from the body."""

    key: VirtualKey
    account: Account
    plan: Plan
    project: Project | None = None

    @property
    def limits(self) -> tuple[Limit, ...]:
        return limits_of(self.plan, self.project, self.key)

    def check_active(self) -> None:
        """Raises Forbidden for a project that was stopped; keys and accounts the ledger checks."""
        if self.project is not None and self.project.status is not Status.ACTIVE:
            raise project_inactive()

    @property
    def whose(self) -> Whose:
        project_id = self.project.project_id if self.project else ""
        return Whose(self.account.account_id, project_id, self.key.key_id)


def project_inactive() -> Forbidden:
    return Forbidden(
        "The project of this key is not active. Ask its owner or the operator to reactivate it.",
        code="project_inactive",
        should_retry=False,
    )


def limits_of(plan: Plan, project: Project | None, key: VirtualKey | None) -> tuple[Limit, ...]:
    """All that a call of that key is held to."""
    own = (project.limits if project else (), key.limits if key else ())
    return effective_limits(plan.limits, *own)


def format_key(key_id: str, secret: str) -> str:
    """Assemble a key from random parts of the right length, drawn by the caller."""
    return f"{KEY_PREFIX}_{key_id}_{secret}{checksum(key_id, secret)}"


def checksum(key_id: str, secret: str) -> str:
    """Six symbols over the key id and the secret; public, so it proves nothing but typing."""
    number = int.from_bytes(hashlib.sha256(f"{key_id}_{secret}".encode()).digest()[:8])
    symbols = []
    for _ in range(CHECKSUM_CHARS):
        number, index = divmod(number, len(ALPHABET))
        symbols.append(ALPHABET[index])
    return "".join(symbols)


def well_formed(presented: str) -> bool:
    """Length, alphabet and checksum are right; says nothing about whether the key exists."""
    match = KEY_PATTERN.fullmatch(presented)
    return match is not None and checksum(match[1], match[2]) == match[3]


def digest(pepper: bytes, presented: str) -> str:
    """What is stored and looked up: keyed, so a stolen database alone opens nothing.

    Raises UnicodeEncodeError for a lone surrogate, which no key of ours has.
    """
    # OpenSSL's own way takes ten times as long: it fetches the algorithm and sets up the key anew.
    keyed_inner, keyed_outer = _keyed(pepper)
    inner, outer = keyed_inner.copy(), keyed_outer.copy()
    inner.update(presented.encode())
    outer.update(inner.digest())
    return outer.hexdigest()


@lru_cache(maxsize=8)
def _keyed(pepper: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """Both hashes, with the key in them."""
    key = hashlib.sha256(pepper).digest() if len(pepper) > BLOCK_BYTES else pepper
    key = key.ljust(BLOCK_BYTES, b"\0")
    return hashlib.sha256(key.translate(INNER)), hashlib.sha256(key.translate(OUTER))


def valid_name(name: str) -> bool:
    """What accounts and grants may be called: it becomes part of store keys and of URLs."""
    return NAME_PATTERN.fullmatch(name) is not None
