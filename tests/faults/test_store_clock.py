"""The store's own clock jumps over the end of a period, and back: no credit comes or goes by it.

The server runs under libfaketime and takes the time from a file (Valkey: Redis's allocator does not
start there). Workers keep the time they had, hear of the jump in an answer, and ask again.
"""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bank.world import shifted
from support import asks
from support.audit import audit_account
from support.redis_server import Server

from gateway.metering.ledger import (
    AlreadyEnded,
    ClockSkewed,
    Grant,
    GrantKind,
    Refused,
    Reserved,
    Settled,
)
from gateway.metering.limits import Charge, Limit, Need, Unit, Whose, Window, charges_for
from gateway.metering.periods import DAY_MS
from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.ledger import RedisLedger
from gateway.tasks import TaskSet

HOUR_MS = 3_600_000
LEASE_MS = 30_000
ONE_A_DAY = Limit(unit=Unit.REQUESTS, ceiling=1, window=Window.DAY)


class Shifted:
    """A server whose clock is as far from this machine's as a file says."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._shift_s = 0
        self._write()
        environ = {**shifted(self._file), "FAKETIME_NO_CACHE": "1"}
        self.server = Server("valkey", environ=environ)

    def _write(self) -> None:
        # Written beside and moved: nobody reads half of it.
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{self._shift_s:+d}\n")
        beside.replace(self._file)

    def jump(self, ms: int) -> None:
        """Returns when the server goes by it."""
        before_s = self._time_s()
        self._shift_s += ms // 1000
        self._write()
        deadline_s = time.monotonic() + 10
        while abs(self._time_s() - before_s) < HOUR_MS // 1000:
            assert time.monotonic() < deadline_s, "the server's clock does not follow"
            time.sleep(0.01)

    def _time_s(self) -> int:
        return int(self.server.ask("TIME").split(b"\r\n")[2])


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Shifted]:
    shifted = Shifted(tmp_path)
    shifted.server.start()
    yield shifted
    shifted.server.stop()


@pytest.fixture
async def ledger(clock: Shifted) -> AsyncIterator[RedisLedger]:
    """With an allowance that ends in an hour, the next one made, and what was bought."""
    tasks = TaskSet()
    client = RedisClient(clock.server.url, tasks=tasks, timeout_s=5.0)
    await client.open()
    ledger = RedisLedger(client)
    await ledger.open()
    now_ms = ledger.now_ms()
    turn, later = now_ms + HOUR_MS, now_ms + 9 * DAY_MS
    allowance = {"kind": GrantKind.ALLOWANCE, "priority": 10}
    for name, ucr, times in (
        ("allowance:1", 1_000, {"effective_ms": 0, "expires_ms": turn, **allowance}),
        (
            "allowance:2",
            1_000,
            {"effective_ms": turn, "expires_ms": later, **allowance},
        ),
        ("bought", 5_000, {}),
    ):
        grant = Grant(grant_id=name, account_id=asks.ACCOUNT, amount_ucr=ucr, **times)
        await ledger.grant(grant)
    yield ledger
    await client.close()
    await tasks.cancel()


def once_a_day(ledger: RedisLedger) -> tuple[Charge, ...]:
    need, whose = Need(0, 0, 0, 0), Whose(asks.ACCOUNT)
    return charges_for((ONE_A_DAY,), need, whose=whose, now_ms=ledger.now_ms())


async def reserved(ledger: RedisLedger, name: str) -> Reserved | Refused:
    """As admission asks: told that its clock is off, it computes its windows anew."""
    for _ in range(3):
        ask = asks.reserve(ledger, name, 300, charges=once_a_day(ledger), lease_ms=LEASE_MS)
        answer = await ledger.reserve(ask)
        if not isinstance(answer, ClockSkewed):
            assert isinstance(answer, (Reserved, Refused))
            return answer
    raise AssertionError("the clock is not steady")


async def left(ledger: RedisLedger) -> dict[str, int]:
    balance = await ledger.balance(asks.ACCOUNT)
    assert 0 == balance.debt_ucr
    return {grant.grant_id: grant.remaining_ucr for grant in balance.grants}


async def lapsed(ledger: RedisLedger) -> list[str]:
    events = await ledger.events(asks.ACCOUNT)
    return [entry.operation_id for entry in events if entry.kind == "grant_expired"]


async def test_forward_over_the_end_of_a_period(ledger: RedisLedger, clock: Shifted) -> None:
    assert isinstance(await reserved(ledger, "running"), Reserved)
    assert isinstance(await reserved(ledger, "second"), Refused)
    clock.jump(DAY_MS)

    assert isinstance(await reserved(ledger, "next day"), Reserved)
    assert isinstance(await reserved(ledger, "next second"), Refused)

    # The old allowance lapsed but for what a call holds of it, the next one is in force: once.
    assert {"allowance:1": 0, "allowance:2": 700, "bought": 5_000} == await left(ledger)
    assert ["allowance:1"] == await lapsed(ledger)
    # Whoever runs has no lease any more, and is charged late and once.
    assert 1 == await ledger.expire_holds()
    assert ["allowance:1"] * 2 == await lapsed(ledger)
    settle = asks.settle("running", 200)
    assert Settled(charged_ucr=200, debt_ucr=0, late=True) == await ledger.settle(settle)
    assert isinstance(await ledger.settle(settle), AlreadyEnded)
    assert {"allowance:1": 0, "allowance:2": 500, "bought": 5_000} == await left(ledger)
    await audit_account(ledger, asks.ACCOUNT)


async def test_forward_and_back_again(ledger: RedisLedger, clock: Shifted) -> None:
    clock.jump(DAY_MS)
    charges = {}
    assert isinstance(await reserved(ledger, "in the future"), Reserved)
    charges["in the future"] = once_a_day(ledger)
    before = await left(ledger)
    clock.jump(-DAY_MS)

    # What had lapsed stays lapsed, what came into force stays in force, and does not come twice.
    assert isinstance(await reserved(ledger, "now"), Reserved)
    charges["now"] = once_a_day(ledger)
    assert {**before, "allowance:2": 400} == await left(ledger)
    assert ["allowance:1"] == await lapsed(ledger)
    # Its lease ends when the clock comes there again, or with its own end.
    assert 0 == await ledger.expire_holds()
    for name, held in charges.items():
        told = await ledger.settle(asks.settle(name, 300, charges=held, amounts=(1,)))
        assert Settled(charged_ucr=300, debt_ucr=0, late=False) == told
    clock.jump(DAY_MS)

    # That day had its call: its window is not opened a second time.
    assert isinstance(await reserved(ledger, "the day after"), Refused)
    assert {**before, "allowance:2": 400} == await left(ledger)
    assert ["allowance:1"] == await lapsed(ledger)
    await audit_account(ledger, asks.ACCOUNT)
