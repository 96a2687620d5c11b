"""After a round: did the metered target charge exactly what it served, and let go of every hold?"""

import time
from dataclasses import asdict, dataclass

from native import Driven
from scenarios import PROMPT_TOKENS, Scenario, Size
from tollkeeper import Balance, Ledger, charge_ucr

# Settlements run in tasks of their own; none should be left this long after the last answer.
SETTLED_WITHIN_S = 5.0


@dataclass(slots=True)
class Tally:
    """What the driver received in full, and what that costs on the benchmark's card."""

    calls: int = 0
    charge_ucr: int = 0

    def add(self, scenario: Scenario, driven: Driven, size: Size) -> None:
        price_ucr = charge_ucr(
            input_tokens=PROMPT_TOKENS, output_tokens=scenario.output_tokens(size)
        )
        self.calls += driven.answered
        self.charge_ucr += driven.answered * price_ucr


def discrepancies(ledger: Ledger | None, tally: Tally) -> list[str]:
    """Differences between the ledger and the tally, in words; none without a ledger."""
    if ledger is None:
        return []
    balance = _settled(ledger)
    expected = Balance(charged_ucr=tally.charge_ucr, held_ucr=0, debt_ucr=0, running_calls=0)
    told, owed = asdict(balance), asdict(expected)
    return [
        f"ledger: {name} is {told[name]}, expected {owed[name]} after {tally.calls} calls"
        for name in owed
        if told[name] != owed[name]
    ]


def _settled(ledger: Ledger) -> Balance:
    """The balance once no hold is left, or as it is when that takes too long."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while (balance := ledger.balance()).running_calls and time.monotonic() < deadline:
        time.sleep(0.2)
    return balance
