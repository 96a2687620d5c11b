"""nginx, a bare aiohttp proxy and Tollkeeper fully metered, side by side, in one command.

    python bench/run.py [--quick | --check] [--targets nginx,aiohttp,tollkeeper] [--json out.json]
    python bench/run.py --tls | --workers 2 | --peers litellm,portkey,tensorzero

Each round starts every target afresh and takes each scenario through all of them in turn, so that
whatever else the machine does meets all alike. It ends by itself: every count and wait is bounded.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import report
from audit import Tally, discrepancies
from machine import CORES, description, free_port, pin_harness, raise_open_files, running
from measure import Bench, Sample
from native import Driven, compile_c
from peers import PEERS, Unavailable
from scenarios import PEER_SCENARIOS, ROUNDS, SCENARIOS, Scenario, Size
from targets import SINGLE, TARGETS, Running, Site, versions
from tls_door import Door, tls_door

OPEN_FILES = 8192
WARM_UP = ("json", "sse")
PREFIX = Path(__file__).parent.parent / "build" / "bench-peers"

Samples = dict[str, dict[str, list[Sample]]]


def main() -> int:
    """0: every answer right and, unless only checking, every target held; 1: not."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    raise_open_files(OPEN_FILES)
    pin_harness()
    installed, notes = _install(options.peers)
    if options.workers > 1:
        notes += [f"{name}: has one worker only" for name in options.targets if name in SINGLE]
        options.targets = [name for name in options.targets if name not in SINGLE]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = Run(
            Path(folder),
            options.size,
            ("direct", *options.targets, *installed),
            scenarios=[each for each in SCENARIOS if each.name in options.scenarios],
            workers=options.workers,
        )
        run.measure(options.rounds or ROUNDS[options.size], tls=options.tls)
    elapsed_s = time.monotonic() - started
    # The targets are those of one worker and a plain upstream, beside nginx and nobody else.
    plain = not options.tls and not options.peers and options.workers == 1
    judged = report.verdicts(run.samples) if plain and options.size is not Size.CHECK else []
    found = [f"{name} {version}" for name, version in installed.items()]
    print(f"\n{description()}\n{', '.join([versions(), *found])}\n{_asked(options)}")
    print(f"{elapsed_s:.0f} s\n", report.tables(run.samples), sep="\n")
    print("", report.verdict_lines(judged), sep="\n")
    if options.json:
        options.json.write_bytes(orjson.dumps(report.as_data(run.samples, judged)))
    for note in (*notes, *run.notes):
        print(f"LEFT OUT  {note}")
    for fault in run.faults:
        print(f"FAULT   {fault}")
    return 1 if run.faults or any(verdict.holds is False for verdict in judged) else 0


def _install(names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Versions of those that are there now, and what is to be said of the others."""
    installed: dict[str, str] = {}
    notes: list[str] = []
    for name in names:
        print(f"installing {name} in {PREFIX / name}, unless it is there", flush=True)
        try:
            installed[name] = PEERS[name].install(PREFIX / name)
        except Unavailable as reason:
            notes.append(f"{name}: {reason}")
    return installed, notes


@dataclass
class Round:
    """What runs, what each has served so far, and what cannot be asked of whom."""

    number: int
    targets: dict[str, Running] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)


class Run:
    """All rounds over all targets: what was measured, and what went wrong in words."""

    def __init__(
        self,
        folder: Path,
        size: Size,
        names: Sequence[str],
        *,
        scenarios: Sequence[Scenario],
        workers: int,
    ) -> None:
        self.samples: Samples = {name: {} for name in names}
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._folder = folder
        self._size = size
        self._scenarios = scenarios
        self._workers = workers
        self._unable: set[tuple[str, str]] = set()

    def measure(self, rounds: int, *, tls: bool) -> None:
        driver, upstream = (compile_c(name, self._folder) for name in ("load", "upstream"))
        port = free_port()
        command = [str(upstream), str(port)]
        with ExitStack() as stack:
            stack.enter_context(running(command, log=self._folder / "upstream.log", port=port))
            door = stack.enter_context(tls_door(self._folder / "tls", port)) if tls else None
            bench = Bench(driver, self._folder, upstream_port=port, size=self._size)
            for scenario in self._scenarios:
                bench.learn(scenario)
            for number in range(rounds):
                self._round(bench, Round(number), port, door)

    def _round(self, bench: Bench, turn: Round, upstream_port: int, door: Door | None) -> None:
        # Nobody is always first: what runs first may meet a machine that is just waking up.
        names = list(self.samples)
        shift = turn.number % len(names)
        names = names[shift:] + names[:shift]
        with ExitStack() as stack:
            for name in names:
                site = Site(
                    self._folder / f"round{turn.number}-{name}",
                    upstream_port,
                    door=door,
                    workers=self._workers,
                    peers=PREFIX,
                )
                site.folder.mkdir()
                turn.targets[name] = stack.enter_context(TARGETS[name](site))
                turn.tallies[name] = Tally()
                self._warm_up(bench, turn, name)
            for scenario in self._scenarios:
                for name in names:
                    if (name, scenario.name) not in self._unable:
                        self._take_sample(bench, turn, name, scenario)
            for name in names:
                self.faults += discrepancies(turn.targets[name].ledger, turn.tallies[name])

    def _warm_up(self, bench: Bench, turn: Round, name: str) -> None:
        for scenario in self._scenarios:
            if scenario.name in WARM_UP and (name, scenario.name) not in self._unable:
                driven = bench.warm_up(turn.targets[name], scenario)
                self._take(turn, name, scenario, driven)

    def _take_sample(self, bench: Bench, turn: Round, name: str, scenario: Scenario) -> None:
        sample = bench.run(turn.targets[name], scenario)
        if self._take(turn, name, scenario, sample.driven):
            self.samples[name].setdefault(scenario.name, []).append(sample)
            print(_progress(turn.number, name, scenario, sample=sample), flush=True)

    def _take(self, turn: Round, name: str, scenario: Scenario, driven: Driven) -> bool:
        """Book what was served. Any wrong answer spoils the run; of a peer, it is told, and not
        asked for again."""
        turn.tallies[name].add(scenario, driven, self._size)
        if not driven.failed and driven.in_time:
            return True
        late = "" if driven.in_time else ", not finished in time"
        told = f"{name}, {scenario.title}: {driven.failed} wrong answers{late}"
        if name in PEERS:
            self._unable.add((name, scenario.name))
            why = driven.complaint.strip().splitlines() or [""]
            self.notes.append(f"{told}; {why[0]}; the last said {why[-1]}")
            print(f"left out: {self.notes[-1]}", flush=True)
            return False
        self.faults.append(f"{told}\n{driven.complaint}")
        return True


def _progress(number: int, name: str, scenario: Scenario, *, sample: Sample) -> str:
    cost = "" if sample.cpu_us is None else f"{sample.cpu_us:8.1f} us"
    unit = "event" if scenario.per_event else "request"
    rate = f"{sample.driven.per_second:10,.0f} /s"
    return f"round {number + 1}  {scenario.title:36}{name:12}{rate}{cost:>12} per {unit}"


def _asked(options: argparse.Namespace) -> str:
    tls = ", upstream by TLS" if options.tls else ""
    return f"{options.size} run, {options.workers} worker(s){tls}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick",
        dest="size",
        action="store_const",
        const=Size.QUICK,
        default=Size.FULL,
        help="a first look, about three minutes",
    )
    size.add_argument(
        "--check",
        dest="size",
        action="store_const",
        const=Size.CHECK,
        help="does it all work? half a minute, no figure is judged",
    )
    ours = [name for name in TARGETS if name not in PEERS]
    every = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--targets", type=_some_of(ours), default=ours[1:])
    parser.add_argument("--scenarios", type=_some_of(every), default=None)
    parser.add_argument("--rounds", type=int, choices=range(1, 21), metavar="1..20")
    parser.add_argument("--tls", action="store_true", help="the upstream is asked by TLS")
    parser.add_argument(
        "--workers",
        type=int,
        choices=range(1, len(CORES) + 1),
        default=1,
        help="processes of each proxy, on a core each; the harness shares the last core",
    )
    parser.add_argument(
        "--peers",
        type=_some_of(PEERS),
        default=[],
        help=f"other gateways beside them: {', '.join(PEERS)}; installed in {PREFIX}",
    )
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    options = parser.parse_args()
    if options.peers and (options.tls or options.workers > 1):
        parser.error("peers are compared with one worker and a plain upstream")
    if options.scenarios is None:
        options.scenarios = PEER_SCENARIOS if options.peers else every
    return options


class _some_of:  # noqa: N801  reads as the type of an option
    """A list of names, separated by commas, in the order given."""

    def __init__(self, known: Sequence[str]) -> None:
        self._known = list(known)

    def __call__(self, text: str) -> list[str]:
        names = list(dict.fromkeys(filter(None, text.split(","))))
        if unknown := set(names) - set(self._known):
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; known: {', '.join(self._known)}"
            )
        # Direct always runs: it is the zero of the latencies and shows what the harness can carry.
        return [name for name in names if name != "direct"]


if __name__ == "__main__":
    sys.exit(main())
