"""What the attempts of all calls share: who may be asked, how each is doing, by which rules."""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.metering.failover import AttemptEnd, FailoverPolicy
from gateway.metering.hedging import HedgeEnd
from gateway.proxy.health import Health
from gateway.proxy.hedging import Hedging
from gateway.proxy.rules import Rules
from gateway.proxy.trace import Trace
from gateway.tasks import TaskSet
from gateway.tokens.base import TokenCounter


class Told(Protocol):
    """Who observes attempts."""

    def gone_on(self, trace: Trace, outcome: AttemptEnd) -> None:
        """The attempt at the trace's provider came to this, and another upstream is asked."""
        ...

    def hedged(self, provider: str, end: HedgeEnd) -> None:
        """This provider had been asked besides another, and came to that."""
        ...

    def hedge_withheld(self) -> None:
        """Nobody was asked besides: the budget is used up."""
        ...


class Upstreams:
    def __init__(
        self,
        rules: Rules,
        *,
        healths: Mapping[str, Health],
        policy: FailoverPolicy,
        hedgings: Mapping[int, Hedging],
        counter: TokenCounter,
        now_ms: Callable[[], int],
        draw: Callable[[], float],
        tasks: TaskSet,
        told: Told,
    ) -> None:
        """`healths`: by provider. `hedgings`: by the number of a model's entry. `now_ms`: the
        ledger's clock. `draw`: uniform in [0, 1)."""
        self.rules = rules
        self.healths = healths
        self.policy = policy
        self.hedgings = hedgings
        self.counter = counter
        self.now_ms = now_ms
        self.draw = draw
        self.tasks = tasks
        self.told = told
