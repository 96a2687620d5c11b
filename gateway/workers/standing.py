"""Shares with all processes how deliveries go here, and learns from the store what operators want.

Stands between the exporter and whoever watches it: whatever is told goes on, and is added up until
it is shared. Behind by a moment, and never in a delivery's way.
"""

import asyncio
from collections.abc import Mapping

from gateway.errors import GatewayError
from gateway.stores.delivering import News, Standings
from gateway.workers.breaker import Breaker
from gateway.workers.exporter import Observer

SHARE_S = 1.0


class _Gathered:
    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.error = ""
        self.failing: bool | None = None
        self.disabled = False

    def news(self) -> News | None:
        if not self.outcomes and self.failing is None:
            return None
        return News(
            outcomes=self.outcomes,
            error=self.error,
            failing=self.failing,
            disabled=self.disabled,
        )


class StandingReporter:
    """Answers `exporter.Observer`. `breakers`: by sink, those of this process."""

    def __init__(
        self, observer: Observer, standings: Standings, breakers: Mapping[str, Breaker]
    ) -> None:
        self._observer = observer
        self._standings = standings
        self._breakers = breakers
        self._gathered = {sink: _Gathered() for sink in breakers}
        self._resumed_ms: dict[str, int] = {}
        self.backlog = observer.backlog
        self.export_failed = observer.export_failed
        self.export_fault = observer.export_fault

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.share()
            await asyncio.sleep(SHARE_S)

    async def share(self) -> None:
        """Once. What the store does not take is kept for the next time."""
        for sink, breaker in self._breakers.items():
            try:
                await self._share(sink, breaker)
            except GatewayError as error:
                self._observer.export_failed(sink, error)
            except Exception as fault:  # noqa: BLE001 - a bug must not end this for good
                self._observer.export_fault(sink, fault)

    async def _share(self, sink: str, breaker: Breaker) -> None:
        gathered = self._gathered[sink]
        news = gathered.news()
        if news is not None:
            self._gathered[sink] = _Gathered()
            try:
                await self._standings.note(sink, news)
            except GatewayError:
                self._keep(sink, gathered)
                raise
        standing = await self._standings.of(sink)
        breaker.paused, resumed_ms = standing.switches.paused, standing.switches.resumed_ms
        if resumed_ms > self._resumed_ms.setdefault(sink, resumed_ms):
            breaker.reset()
        self._resumed_ms[sink] = resumed_ms

    def _keep(self, sink: str, older: _Gathered) -> None:
        newer = self._gathered[sink]
        for outcome, count in older.outcomes.items():
            newer.outcomes[outcome] = newer.outcomes.get(outcome, 0) + count
        newer.error = newer.error or older.error
        newer.failing = older.failing if newer.failing is None else newer.failing
        newer.disabled |= older.disabled

    def exported(self, sink: str, outcome: str, count: int) -> None:
        outcomes = self._gathered[sink].outcomes
        outcomes[outcome] = outcomes.get(outcome, 0) + count
        self._observer.exported(sink, outcome, count)

    def buried(self, sink: str, reason: str) -> None:
        self._gathered[sink].error = reason
        self._observer.buried(sink, reason)

    def sink_failing(self, sink: str, reason: str) -> None:
        gathered = self._gathered[sink]
        gathered.error, gathered.failing = reason, True
        self._observer.sink_failing(sink, reason)

    def sink_back(self, sink: str) -> None:
        self._gathered[sink].failing = False
        self._observer.sink_back(sink)

    def sink_disabled(self, sink: str, reason: str) -> None:
        gathered = self._gathered[sink]
        gathered.error, gathered.failing, gathered.disabled = reason, True, True
        self._observer.sink_disabled(sink, reason)
