"""nginx, a bare aiohttp proxy and Tollkeeper fully metered, side by side, in one command.

    python bench/run.py [--quick | --check] [--targets nginx,aiohttp,tollkeeper] [--json out.json]

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
from pathlib import Path

import orjson
import report
from audit import Tally, discrepancies
from machine import description, free_port, pin_harness, raise_open_files, running
from measure import Bench, Sample
from native import Driven, compile_c
from scenarios import ROUNDS, SCENARIOS, Scenario, Size
from targets import TARGETS, Running, Site, versions

OPEN_FILES = 8192
WARM_UP = ("json", "sse")

Samples = dict[str, dict[str, list[Sample]]]


def main() -> int:
    """0: every answer right and, unless only checking, every target held; 1: not."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    raise_open_files(OPEN_FILES)
    pin_harness()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = Run(Path(folder), options.size, ("direct", *options.targets))
        run.measure(options.rounds or ROUNDS[options.size])
    elapsed_s = time.monotonic() - started
    judged = [] if options.size is Size.CHECK else report.verdicts(run.samples)
    print(f"\n{description()}\n{versions()}\n{options.size} run, {elapsed_s:.0f} s\n")
    print(report.tables(run.samples), report.verdict_lines(judged), sep="\n\n")
    if options.json:
        options.json.write_bytes(orjson.dumps(report.as_data(run.samples, judged)))
    for fault in run.faults:
        print(f"FAULT   {fault}")
    return 1 if run.faults or any(verdict.holds is False for verdict in judged) else 0


class Run:
    """All rounds over all targets: what was measured, and what went wrong in words."""

    def __init__(self, folder: Path, size: Size, names: Sequence[str]) -> None:
        self.samples: Samples = {name: {} for name in names}
        self.faults: list[str] = []
        self._folder = folder
        self._size = size

    def measure(self, rounds: int) -> None:
        driver, upstream = (compile_c(name, self._folder) for name in ("load", "upstream"))
        port = free_port()
        command = [str(upstream), str(port)]
        with running(command, log=self._folder / "upstream.log", port=port):
            bench = Bench(driver, self._folder, upstream_port=port, size=self._size)
            for scenario in SCENARIOS:
                bench.learn(scenario)
            for number in range(rounds):
                self._round(bench, number, port)

    def _round(self, bench: Bench, number: int, upstream_port: int) -> None:
        # Nobody is always first: what runs first may meet a machine that is just waking up.
        names = list(self.samples)
        names = names[number % len(names) :] + names[: number % len(names)]
        tallies = {name: Tally() for name in names}
        with ExitStack() as stack:
            targets: dict[str, Running] = {}
            for name in names:
                site = Site(self._folder / f"round{number}-{name}", upstream_port)
                site.folder.mkdir()
                targets[name] = stack.enter_context(TARGETS[name](site))
                self._warm_up(bench, name, targets[name], tally=tallies[name])
            for scenario in SCENARIOS:
                for name in names:
                    sample = bench.run(targets[name], scenario)
                    self.samples[name].setdefault(scenario.name, []).append(sample)
                    self._take(name, scenario, sample.driven, tally=tallies[name])
                    print(_progress(number, name, scenario, sample=sample), flush=True)
            for name in names:
                self.faults += discrepancies(targets[name].ledger, tallies[name])

    def _warm_up(self, bench: Bench, name: str, target: Running, *, tally: Tally) -> None:
        for scenario in SCENARIOS:
            if scenario.name in WARM_UP:
                driven = bench.warm_up(target, scenario)
                self._take(name, scenario, driven, tally=tally)

    def _take(self, name: str, scenario: Scenario, driven: Driven, *, tally: Tally) -> None:
        """Book what was served; any wrong answer spoils the run."""
        tally.add(scenario, driven, self._size)
        if driven.failed or not driven.in_time:
            late = "" if driven.in_time else ", not finished in time"
            self.faults.append(
                f"{name}, {scenario.title}: {driven.failed} wrong answers{late}\n{driven.complaint}"
            )


def _progress(number: int, name: str, scenario: Scenario, *, sample: Sample) -> str:
    cost = "" if sample.cpu_us is None else f"{sample.cpu_us:8.1f} us"
    unit = "event" if scenario.per_event else "request"
    rate = f"{sample.driven.per_second:10,.0f} /s"
    return f"round {number + 1}  {scenario.title:36}{name:12}{rate}{cost:>12} per {unit}"


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
    parser.add_argument("--targets", type=_names, default=("nginx", "aiohttp", "tollkeeper"))
    parser.add_argument("--rounds", type=int, choices=range(1, 21), metavar="1..20")
    parser.add_argument("--json", type=Path, help="also write every sample to this file")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, text.split(","))))
    if unknown := set(names) - set(TARGETS):
        known = ", ".join(TARGETS)
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {known}")
    # Direct always runs: it is the zero of the latencies and shows what the harness can carry.
    return tuple(name for name in names if name != "direct")


if __name__ == "__main__":
    sys.exit(main())
