"""Stories about one account, a line per operation, told to any ledger.

    do          id  amount | says           free  held  debt  charged

`do` is an operation, with `/soft` (overdraft up to 100), `/observe` or `/brief` (a lease that
has run out already). `extend` counts its sequence up itself and books `amount` as checkpoint;
`keep` books it too, for a job that is named as the hold is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from support import asks

from gateway.metering.ledger import AlreadyEnded, Grant, Refused

OVERDRAFT_UCR = 100


@dataclass
class Story:
    """Tells a table to a ledger and writes down what came of it."""

    ledger: Any
    sequences: dict[str, int] = field(default_factory=dict)

    async def tell(self, table: str) -> str:
        """The table again, with what the ledger answered: equal if all is well."""
        lines = [line for line in table.splitlines() if line.strip()]
        return "\n" + "\n".join([lines[0], *[await self._line(line) for line in lines[1:]]]) + "\n"

    async def _line(self, line: str) -> str:
        asked, _, _ = line.partition("|")
        operation, name, amount = asked.split()
        verb, _, manner = operation.partition("/")
        answer = await _now(self._ask(verb, manner, name, 0 if amount == "-" else int(amount)))
        balance = await _now(self.ledger.balance(asks.ACCOUNT))
        figures = (balance.available_ucr, balance.held_ucr + balance.overdraft_held_ucr)
        figures += (balance.debt_ucr, balance.charged_ucr)
        return f"{asked}| {_says(answer):<16}" + "".join(f"{figure:>6}" for figure in figures)

    def _ask(self, verb: str, manner: str, name: str, amount: int) -> Any:
        ledger = self.ledger
        overdraft, observe = OVERDRAFT_UCR * (manner == "soft"), manner == "observe"
        verbs: dict[str, Callable[[], Any]] = {
            "grant": lambda: ledger.grant(
                Grant(grant_id=name, account_id=asks.ACCOUNT, amount_ucr=amount)
            ),
            "reserve": lambda: ledger.reserve(
                asks.reserve(
                    ledger,
                    name,
                    amount,
                    lease_ms=0 if manner == "brief" else asks.LEASE_MS,
                    overdraft_ucr=overdraft,
                    observe=observe,
                )
            ),
            "extend": lambda: ledger.extend(
                asks.extend(
                    name,
                    self._next(name),
                    amount,
                    charge_ucr=amount,
                    lease_ms=0 if manner == "brief" else asks.LEASE_MS,
                    overdraft_ucr=overdraft,
                    observe=observe,
                )
            ),
            "keep": lambda: ledger.keep(
                asks.keep(
                    name, amount, job=name, lease_ms=0 if manner == "brief" else asks.LEASE_MS
                )
            ),
            "settle": lambda: ledger.settle(asks.settle(name, amount, observe=observe, job=name)),
            "release": lambda: ledger.release(asks.release(name, job=name)),
            "expire": ledger.expire_holds,
        }
        return verbs[verb]()

    def _next(self, name: str) -> int:
        self.sequences[name] = self.sequences.get(name, 0) + 1
        return self.sequences[name]


async def _now(answer: Any) -> Any:
    return await answer if isawaitable(answer) else answer


def _says(answer: Any) -> str:
    match answer:
        case int():
            return f"ended {answer}"
        case Refused():
            return f"refused {answer.reason}"
        case AlreadyEnded():
            return f"already {answer.ending}"
    late = " late" if getattr(answer, "late", False) else ""
    again = " again" if getattr(answer, "repeated", False) else ""
    return type(answer).__name__.lower() + late + again
