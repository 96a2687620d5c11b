"""python -m bank --seed 7 --minutes 20: the bank test by hand. Exit code 0: nothing was wrong."""

import argparse
import asyncio
import collections
import sys
import tempfile
from pathlib import Path

from bank.history import History
from bank.mutants import MUTANTS, spoilt
from bank.program import Course, drawn_seed, run
from bank.world import Build


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bank", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="spoil the gateways this way")
    asked = parser.parse_args()
    seed = drawn_seed() if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)  # noqa: T201 - what it prints is the program's answer
    with tempfile.TemporaryDirectory(prefix="bank-") as name:
        folder = Path(name)
        build, course = Build(), Course()
        if asked.mutant:
            build, course = spoilt(asked.mutant, folder)
        history = asyncio.run(
            run(folder, seed=seed, seconds=asked.minutes * 60, build=build, course=course)
        )
    print(told(history), flush=True)  # noqa: T201 - see above
    return 1 if history.violations else 0


def told(history: History) -> str:
    outcomes = collections.Counter(call.outcome.value for call in history.calls)
    troubles = collections.Counter(trouble.kind for trouble in history.troubles)
    lines = [
        f"calls {len(history.calls)}: {dict(outcomes)}",
        f"snapshots {history.snapshots}, faults {dict(troubles)}",
        *(f"VIOLATION {each}" for each in history.violations[:10]),
        f"violations {len(history.violations)}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
