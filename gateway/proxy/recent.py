"""Settlements that the ledger confirmed a moment ago: after a failover they may be gone with it.

A replica that takes over, or a server restarted from its files, may lack the last writes it had
confirmed. So whenever the store was connected to anew, what it confirmed shortly before is asked
once more, by its id: what it still has it answers `already_settled`, and what it lost is charged
now, as if it came late. Knows no server; memory is the bound, and a process that dies meanwhile
takes it along.
"""

import asyncio
import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import Protocol

from gateway.metering.ledger import AlreadyEnded, Settle, Settled
from gateway.stores.base import Ledger

# Longer than a server's lag, or a second's sync to disk, and than it takes to notice its end.
KEPT_S = 10.0
# Some ten megabytes. At more than a thousand calls a second and worker it is fewer seconds.
KEPT_MAX = 10_000
# Asked together: some milliseconds of the server's time.
BATCH = 200


class Observer(Protocol):
    def restored(self, ask: Settle, outcome: Settled) -> None:
        """The store had confirmed it, and did not know it any more."""
        ...


class Recent:
    def __init__(self, ledger: Ledger, *, observer: Observer) -> None:
        self._ledger = ledger
        self._observer = observer
        self._confirmed: deque[tuple[float, Settle]] = deque(maxlen=KEPT_MAX)
        self._doubted: deque[Settle] = deque(maxlen=KEPT_MAX)

    def confirmed(self, ask: Settle) -> None:
        now_s = time.monotonic()
        while self._confirmed and self._confirmed[0][0] < now_s - KEPT_S:
            self._confirmed.popleft()
        self._confirmed.append((now_s, ask))

    def doubt(self) -> None:
        """The store may be another one than before, or know less."""
        self._doubted.extend(ask for _, ask in self._confirmed)
        self._confirmed.clear()

    @property
    def waiting(self) -> int:
        return len(self._doubted)

    def ask_again(self) -> None:
        for _ in range(min(BATCH, len(self._doubted))):
            ask = self._doubted.popleft()
            sent = self._ledger.settle(replace(ask, again=True))
            sent.add_done_callback(partial(self._told, ask))

    def _told(self, ask: Settle, sent: "asyncio.Future[Settled | AlreadyEnded]") -> None:
        if sent.cancelled() or sent.exception() is not None:
            self._doubted.append(ask)
            return
        # For as long as before: the store may go back once more.
        self.confirmed(ask)
        outcome = sent.result()
        if isinstance(outcome, Settled):
            self._observer.restored(ask, outcome)
