"""The `tollkeeper` command as people run it: a process, its output, its exit code."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from support.gateways import SECRETS

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert 0 == self.code, self.err
        return orjson.loads(self.out)

    def table(self) -> list[list[str]]:
        """The cells of a table's rows, the title first; columns are two blanks apart."""
        assert 0 == self.code, self.err
        return [line.split("  ") for line in self.out.splitlines()]

    def refusal(self) -> str:
        """The one line of a command that failed on purpose."""
        assert 1 == self.code, self.out
        assert "" == self.out
        assert "Traceback" not in self.err
        assert 1 == self.err.count("\n"), self.err
        return self.err.removeprefix("Error: ").rstrip("\n")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, able to import the package under test from any directory."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | SECRETS | dict(extra or {})


async def tollkeeper(*words: str, cwd: Path | None = None) -> Ran:
    return await _ran(sys.executable, "-m", "gateway", *words, cwd=cwd)


async def _ran(*words: str, cwd: Path | None, path: str = "") -> Ran:
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=cwd,
        env=environment({"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"} if path else None),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(40):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


class Demo:
    """`tollkeeper demo` in a process of its own, in a directory of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = ("--port", "0", "--admin-port", "0", "--delay-ms", "0", *options)
        self._process: asyncio.subprocess.Process | None = None
        self.welcome = ""

    async def start(self) -> None:
        """Returns when it says that calls appear below."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            "demo",
            *self._options,
            cwd=self.folder,
            env=environment({"PYTHONUNBUFFERED": "1"}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.welcome = await self.until("credits        left")

    async def until(self, end: str) -> str:
        """What it prints, up to the first line that holds `end`."""
        assert self._process is not None
        assert self._process.stdout is not None
        said = ""
        async with asyncio.timeout(55):
            while end not in said:
                line = await self._process.stdout.readline()
                assert line, f"it ended after: {said}"
                said += line.decode()
        return said

    def told(self, label: str) -> str:
        """The word after `label` in the welcome."""
        [line] = [line for line in self.welcome.splitlines() if line.startswith(f"  {label} ")]
        return line.split()[len(label.split())]

    def snippet(self, start: str) -> str:
        """The indented block of the welcome whose first line holds `start`."""
        [block] = [block for block in self.welcome.split("\n\n") if start in block.split("\n")[0]]
        return textwrap.dedent(block)

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)

    async def ended(self) -> tuple[int, str]:
        """Exit code and what it still said."""
        assert self._process is not None
        async with asyncio.timeout(20):
            rest, _ = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, rest.decode()

    async def stop(self) -> tuple[int, str]:
        if self._process is not None and self._process.returncode is None:
            self.interrupt()
            return await self.ended()
        return 0, ""


async def shell(script: str, *, cwd: Path, path: str = "") -> Ran:
    """A shell's answer to what a reader pastes into it."""
    return await _ran("bash", "-euo", "pipefail", "-c", script, cwd=cwd, path=path)


async def python(script: str, *, cwd: Path) -> Ran:
    return await _ran(sys.executable, "-c", script, cwd=cwd)
