"""Who calls and who pays: virtual keys, accounts, and what a presented key must look like.

Key: `tk_<key id>_<secret><checksum>`. The key id (12 characters) names the record, the secret
carries 196 bits (33 characters of letters and digits), the checksum (6) lets secret scanners and
us see a mistyped key without asking the store. Stored is only HMAC-SHA-256(pepper, whole key).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from gateway.metering.limits import Limit
from gateway.metering.plans import Plan

KEY_PREFIX = "tk"
KEY_ID_CHARS = 12
# 62 symbols give 5.95 bits each: 33 characters are 196 bits.
SECRET_CHARS = 33
CHECKSUM_CHARS = 6
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_PATTERN = re.compile(
    rf"tk_([0-9A-Za-z]{{{KEY_ID_CHARS}}})_([0-9A-Za-z]{{{SECRET_CHARS}}})([0-9A-Za-z]{{{CHECKSUM_CHARS}}})"
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualKey:
    """A stored key: everything but the secret. Times in ms of the ledger's clock; 0 = never."""

    key_id: str
    account_id: str
    digest: str
    status: Status = Status.ACTIVE
    name: str = ""
    models: tuple[str, ...] = ()
    """Globs; empty means whatever the plan allows."""
    limits: tuple[Limit, ...] = ()
    created_ms: int = 0
    expires_ms: int = 0
    source: str = "command"
    """`config` for keys declared in YAML: those vanish when the declaration does."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request: all later attribution comes from here, never from the body."""

    key: VirtualKey
    account: Account
    plan: Plan


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
    keyed = _keyed(pepper).copy()
    keyed.update(presented.encode())
    return keyed.hexdigest()


@lru_cache(maxsize=4)
def _keyed(pepper: bytes) -> hmac.HMAC:
    """HMAC-SHA-256 with the pepper taken in: the half of the work that is always the same."""
    return hmac.new(pepper, digestmod="sha256")


def valid_name(name: str) -> bool:
    """What accounts and grants may be called: it becomes part of store keys and of URLs."""
    return NAME_PATTERN.fullmatch(name) is not None
