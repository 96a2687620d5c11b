"""The machine as the benchmark sees it: cores, processes, their CPU time and memory.

Linux only: everything comes from /proc. Nothing here knows what is being measured.
"""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, create_connection, socket

PROC = Path("/proc")
NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# A thread that ended takes its schedstat along; the coarse clock of its process keeps its time.
# Below this the difference is only that clock's grain.
ENDED_THREADS_NS = 5 * NS_PER_TICK
READY_WITHIN_S = 60.0
# Looked up before anything is pinned; the same core twice where there is only one.
CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, *_, REST_CORE = CORES * 2


def pin_harness() -> None:
    """Move this process, and so what it starts from now on, off the gateway's core."""
    os.sched_setaffinity(0, {REST_CORE})


def on_gateway_core(command: list[str], *, workers: int = 1) -> list[str]:
    """With several workers: a core for each, as far as there are any, beginning with that one."""
    cores = ",".join(map(str, CORES[:workers]))
    return ["taskset", "--cpu-list", cores, *command]


def raise_open_files(needed: int) -> None:
    """Raise the soft limit of open files; SystemExit when the hard one is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard < needed:
        raise SystemExit(f"{needed} open files are needed, the limit here is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def tree(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in (PROC / str(parent) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_ns(pid: int) -> int:
    """CPU time the process tree has used so far, in nanoseconds."""
    return sum(map(_process_cpu_ns, tree(pid)))


def _process_cpu_ns(pid: int) -> int:
    process = PROC / str(pid)
    try:
        fine = sum(
            int((task / "schedstat").read_text().split()[0])
            for task in (process / "task").iterdir()
        )
        # The command's name may hold spaces; the fields after its bracket do not.
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    coarse = (int(fields[11]) + int(fields[12])) * NS_PER_TICK
    return coarse if coarse - fine > ENDED_THREADS_NS else fine


def rss_kb(pid: int) -> int:
    """Resident memory of the process tree, in KB; pages shared by forks count in each."""
    return sum(map(process_rss_kb, tree(pid)))


def process_rss_kb(pid: int) -> int:
    try:
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def free_port() -> int:
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: list[str],
    *,
    log: Path,
    port: int | None,
    environment: dict[str, str] | None = None,
    within_s: float = READY_WITHIN_S,
) -> Iterator[int]:
    """Start a server, wait until it listens on the loopback port, yield its pid, stop it. `port`
    None: it will tell which."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | (environment or {}),
            cwd=Path(__file__).parent.parent,
        )
    try:
        until(
            lambda: _listening(process, port, log),
            what=" ".join(command),
            log=log,
            within_s=within_s,
        )
        yield process.pid
    finally:
        _stop(process)


def until(
    condition: Callable[[], bool], *, what: str, log: Path, within_s: float = READY_WITHIN_S
) -> None:
    """Poll every 20 ms; SystemExit with the end of the log when that time is over."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not ready within {within_s:g} s\n{_tail(log)}")
        time.sleep(0.02)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


def _listening(process: "subprocess.Popen[bytes]", port: int | None, log: Path) -> bool:
    if process.poll() is not None:
        raise SystemExit(f"{process.args!r} ended with {process.returncode}:\n{_tail(log)}")
    if port is None:
        return True
    try:
        create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)


def description() -> str:
    """One line for the head of a report."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in (PROC / "cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"gateway on core {GATEWAY_CORE}, upstream, driver and redis on core {REST_CORE}, "
        f"load average {os.getloadavg()[0]:.1f}"
    )
