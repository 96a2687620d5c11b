"""Whatever calls come while the store comes and goes: no more is promised than is held for it.

The worker's book (`proxy/advances.py`) against the oracle, which answers, does not, or takes in
what it is asked and gets to it when it is back. Others spend from the same balance meanwhile.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support import asks
from support.oracle import Oracle

from gateway.errors import StoreUnavailable
from gateway.metering.accounts import Account, Caller, VirtualKey
from gateway.metering.advances import Drawn
from gateway.metering.ledger import Extended, Grant, Reserve, Reserved, Settle
from gateway.metering.plans import Away, Plan
from gateway.proxy.advances import Advances
from gateway.proxy.draw import Draw

GRANTED_UCR, ADVANCE_UCR, LEASE_MS, USABLE_MS = 2_000, 200, 1_000, 5_000
CALLER = Caller(
    VirtualKey(key_id="k", account_id=asks.ACCOUNT, digest=""),
    Account(account_id=asks.ACCOUNT, plan="away"),
    Plan(name="away", away=Away(advance_ucr=ADVANCE_UCR, usable_ms=USABLE_MS)),
)

amounts = st.integers(0, 150)
picks = st.integers(0, 1_000)


class ComesAndGoes:
    """The oracle as a worker sees it."""

    def __init__(self) -> None:
        self.time_ms = asks.STARTED_MS
        self.oracle = Oracle(asks.ACCOUNT, lambda: self.time_ms)
        self.there = True
        self.takes_in = False
        self.heard = self.time_ms
        self._taken_in: list[Callable[[], object]] = []

    def now_ms(self) -> int:
        return self.time_ms

    def heard_ms(self, _account_id: str) -> int:
        self.heard = self.time_ms if self.there else self.heard
        return self.heard

    def come_back(self) -> None:
        self.there = True
        for work in self._taken_in:
            work()
        self._taken_in.clear()

    def reserve(self, ask: Reserve) -> Any:
        return self._answered(lambda: self.oracle.reserve(ask))

    def release(self, ask: Any) -> Any:
        return self._answered(lambda: self.oracle.release(ask))

    def settle(self, ask: Settle) -> Any:
        return self._answered(lambda: self.oracle.settle(ask))

    def _answered(self, work: Callable[[], object]) -> "asyncio.Future[Any]":
        future = asyncio.get_running_loop().create_future()
        if self.there:
            future.set_result(work())
            return future
        if self.takes_in:
            self._taken_in.append(work)
        future.set_exception(StoreUnavailable("away"))
        return future


class Noted:
    def __init__(self) -> None:
        self.outcomes: list[Drawn] = []

    def drawn(self, outcome: Drawn) -> None:
        self.outcomes.append(outcome)

    def set_advances(self, held_ucr: int) -> None:
        assert held_ucr in (0, ADVANCE_UCR)


class AdvanceMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.store = ComesAndGoes()
        self.store.oracle.grant(
            Grant(grant_id="g", account_id=asks.ACCOUNT, amount_ucr=GRANTED_UCR)
        )
        self.advances = Advances(
            self.store,  # type: ignore[arg-type]  as much of it as is asked
            lease_ms=LEASE_MS,
            accounts_max=1,
            observer=Noted(),
            now_ms=self.store.now_ms,
        )
        self.running: dict[str, Draw | int] = {}
        self.spool: list[Settle] = []
        self.releases: list[str] = []
        self.charged: dict[str, int] = {}
        self.names = count()
        self.call(least=1, more=0)
        self.look()

    def _run(self, work: Any) -> Any:
        async def running() -> Any:
            return await work

        return self.runner.run(running())

    async def _ask(self, operation: str, ask: Any) -> Any:
        try:
            return await getattr(self.store, operation)(ask)
        except StoreUnavailable:
            return None

    @rule(least=amounts, more=amounts)
    def call(self, least: int, more: int) -> None:
        name = f"call-{next(self.names)}"
        ask = asks.reserve(self.store, name, least, full_ucr=least + more)
        answer = self._run(self._ask("reserve", ask))
        if answer is None:
            draw = self.advances.draw(ask, CALLER)
            if draw is None:
                self._release(name)
            else:
                self.running[name] = draw
            return
        self.advances.seen(CALLER, answer)
        if isinstance(answer, Reserved):
            self.running[name] = answer.held_ucr

    @rule(pick=picks, add=amounts)
    def extend(self, pick: int, add: int) -> None:
        drawn = [each for each in self.running.values() if isinstance(each, Draw)]
        if drawn:
            draw = drawn[pick % len(drawn)]
            before = draw.promised_ucr
            answer = None if draw.in_store else draw.extend(add)
            if isinstance(answer, Extended):
                assert before + add == answer.held_ucr

    @rule(pick=picks, part=st.floats(0, 1), served=st.booleans())
    def end(self, pick: int, part: float, *, served: bool) -> None:
        if not self.running:
            return
        name = list(self.running)[pick % len(self.running)]
        held = self.running.pop(name)
        draw = held if isinstance(held, Draw) else None
        most = draw.promised_ucr if draw else held
        if not served:
            if draw:
                draw.ended()
            self._release(name)
            return
        assert isinstance(most, int)
        charge = int(most * part)
        if draw:
            draw.charged(charge)
        self.charged[name] = charge
        self._settle(asks.settle(name, charge))

    def _release(self, name: str) -> None:
        if self._run(self._ask("release", asks.release(name))) is None:
            self.releases.append(name)

    def _settle(self, ask: Settle) -> None:
        if self._run(self._ask("settle", ask)) is None:
            self.spool.append(ask)
        else:
            self.advances.confirmed(ask.hold_id)

    @rule(ucr=st.integers(1, 600))
    def another_worker_spends(self, ucr: int) -> None:
        if self.store.there:
            name = f"other-{next(self.names)}"
            held = self.store.oracle.reserve(asks.reserve(self.store, name, ucr))
            if isinstance(held, Reserved):
                self.store.oracle.settle(asks.settle(name, ucr))
                self.charged[name] = ucr

    @rule(takes_in=st.booleans())
    def go_away(self, *, takes_in: bool) -> None:
        self.store.heard_ms("")
        self.store.there, self.store.takes_in = False, takes_in

    @rule()
    def come_back(self) -> None:
        self.store.come_back()

    @rule()
    def replay(self) -> None:
        if self.store.there:
            waiting, self.spool = self.spool, []
            for ask in waiting:
                self._settle(ask)
            names, self.releases = self.releases, []
            for name in names:
                self._release(name)

    @rule(ms=st.sampled_from([1, LEASE_MS, 2 * LEASE_MS]))
    def wait(self, ms: int) -> None:
        self.store.time_ms += ms

    @rule()
    def look(self) -> None:
        self._run(self.advances.look())

    @invariant()
    def no_more_is_promised_than_held(self) -> None:
        if not hasattr(self, "advances"):
            return
        for standing in self.advances._standings.values():
            advance = standing.advance
            if advance is None:
                continue
            drawn = self.advances._draws.values()
            assert advance.promised_ucr == sum(each.promised_ucr for each in drawn)
            assert advance.promises == len(drawn)
            assert 0 <= advance.promised_ucr <= advance.held_ucr
            held = self.store.oracle._holds[advance.hold_id]
            assert held.amount == advance.held_ucr

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            with self.runner:
                self._assert_all_charged_once()

    def _assert_all_charged_once(self) -> None:
        self.store.come_back()
        while self.running:
            self.end(0, 1.0, served=True)
        self.replay()
        self.look()
        self._run(self.advances.give_back())
        self._run(self.advances.look())
        balance = self.store.oracle.balance()
        assert sum(self.charged.values()) == balance.charged_ucr
        assert 0 == balance.debt_ucr
        assert (0, 0) == (balance.held_ucr, balance.live_holds)


def test_no_more_is_promised_than_is_held() -> None:
    run_state_machine_as_test(
        AdvanceMachine,
        settings=settings(max_examples=60, stateful_step_count=30, deadline=None),
    )
