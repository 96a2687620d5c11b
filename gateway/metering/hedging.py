"""When a call is sent to a second upstream because the first has not begun to answer: hedging.

As in Dean and Barroso, "The Tail at Scale" (CACM 56-2, 2013): not at once, but after a time that
few calls take, so that few are sent twice. As in gRPC (proposal A6) the answer that comes first is
the call's and the other attempt is cut off; as there and in Envoy (`hedge_policy`, retry budgets) a
budget bounds what is sent besides, so that upstreams that are slow because they are overloaded are
not asked twice as much. Read 2026-11-27.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from gateway.metering.call import Call
from gateway.metering.failover import HTTP_ERRORS, AttemptEnd, FailoverPolicy
from gateway.values import call_value

KNOWN_MIN = 20
"""Fewer times say nothing of their percentiles: one in twenty is what lies beyond the 95th."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgePolicy:
    """`after_s`, `percentile`: at least one of them; with both, the longer time counts."""

    after_s: float | None = None
    percentile: float | None = None
    """Of the times that the upstream lately took to begin an answer."""
    budget_percent: float = 5.0
    """Of a model's calls so many may be sent a second time."""
    streams_only: bool = True
    """An answer that is not streamed begins when all of it is there: that it takes long says
    nothing of the upstream."""

    def applies(self, call: Call) -> bool:
        """Whether sending it twice does no more than using tokens twice. A call that begins a job,
        or lets the provider's own tools act on something, is never hedged; nor is one that creates
        or names what a provider keeps, but that has one upstream anyhow."""
        if call.deferred or call.others or call.many is not None or call.turns > 1:
            return False
        return call.stream or not self.streams_only

    def wait_s(self, known_s: Sequence[float]) -> float | None:
        """How long the first is waited for; None: too little is known. `known_s`: what it lately
        took, in ascending order."""
        if self.percentile is None:
            return self.after_s
        if len(known_s) < KNOWN_MIN:
            return None
        rank = ceil(len(known_s) * self.percentile / 100)
        return max(self.after_s or 0.0, known_s[min(rank, len(known_s)) - 1])


def decides(outcome: AttemptEnd, policy: FailoverPolicy) -> bool:
    """Whether what the upstream asked first came to is what the call comes to, though another is
    being asked. Its answer does, and so does what no other would answer better; where failover
    would ask another, that one is being asked already, and so it is where it gave no answer."""
    if not isinstance(outcome, int):
        return False
    return outcome < HTTP_ERRORS or outcome not in policy.retry_on


class HedgeEnd(StrEnum):
    """What became of an upstream that was asked besides another."""

    WON = "won"
    """Its answer was taken."""
    LOST = "lost"
    """The first one's was, and it was cut off."""
    FAILED = "failed"
    """It did not answer, or with an error."""
    CUT = "cut"
    """The call was given up while it was being asked: the client left, or a deadline passed."""


@call_value
class CutOff:
    """An upstream that had been sent the call as well, and was cut off before it began to answer.
    What it bills for that is in nobody's charge: the operator bears it."""

    provider: str
    model: str
    rate_id: str
    """The line of the rate card for the model there."""
