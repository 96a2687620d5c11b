"""Calls that came to nothing: refused here, or failed at their provider. No record tells of them,
since nothing was charged, so they are counted: by account, hour, reason, key and model.

A count is no money: what a process counted in its last seconds goes with it when it is killed.
A model is what the caller asked for, so there may be any number of them: where there are too many,
calls are counted by their reason alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gateway.metering.history import Dimension

PROVIDER_ERROR = "provider_error"
"""The provider answered with an error, which was passed on."""
FAILED = frozenset(
    {
        *(PROVIDER_ERROR, "upstream_failed", "upstream_busy", "upstream_timeout"),
        *("upstream_at_limit", "internal_error"),
    }
)
"""Reasons that are not the caller's to mend; all others are refusals."""
EVERYBODY = ""
"""The account under which the calls of all are counted."""
TALLIES_MAX = 20_000
"""What waits to be told apart, in one process: of what is new beyond, only the reasons are counted,
and beyond twice as much nothing. That happens while the store is away."""
MODEL_CHARS_MAX = 100


class Turned(NamedTuple):
    """Why, whose key, and which model was asked for; empty: not known, or not told apart."""

    reason: str
    key_id: str = ""
    model: str = ""


Counts = Mapping[Turned, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalSum:
    """`key_id` and `model` as in `Turned`."""

    bucket_ms: int
    reason: str
    key_id: str = ""
    model: str = ""
    count: int


def summed(
    sums: Sequence[RefusalSum],
    *,
    by: Collection[Dimension] = (),
    models: Collection[str] = (),
    keys: Collection[str] = (),
) -> Sequence[RefusalSum]:
    """By reason, and by the dimensions asked for; empty filters let all pass."""
    found: dict[RefusalSum, int] = {}
    for each in sums:
        if (models and each.model not in models) or (keys and each.key_id not in keys):
            continue
        alike = replace(
            each,
            key_id=each.key_id if Dimension.KEY in by else "",
            model=each.model if Dimension.MODEL in by else "",
            count=0,
        )
        found[alike] = found.get(alike, 0) + each.count
    return [replace(alike, count=count) for alike, count in found.items()]


@dataclass(slots=True)
class Tally:
    """What was counted and not yet taken, by account."""

    counts: dict[tuple[str, Turned], int] = field(default_factory=dict)

    def add(self, account_id: str, turned: Turned, count: int = 1) -> None:
        # As far as it can be written down: callers may ask for any text.
        model = turned.model[:MODEL_CHARS_MAX].encode(errors="replace").decode()
        named = account_id, turned._replace(model=model)
        plain = account_id, Turned(turned.reason)
        for key, most in ((named, TALLIES_MAX), (plain, 2 * TALLIES_MAX)):
            if key in self.counts or len(self.counts) < most:
                self.counts[key] = self.counts.get(key, 0) + count
                return

    def take(self) -> Mapping[str, Counts]:
        """By account, and of everybody together, without keys; from now on it counts anew."""
        taken: dict[str, dict[Turned, int]] = {}
        for (account_id, turned), count in self.counts.items():
            for whose, told in ((account_id, turned), (EVERYBODY, turned._replace(key_id=""))):
                of = taken.setdefault(whose, {})
                of[told] = of.get(told, 0) + count
        self.counts = {}
        return taken
