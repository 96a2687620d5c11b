"""One scenario against one running target: CPU, memory and what the driver saw."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine import cpu_ns, rss_kb
from native import Driven, drive
from scenarios import MODEL, Scenario, Size
from targets import Running

# Settlements and log lines of the last calls may still be on their way when the driver ends.
AFTERGLOW_S = 0.1
SAMPLE_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Expected:
    """Length and events of one answer, learnt from the upstream itself."""

    bytes: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run. CPU in microseconds per unit: a request, or an event of a paced stream."""

    driven: Driven
    cpu_us: float | None
    helper_cpu_us: float | None
    rss_before_kb: int
    rss_peak_kb: int

    @property
    def kb_per_stream(self) -> float:
        return (self.rss_peak_kb - self.rss_before_kb) / max(1, self.driven.open_max)


class Bench:
    """The compiled driver, the written bodies and the upstream's address of one run."""

    def __init__(self, driver: Path, folder: Path, *, upstream_port: int, size: Size) -> None:
        self._driver = driver
        self._folder = folder
        self._upstream_port = upstream_port
        self._size = size
        self._expected: dict[str, Expected] = {}

    def learn(self, scenario: Scenario) -> None:
        """Ask the upstream once what a right answer looks like."""
        seen = drive(
            self._driver,
            port=self._upstream_port,
            key="direct",
            body=self._body(scenario, MODEL),
            stream=bool(scenario.events),
        )
        if seen.failed:
            raise SystemExit(f"the upstream's own answer is wrong: {seen.complaint}")
        self._expected[scenario.name] = Expected(seen.bytes, seen.events)

    def warm_up(self, target: Running, scenario: Scenario) -> Driven:
        """A few calls that are not measured, so that connections and caches are there."""
        few = {Size.FULL: 40, Size.QUICK: 20, Size.CHECK: 2}[self._size]
        connections = min(scenario.loads[self._size].connections, 32)
        each = -(-few // target.slower)
        return self._drive(target, scenario, connections=connections, each=each, ramp_ms=0)

    def run(self, target: Running, scenario: Scenario) -> Sample:
        load = scenario.loads[self._size]
        rss_before_kb = rss_kb(target.pid) if target.pid else 0
        cpu_before, helper_before = _cpu_ns(target.pid), _cpu_ns(target.helper_pid)
        with peak_rss_kb(target.pid if scenario.memory else None) as peak:
            driven = self._drive(
                target,
                scenario,
                connections=load.connections,
                each=-(-load.each // target.slower),
                ramp_ms=load.ramp_ms,
            )
        time.sleep(AFTERGLOW_S)
        units = driven.events if scenario.per_event else driven.answered
        return Sample(
            driven=driven,
            cpu_us=_per_unit(target.pid, cpu_before, units),
            helper_cpu_us=_per_unit(target.helper_pid, helper_before, units),
            rss_before_kb=rss_before_kb,
            rss_peak_kb=max(peak, default=rss_before_kb),
        )

    def _drive(
        self, target: Running, scenario: Scenario, *, connections: int, each: int, ramp_ms: int
    ) -> Driven:
        expected = Expected(-1, -1) if target.rewrites else self._expected[scenario.name]
        return drive(
            self._driver,
            port=target.port,
            key=target.key,
            path=target.path,
            headers=target.headers,
            body=self._body(scenario, target.model),
            stream=bool(scenario.events),
            connections=connections,
            each=each,
            ramp_ms=ramp_ms,
            expect_bytes=expected.bytes,
            expect_events=expected.events,
        )

    def _body(self, scenario: Scenario, model: str) -> Path:
        path = self._folder / f"{scenario.name}.{model.replace(':', '-')}.body.json"
        if not path.exists():
            path.write_bytes(scenario.body(self._size, model))
        return path


@contextmanager
def peak_rss_kb(pid: int | None) -> Iterator[list[int]]:
    """Sample the tree's memory while the block runs; the list grows, and is empty without pid."""
    samples: list[int] = []
    if pid is None:
        yield samples
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            samples.append(rss_kb(pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield samples
    finally:
        over.set()
        watcher.join(timeout=5)


def _cpu_ns(pid: int | None) -> int:
    return cpu_ns(pid) if pid else 0


def _per_unit(pid: int | None, before_ns: int, units: int) -> float | None:
    return (cpu_ns(pid) - before_ns) / 1000 / max(1, units) if pid else None
