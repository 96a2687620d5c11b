"""Formatting, lint and types are part of the suite: one command tells whether all is well."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKED = [name for name in ("gateway", "tests", "bench") if (ROOT / name).is_dir()]
COMMANDS = {
    "lint": ["ruff", "check", "--output-format", "concise", *CHECKED],
    "format": ["ruff", "format", "--check", *CHECKED],
    "types": ["mypy", "gateway"],
}


# The first run of mypy checks the libraries' types as well.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_the_source_passes(name) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", *COMMANDS[name]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=290,
    )

    if checked.returncode:
        pytest.fail(f"{checked.stdout}{checked.stderr}", pytrace=False)
