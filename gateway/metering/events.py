"""The usage event: one per settlement, written by the ledger in the same atomic step."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import TypeVar, cast

from gateway.metering.hedging import CutOff
from gateway.metering.usage import Provenance, TokenClass, Usage, make_usage
from gateway.values import call_value


class End(StrEnum):
    """How a call ended, as stored and logged."""

    COMPLETED = "completed"
    CLIENT_LEFT = "client_left"
    UPSTREAM_FAILED = "upstream_failed"
    CUT_BY_QUOTA = "cut_by_quota"
    CUT_BY_SHUTDOWN = "cut_by_shutdown"
    HOLD_EXPIRED = "hold_expired"
    CANCELLED = "cancelled"
    """A job, by its owner, before it was done."""


@call_value
class UsageEvent:
    """One call's usage and price. Carries ids and numbers, never a key, prompt or answer.

    `event_id` is the request id, from the edge to every sink. Times are ms of the ledger's clock.
    """

    event_id: str
    account_id: str
    key_id: str
    provider: str
    dialect: str
    model_requested: str
    model: str
    rate_version: str
    started_ms: int
    rate_id: str = ""
    """The line of the rate card that priced it, by its digest."""
    stream: bool = False
    usage: Usage = field(default_factory=Usage)
    provenance: Provenance = Provenance.COUNTED
    end: End = End.COMPLETED
    http_status: int = 200
    held_ucr: int = 0
    charge_ucr: int = 0
    ttfb_ms: int = 0
    duration_ms: int = 0
    attempts: int = 1
    """Providers that were asked until one served it."""
    cut_off: CutOff | None = None
    """Whom it had been sent to as well."""
    unmapped: Mapping[str, int | float] = field(default_factory=dict, hash=False)
    """Numbers of the provider's usage that no mapping table names, by dotted path; not charged."""


_CLASSES = frozenset(token_class.value for token_class in TokenClass)


def usage_in(event: Mapping[str, object]) -> Usage:
    """Of an event as it was stored; nothing of what is not as we write it."""
    content = event.get("usage")
    told: Mapping[str, object] = content if isinstance(content, dict) else {}
    tokens = {
        name: count for name, count in told.items() if name in _CLASSES and isinstance(count, int)
    }
    pieces = told.get("pieces")
    return make_usage(
        **tokens,
        pieces=tuple((str(name), int(count)) for name, count in pieces)
        if isinstance(pieces, list)
        else (),
        service_tier=text_in(told, "service_tier"),
    )


def text_in(event: Mapping[str, object], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""


Kind = TypeVar("Kind", str, int)


def all_in(event: Mapping[str, object], names: Sequence[str], otherwise: Kind) -> tuple[Kind, ...]:
    """What stands under these names; `otherwise` for what is not of its kind."""
    kind = type(otherwise)
    values = tuple(map(event.get, names))
    if set(map(type, values)) == {kind}:
        return cast("tuple[Kind, ...]", values)
    return tuple([value if isinstance(value, kind) else otherwise for value in values])


def integer_in(event: Mapping[str, object], name: str) -> int:
    value = event.get(name)
    return value if isinstance(value, int) else 0
