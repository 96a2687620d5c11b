"""What this worker has of its accounts' credit in advance, and which calls it admitted by it.

Taken while the store is there, for accounts that call; drawn on when an admission got no answer
(`admit.py`). A call keeps the id it would have had: should the store have held for it after all,
its settlement ends that hold, and it is charged once either way. A call that still runs when the
store is back is held there from then on.

The rules are `metering/advances.py`; here they are applied to one worker's accounts. Nothing is
awaited between looking at an advance and promising of it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from gateway.errors import StoreUnavailable
from gateway.metering.accounts import Caller, Status
from gateway.metering.advances import (
    ADVANCE,
    IDLE_MS,
    Drawn,
    Step,
    asked_of,
    fitting,
    next_step,
    taken,
    unusable,
)
from gateway.metering.ledger import (
    AlreadyEnded,
    ClockSkewed,
    Reason,
    Refused,
    Release,
    Released,
    Reserve,
    Reserved,
)
from gateway.proxy.draw import Draw, Standing
from gateway.stores.base import Ledger

LOOK_S = 1.0
# Asked of the store together.
AT_ONCE = 50
# What the store is still to be told; beyond it the leases do the work.
RELEASES_MAX = 10_000


class Observer(Protocol):
    def drawn(self, outcome: Drawn) -> None:
        """A call got no answer from the store, and its plan has advances."""
        ...

    def set_advances(self, held_ucr: int) -> None:
        """So much is set aside now."""
        ...


class Advances:
    """One worker's. `accounts_max` bounds how many accounts it has an advance of."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        lease_ms: int,
        accounts_max: int,
        observer: Observer,
        now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
    ) -> None:
        """`lease_ms`: a call's. `now_ms`: a clock that does not jump, the one of `heard_ms`."""
        self._ledger = ledger
        self._lease_ms = lease_ms
        self._accounts_max = accounts_max
        self._observer = observer
        self._now_ms = now_ms
        self._standings: dict[str, Standing] = {}
        self._draws: dict[str, Draw] = {}
        self._releases: deque[Release] = deque(maxlen=RELEASES_MAX)

    @property
    def held_ucr(self) -> int:
        """What is set aside now."""
        return sum(each.advance.held_ucr for each in self._standings.values() if each.advance)

    @property
    def serving(self) -> bool:
        """Whether calls are served without the store, should it be away."""
        return any(map(self._serves, self._standings.values()))

    def _serves(self, standing: Standing) -> bool:
        away, advance = standing.plan.away, standing.advance
        if away is None or advance is None or not advance.left_ucr:
            return False
        heard_ms = self._ledger.heard_ms(standing.account_id)
        return unusable(advance, away, (), heard_ms=heard_ms, now_ms=self._now_ms()) is None

    def seen(self, caller: Caller, answer: Reserved | Refused) -> None:
        """The store answered one of its calls."""
        account_id, away = caller.account.account_id, caller.plan.away
        standing = self._standings.get(account_id)
        if standing is None:
            if away is None or len(self._standings) >= self._accounts_max:
                return
            standing = Standing(account_id, caller.plan, self._now_ms())
            self._standings[account_id] = standing
        standing.plan, standing.seen_ms = caller.plan, self._now_ms()
        refused = isinstance(answer, Refused) and answer.reason is Reason.BALANCE
        standing.low = refused or (away is not None and answer.available_ucr < away.advance_ucr)

    def draw(self, ask: Reserve, caller: Caller) -> Draw | None:
        """For a call whose reserve the store did not answer, of a plan that has advances."""
        found = self._draw(ask, caller)
        self.note(found if isinstance(found, Drawn) else Drawn.ADMITTED)
        return None if isinstance(found, Drawn) else found

    def note(self, outcome: Drawn) -> None:
        """What became of a call that the store did not answer."""
        self._observer.drawn(outcome)

    def _draw(self, ask: Reserve, caller: Caller) -> Draw | Drawn:
        away, standing = caller.plan.away, self._standings.get(ask.account_id)
        if away is None or standing is None or standing.advance is None:
            return Drawn.NO_ADVANCE
        if caller.account.status is not Status.ACTIVE:
            # The store would have refused it; of a key its record says so before we come here.
            return Drawn.INACTIVE
        why = unusable(
            standing.advance,
            away,
            caller.limits,
            heard_ms=self._ledger.heard_ms(ask.account_id),
            now_ms=self._now_ms(),
        )
        if why is not None:
            return why
        ucr = fitting(standing.advance, least_ucr=ask.least_ucr, full_ucr=ask.full_ucr)
        if ucr is None:
            return Drawn.SPENT
        draw = Draw(ask, ucr, standing, over=self._over)
        self._draws[ask.hold_id] = draw
        return draw

    def _over(self, call_id: str) -> None:
        del self._draws[call_id]

    def confirmed(self, hold_id: str) -> None:
        """The ledger has the end of this call, whoever admitted it."""
        draw = self._draws.get(hold_id)
        if draw is not None:
            draw.ended()

    async def run(self) -> None:
        """Take, exchange and give back advances until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Whatever is due now. A store that does not answer is asked the next time."""
        for _ in range(min(AT_ONCE, len(self._releases))):
            self._release(self._releases.popleft())
        running = [draw for draw in self._draws.values() if draw.asks_store]
        await _together([partial(self._hold_in_store, draw) for draw in running])
        await _together([partial(self._step, each) for each in tuple(self._standings.values())])
        self._observer.set_advances(self.held_ucr)

    async def give_back(self) -> None:
        """All of which nothing is promised; what stays is for its lease to end."""
        sent = []
        for standing in tuple(self._standings.values()):
            advance = standing.advance
            if advance is None or not advance.promises:
                del self._standings[standing.account_id]
                standing.advance = None
            if advance is not None and standing.advance is None:
                sent.append(self._sent(advance.release()))
        await asyncio.gather(*sent, return_exceptions=True)

    async def _step(self, standing: Standing) -> None:
        now_ms = self._now_ms()
        idle_ms = now_ms - standing.seen_ms
        step = next_step(
            standing.advance,
            standing.plan.away,
            low=standing.low,
            idle_ms=idle_ms,
            call_lease_ms=self._lease_ms,
            now_ms=now_ms,
        )
        if step is Step.RETURN:
            self._drop(standing)
        elif step is Step.EXCHANGE and self._patient(standing, now_ms):
            await self._exchange(standing)
        elif standing.advance is None and idle_ms >= IDLE_MS:
            self._standings.pop(standing.account_id, None)

    def _patient(self, standing: Standing, now_ms: int) -> bool:
        """An account that could not spare an advance is not asked for one all the time."""
        asked_ms = standing.asked_ms
        return asked_ms is None or now_ms - asked_ms >= self._lease_ms

    async def _exchange(self, standing: Standing) -> None:
        away = standing.plan.away
        assert away is not None, "only plans that have advances take any"
        ask = asked_of(
            standing.plan,
            away,
            f"{ADVANCE}{uuid4().hex}",
            account_id=standing.account_id,
            call_lease_ms=self._lease_ms,
            now_ms=self._ledger.now_ms(),
        )
        asked_ms = self._now_ms()
        answer = await self._reserved(ask)
        if answer is None:
            return
        standing.asked_ms = asked_ms
        former = standing.advance
        least_ucr = 1 if former is None else max(1, former.promised_ucr)
        if not isinstance(answer, Reserved):
            self._without(standing)
        elif answer.held_ucr < least_ucr or standing.account_id not in self._standings:
            self._release(ask.release())
            self._without(standing)
        else:
            standing.asked_ms = None
            standing.advance = taken(ask, answer.held_ucr, asked_ms=asked_ms, former=former)
            if former is not None:
                self._release(former.release())

    def _without(self, standing: Standing) -> None:
        """The account cannot spare a new advance: nor is it to miss the one before."""
        if standing.advance is not None and not standing.advance.promises:
            self._drop(standing)

    def _drop(self, standing: Standing) -> None:
        advance, standing.advance = standing.have(), None
        self._release(advance.release())

    async def _hold_in_store(self, draw: Draw) -> None:
        """A call that runs on an advance: is the store there to hold for it?"""
        ucr = draw.promised_ucr
        ask = replace(
            draw.ask,
            least_ucr=ucr,
            full_ucr=ucr,
            now_ms=self._ledger.now_ms(),
            overdraft_ucr=0,
        )
        try:
            answer = await self._ledger.reserve(ask)
        except StoreUnavailable:
            # Should it be held all the same: the call's settlement ends that hold.
            return
        if not draw.asks_store:
            # Its end is on its way already, behind this.
            return
        if isinstance(answer, Reserved):
            draw.held_by_store(answer.held_ucr)
        elif not isinstance(answer, ClockSkewed):
            # It stays as it is, to its end.
            draw.asks_store = False

    async def _reserved(self, ask: Reserve) -> Reserved | Refused | AlreadyEnded | None:
        """None: there was no answer, or it has to be asked anew."""
        try:
            answer = await self._ledger.reserve(ask)
        except (StoreUnavailable, asyncio.CancelledError) as error:
            # Whether it was held is unknown.
            self._releases.append(ask.release())
            if isinstance(error, StoreUnavailable):
                return None
            raise
        return None if isinstance(answer, ClockSkewed) else answer

    def _release(self, ask: Release) -> None:
        self._ledger.release(ask).add_done_callback(partial(self._released, ask))

    async def _sent(self, ask: Release) -> None:
        sent = self._ledger.release(ask)
        sent.add_done_callback(partial(self._released, ask))
        await sent

    def _released(self, ask: Release, sent: "asyncio.Future[Released | AlreadyEnded]") -> None:
        if sent.cancelled() or sent.exception() is not None:
            self._releases.append(ask)


async def _together(work: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    for start in range(0, len(work), AT_ONCE):
        await asyncio.gather(*(each() for each in work[start : start + AT_ONCE]))
