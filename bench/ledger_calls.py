"""The calls that the ledger's benchmark asks for, whole and encoded. Knows no server."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.metering.events import UsageEvent
from gateway.metering.ledger import Grant, Reserve, Settle
from gateway.metering.limits import (
    Charge,
    Limit,
    Need,
    Scope,
    Unit,
    Whose,
    Window,
    amounts_of,
    charges_for,
)
from gateway.metering.usage import Usage
from gateway.stores.redis import encode_holds
from gateway.stores.redis.lua import CALLS
from gateway.stores.redis.operations import TOGETHER_MAX, Operation, together

ACCOUNTS = 16
# Of calls: 256 at once fit five times.
CHUNK = 1_280
# The ledger believes a caller's clock within a second: encoded a little ahead, there is more time.
AHEAD_MS = 700
KEY = "k7f3a9c2d1e4b860"
RICH = 10**12
# Far above what is asked for: nothing is refused.
CEILING = 10**12
LIMITS = (
    Limit(unit=Unit.REQUESTS, window=Window.MINUTE, ceiling=CEILING),
    Limit(unit=Unit.TOKENS, window=Window.MINUTE, ceiling=CEILING),
    Limit(unit=Unit.CALLS, ceiling=CEILING),
    Limit(unit=Unit.MICROCREDITS, window=Window.DAY, ceiling=CEILING),
    Limit(unit=Unit.MICROCREDITS, window=Window.MONTH, ceiling=CEILING),
    Limit(unit=Unit.TOKENS, window=Window.DAY, ceiling=CEILING),
    Limit(unit=Unit.REQUESTS, window=Window.MINUTE, ceiling=CEILING, scope=Scope.KEY),
    Limit(unit=Unit.MICROCREDITS, window=Window.DAY, ceiling=CEILING, scope=Scope.KEY),
)


CHARGE_UCR = 1_234
NEED = Need(least_ucr=5_000, full_ucr=9_000, least_tokens=900, full_tokens=2_000)


def _hold_id(number: int) -> str:
    return f"req_{number:024x}"


def account_id(number: int) -> str:
    return f"account-{number % ACCOUNTS:04d}"


@dataclass(frozen=True)
class Scenario:
    """Accounts with so many live grants, calls with so many limits."""

    grant_count: int
    limit_count: int

    @property
    def name(self) -> str:
        return f"{self.grant_count} | {self.limit_count}"

    def grants(self, account: str) -> Iterator[Grant]:
        for number in range(self.grant_count):
            yield Grant(grant_id=f"grant-{number:04d}", account_id=account, amount_ucr=RICH)

    def reserve(self, number: int, now_ms: int) -> Reserve:
        return Reserve(
            hold_id=_hold_id(number),
            account_id=account_id(number),
            key_id=KEY,
            least_ucr=NEED.least_ucr,
            full_ucr=NEED.full_ucr,
            charges=self._charges(number, now_ms),
            lease_ms=60_000,
            now_ms=now_ms,
        )

    def settle(self, number: int, now_ms: int) -> Settle:
        charges = self._charges(number, now_ms)
        event = UsageEvent(
            event_id=_hold_id(number),
            account_id=account_id(number),
            key_id=KEY,
            provider="openai",
            dialect="openai_chat",
            model_requested="gpt-5-mini",
            model="gpt-5-mini-2025-08-07",
            rate_version="2026-11-01.1",
            rate_id="0f3c9a1be2d47856",
            started_ms=now_ms,
            usage=Usage(input_uncached=700, output_text=400),
            held_ucr=NEED.full_ucr,
            charge_ucr=CHARGE_UCR,
        )
        return Settle(
            hold_id=event.event_id,
            account_id=event.account_id,
            charges=charges,
            amounts=amounts_of(charges, charge_ucr=CHARGE_UCR, tokens=1_100),
            event=event,
        )

    def _charges(self, number: int, now_ms: int) -> tuple[Charge, ...]:
        limits, account = LIMITS[: self.limit_count], account_id(number)
        return charges_for(limits, NEED, whose=Whose(account, key_id=KEY), now_ms=now_ms)


class Calls:
    """So many of them, encoded beforehand: asking costs next to nothing. The reserves come last,
    as the ledger believes them for a second only."""

    def __init__(self, scenario: Scenario, numbers: range, now_ms: Callable[[], int]) -> None:
        self._count = len(numbers)
        self.settles = [
            encode_holds.settle(scenario.settle(number, now_ms())) for number in numbers
        ]
        at_ms = now_ms() + AHEAD_MS
        self.reserves = [
            encode_holds.reserve(scenario.reserve(number, at_ms)) for number in numbers
        ]

    def waves(self, size: int, connections: int) -> Iterator[tuple[list[bytes], bytes]]:
        """For each connection a wave of reserves, then for each its settles, and so on; as a
        gateway sends them that is asked for a wave in one moment."""
        for first in range(0, self._count, connections * size):
            for operations, expected in ((self.reserves, b"r"), (self.settles, b"s")):
                for start in range(first, first + connections * size, size):
                    wave = operations[start : start + size]
                    yield scripts(wave, min(size, TOGETHER_MAX)), expected


def scripts(operations: Sequence[Operation], together_count: int) -> list[bytes]:
    """Calls of the script, each of so many operations."""
    parts = range(0, len(operations), together_count)
    return [_script(operations[first : first + together_count]) for first in parts]


def _script(operations: Sequence[Operation]) -> bytes:
    count, parts = together(operations)
    return b"*%d\r\n%b%b" % (count + 2, CALLS.by_digest, parts)
