"""What a payment system tells, in our words; and the credit that its money buys."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import Protocol

from gateway.errors import BadCall

# Decimals of currencies that do not have two (ISO 4217; Stripe's "zero-decimal" and three-decimal
# currencies, read 2026-11: UGX has none and is still told in hundredths).
DECIMALS = {
    **dict.fromkeys(
        ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv"), 0
    ),
    **dict.fromkeys(("xaf", "xof", "xpf"), 0),
    **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3),
}
CENTS = 2


class Kind(StrEnum):
    STRIPE = "stripe"
    LAGO = "lago"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One payment system. `rates`: µcr for one unit of a currency (a dollar, not a cent), by its
    code in lower case."""

    name: str
    kind: Kind
    secrets: tuple[bytes, ...] = field(repr=False)
    """Any of them signs: a new one beside the old while it is being changed."""
    tolerance_s: int
    rates: Mapping[str, int]
    events: frozenset[str]
    """The types of events that count; all others are answered and ignored."""
    customers: str = ""
    """The name under which accounts have their `external` id at this system."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Customer → account, for those that have none."""
    expires_ms: int = 0
    """How long what is bought lasts; 0: for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that came, or (`refund`) the sum that went back so far. `payment_id` is the same for
    each event that tells of it."""

    payment_id: str
    money: Fraction
    """In whole units of the currency; exact."""
    currency: str
    account_id: str = ""
    """As our own metadata names it; empty without."""
    customer: str = ""
    refund: bool = False


class Reader(Protocol):
    def signed(
        self, source: Source, headers: Mapping[str, str], body: bytes, *, now_s: float
    ) -> bool:
        """`headers` by names in lower case."""
        ...

    def read(self, source: Source, event: Mapping[str, object]) -> Payment | None:
        """None for what brings no money. Raises BadCall for what is not as documented."""
        ...


def microcredits(payment: Payment, source: Source) -> int:
    """Rounded down: the sum of refunds, rounded alike, is never more than was given. Raises
    BadCall for a currency without a rate."""
    rate = source.rates.get(payment.currency)
    if rate is None:
        raise BadCall(
            f"There is no rate for the currency {payment.currency!r} under incoming.",
            code="currency_unknown",
        )
    return int(payment.money * rate)


def money_of(minor: int, currency: str) -> Fraction:
    """`minor`: in the currency's smallest unit."""
    return Fraction(minor, 10 ** DECIMALS.get(currency, CENTS))


def any_matches(signatures: Iterable[str], digests: Sequence[str]) -> bool:
    """In constant time for each pair."""
    return any(
        hmac.compare_digest(given.encode(), digest.encode())
        for given in signatures
        for digest in digests
    )


def hmac_sha256(secret: bytes, signed: bytes) -> bytes:
    return hmac.new(secret, signed, sha256).digest()


def part(document: Mapping[str, object], *names: str) -> Mapping[str, object]:
    """An object inside; empty where there is none."""
    found: object = document
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def text(document: Mapping[str, object], name: str) -> str:
    """Empty where there is none; the id of an expanded object."""
    value = document.get(name)
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def whole(document: Mapping[str, object], name: str) -> int:
    value = document.get(name)
    if type(value) is not int or value < 0:
        raise BadCall(f"{name}: expected a whole number of the smallest unit, 0 or more.")
    return value
