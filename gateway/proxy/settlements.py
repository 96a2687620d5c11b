"""Endings on their way to the ledger, and what happens when it does not answer.

An ending is queued for sending before the method returns: no cancellation can take it back.
A settlement, or a job, that the store does not confirm goes to the spool on disk and is replayed
until it is accepted; a release is asked again a bounded number of times, since the lease ends it
anyway.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from gateway.errors import StoreUnavailable
from gateway.metering.jobs import Keep
from gateway.metering.ledger import AlreadyEnded, Release, Released, Settle, Settled
from gateway.proxy.recent import Recent
from gateway.stores.base import Ask, Ledger, Outcome, Spool, send
from gateway.tasks import TaskSet

# Releases kept for another try; beyond it the lease of the oldest does the work.
RELEASES_MAX = 10_000


class Observer(Protocol):
    """Told how endings went; must not raise."""

    def late(self, ask: Ask) -> None:
        """The hold had ended before, or was lost: by its lease, or with what the store forgot."""
        ...

    def spooled(self) -> None: ...

    def unsettled(self, ask: Ask) -> None:
        """Neither the ledger nor the disk took it: it is kept in memory and tried again."""
        ...

    def restored(self, ask: Settle, outcome: Settled) -> None: ...


class Settlements:
    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        *,
        tasks: TaskSet,
        observer: Observer,
        on_confirmed: Callable[[str], None],
    ) -> None:
        """`on_confirmed` hears of each hold whose settlement the ledger has; must not raise."""
        self._ledger = ledger
        self._on_confirmed = on_confirmed
        self._spool = spool
        self._tasks = tasks
        self._observer = observer
        self._releases: deque[Release] = deque(maxlen=RELEASES_MAX)
        self._stranded: deque[Ask] = deque()
        self._recent = Recent(ledger, observer=observer)
        self._open = 0
        self._quiet = asyncio.Event()
        self._awaited = False

    @property
    def healthy(self) -> bool:
        """False while a settlement has no durable place: then nothing new may be admitted."""
        return not self._stranded and self._spool.healthy

    async def place_for_another(self) -> bool:
        """Whether what is admitted while the store is away could be settled: on disk."""
        return not self._stranded and await self._spool.takes_more()

    @property
    def open(self) -> int:
        """Endings sent and not answered yet."""
        return self._open

    def settle(self, ask: Settle) -> None:
        self._follow(ask, self._ledger.settle(ask))

    def keep(self, ask: Keep) -> None:
        """The call began a job: its hold outlives it."""
        self._follow(ask, self._ledger.keep(ask))

    def _follow(self, ask: Ask, sent: "asyncio.Future[Any]") -> None:
        self._open += 1
        sent.add_done_callback(partial(self._sent, ask))

    def settle_later(self, counting: Coroutine[None, None, None], *, name: str) -> None:
        """For a bill that must be counted first and then calls `settle`: a tracked task that
        nobody cancels."""
        self._open += 1
        self._tasks.start(self._counted(counting), name=name)

    async def _counted(self, counting: Coroutine[None, None, None]) -> None:
        try:
            await counting
        finally:
            self._closed()

    def release(self, ask: Release) -> None:
        self._open += 1
        self._ledger.release(ask).add_done_callback(partial(self._released, ask))

    async def answered(self, *, timeout_s: float) -> None:
        """Wait until every ending was answered or is on disk, up to the deadline."""
        self._quiet.clear()
        self._awaited = True
        if self._open:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._quiet.wait()
            except TimeoutError:
                return

    def _closed(self) -> None:
        self._open -= 1
        if self._awaited and not self._open:
            self._quiet.set()

    def retry(self) -> None:
        """Ask again for what failed; called by the sweeper while the store answers."""
        for _ in range(len(self._releases)):
            self.release(self._releases.popleft())
        for _ in range(len(self._stranded)):
            ask = self._stranded.popleft()
            self._follow(ask, send(self._ledger, ask))
        self._recent.ask_again()

    @property
    def waiting(self) -> int:
        return len(self._releases) + len(self._stranded) + self._recent.waiting

    def _sent(self, ask: Ask, sent: "asyncio.Future[Outcome]") -> None:
        if not sent.cancelled() and sent.exception() is None:
            self._closed()
            self.confirmed(ask, sent.result())
            return
        self._tasks.start(self._spool_ask(ask), name=f"spool {ask.hold_id}")

    def confirmed(self, ask: Ask, outcome: Outcome) -> None:
        """The ledger has it: sent just now, or replayed from the spool."""
        if isinstance(outcome, Settled) and isinstance(ask, Settle):
            self._recent.confirmed(ask)
        self._on_confirmed(ask.hold_id)
        if not isinstance(outcome, AlreadyEnded) and outcome.late:
            self._observer.late(ask)

    def doubt(self) -> None:
        """The store was connected to anew: it may have lost what it confirmed last."""
        self._recent.doubt()

    async def _spool_ask(self, ask: Ask) -> None:
        try:
            await self._spool.append(ask)
            self._observer.spooled()
        except StoreUnavailable:
            self._stranded.append(ask)
            self._observer.unsettled(ask)
        finally:
            self._closed()

    def _released(self, ask: Release, sent: "asyncio.Future[Released | AlreadyEnded]") -> None:
        self._closed()
        if sent.cancelled() or sent.exception() is not None:
            self._releases.append(ask)
