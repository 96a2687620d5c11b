"""The two C programs: compiled into the run's own folder, and how to call them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import orjson

HERE = Path(__file__).parent
DRIVER_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Microseconds."""

    count: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Driven:
    """What the load driver saw. `events` counts data events without [DONE]."""

    first_byte_us: Percentiles
    total_us: Percentiles
    event_delay_us: Percentiles
    answered: int
    failed: int
    reconnected: int
    open_max: int
    bytes: int
    events: int
    seconds: float
    per_second: float
    in_time: bool
    complaint: str = ""


def compile_c(name: str, into: Path) -> Path:
    """Compile bench/<name>.c; SystemExit with the compiler's words when that fails."""
    compiler = which("cc") or which("gcc") or which("clang")
    if compiler is None:
        raise SystemExit("a C compiler is needed for the upstream and the load driver: install cc")
    program = into / name
    outcome = subprocess.run(
        [compiler, "-O2", "-o", program, HERE / f"{name}.c"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if outcome.returncode:
        raise SystemExit(f"{name}.c does not compile:\n{outcome.stderr}")
    return program


def drive(
    program: Path,
    *,
    port: int,
    key: str,
    body: Path,
    stream: bool,
    connections: int = 1,
    each: int = 1,
    ramp_ms: int = 0,
    expect_bytes: int = -1,
    expect_events: int = -1,
    path: str = "/v1/chat/completions",
    headers: Sequence[str] = (),
) -> Driven:
    """Run the load driver to its end; a failure is in the result, not raised. `headers`: lines
    beside those of the official SDK."""
    command: list[str | Path] = [program, "--body", body, "--key", key, "--path", path]
    command += [f"--header={line}" for line in headers]
    numbers = {
        "port": port,
        "connections": connections,
        "each": each,
        "ramp-ms": ramp_ms,
        "timeout-s": DRIVER_TIMEOUT_S,
        "expect-bytes": expect_bytes,
        "expect-events": expect_events,
    }
    command += [f"--{name}={value}" for name, value in numbers.items()]
    command += ["--stream"] if stream else []
    outcome = subprocess.run(
        command, capture_output=True, check=False, timeout=DRIVER_TIMEOUT_S + 10
    )
    if not outcome.stdout:
        raise SystemExit(f"the load driver failed: {outcome.stderr.decode(errors='replace')}")
    seen = orjson.loads(outcome.stdout)
    for name in ("first_byte_us", "total_us", "event_delay_us"):
        seen[name] = Percentiles(**seen[name])
    return Driven(**seen, complaint=outcome.stderr.decode(errors="replace"))
