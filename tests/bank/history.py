"""What happened, as each part of the bank test saw it. Times: this process's monotonic clock."""

from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic

from gateway.metering.balance import Balance


class Outcome(StrEnum):
    OK = "ok"
    """The whole answer came, and ended as an answer ends."""
    REFUSED = "refused"
    """By the gateway, before it asked anybody."""
    FAILED = "failed"
    """An error: the provider's, or the gateway's about it."""
    UNKNOWN = "unknown"
    """Broken off, by whomever."""


@dataclass
class Call:
    """One call as its client saw it. `words_s`: when each word arrived."""

    call_id: str
    account: str
    gateway: int
    began_s: float
    stream: bool
    outcome: Outcome = Outcome.UNKNOWN
    status: int = 0
    code: str = ""
    request_id: str = ""
    words_s: list[float] = field(default_factory=list)
    ended_s: float = 0.0


@dataclass
class Trouble:
    """A fault, from when to when. `gateway`: the one it happened to; None for what all share."""

    kind: str
    gateway: int | None
    began_s: float
    ended_s: float = float("inf")

    def overlaps(self, from_s: float, until_s: float) -> bool:
        return self.began_s <= until_s and from_s <= self.ended_s


KILLED = "gateway killed"
LOST = "primary lost"
# From their beginning to their end, the store answers a gateway nothing.
STOPPED = "store stopped"
AWAY_FOR_ONE = ("store line cut", "store line hangs")
# After these, a gateway may not have been able to tell the ledger anything.
SLOW = "store or machine slow"
STORE = (
    SLOW,
    "store killed",
    STOPPED,
    "failover",
    LOST,
    *AWAY_FOR_ONE,
    "store line slow",
    "answer lost",
)


@dataclass
class History:
    calls: list[Call] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    granted: dict[str, dict[str, int]] = field(default_factory=dict)
    """By account, the amount of each grant that was asked for."""
    snapshots: int = 0
    last: dict[str, Balance] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def begin(self, kind: str, gateway: int | None = None) -> Trouble:
        trouble = Trouble(kind, gateway, monotonic())
        self.troubles.append(trouble)
        return trouble

    def outages(self, gateway: int) -> list[Trouble]:
        """When the store, as this gateway saw it, was away and did not come back in between."""
        return [
            each
            for each in self.store_troubles(gateway)
            if each.kind == STOPPED or each.kind in AWAY_FOR_ONE
        ]

    def kills(self, gateway: int) -> list[Trouble]:
        return [each for each in self.troubles if each.kind == KILLED and each.gateway == gateway]

    def store_troubles(self, gateway: int) -> list[Trouble]:
        """Of the store, or of the line from this gateway to it."""
        return [
            each for each in self.troubles if each.kind in STORE and each.gateway in (None, gateway)
        ]
