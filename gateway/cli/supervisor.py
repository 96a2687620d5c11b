"""One parent, N workers: forked after everything heavy is loaded, restarted when one dies.

The workers share the listening port by SO_REUSEPORT and the vocabulary by copy-on-write. The
parent serves nothing: it passes signals on and collects exits.
"""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

import click
import uvloop

from gateway.app.gateway import Gateway
from gateway.app.inherited import Inherited
from gateway.errors import GatewayError
from gateway.telemetry.logs import Level, Log

# A worker that could not start for a reason that a restart will not change.
EXIT_CANNOT_START = 3
# A worker that dies at once is restarted more and more slowly, up to this.
RESTART_MAX_S = 5.0
YOUNG_S = 10.0
# Beyond the drain time: what a worker may take for its last settlements before it is killed.
KILL_AFTER_DRAIN_S = 10.0
PR_SET_PDEATHSIG = 1
STDOUT = 1


def supervise(inherited: Inherited) -> int:
    """Run the workers until a signal; the exit code for the shell."""
    # What was loaded so far never becomes garbage; frozen, its pages stay shared.
    gc.collect()
    gc.freeze()
    # A call makes hundreds of values and no cycle: looking for some after every 700 is waste.
    gc.set_threshold(10_000, 50, 50)
    return _Supervisor(inherited).run()


class _Supervisor:
    def __init__(self, inherited: Inherited) -> None:
        self._inherited = inherited
        self._workers: dict[int, int] = {}
        self._started_s: dict[int, float] = {}
        self._pause_s = 0.1
        self._stopping = False
        self._failed = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        for index in range(self._inherited.settings.listen.workers):
            self._fork(index)
        while self._workers:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            self._on_exit(pid, os.waitstatus_to_exitcode(status))
        return 1 if self._failed else 0

    def _fork(self, index: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os._exit(_worker(self._inherited, index, parent))
        self._workers[pid] = index
        self._started_s[pid] = time.monotonic()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            # A worker that does not end by itself is ended: its holds run out by their lease.
            signal.signal(signal.SIGALRM, self._on_alarm)
            signal.alarm(int(self._inherited.settings.listen.drain_s + KILL_AFTER_DRAIN_S))
        self._signal_all(signal.SIGTERM)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        self._signal_all(signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in tuple(self._workers):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _on_exit(self, pid: int, code: int) -> None:
        index = self._workers.pop(pid, None)
        if index is None:
            return
        self._inherited.metrics.detach(index)
        age_s = time.monotonic() - self._started_s.pop(pid)
        if self._stopping:
            return
        if code == EXIT_CANNOT_START and age_s < YOUNG_S and not self._settled_in():
            self._failed = True
            self._stop()
            return
        self._pause_s = 0.1 if age_s > YOUNG_S else min(self._pause_s * 2, RESTART_MAX_S)
        click.echo(f"worker {index} ended with {code}; starting it again", err=True)
        time.sleep(self._pause_s)
        # A stop may have come while pausing.
        if not self._stopping:
            self._fork(index)

    def _settled_in(self) -> bool:
        """Some worker has been running for a while: the configuration as such is fine."""
        return any(time.monotonic() - since > YOUNG_S for since in self._started_s.values())


def _worker(inherited: Inherited, index: int, parent: int) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with_parent(parent)
    log = Log(STDOUT, on_drop=inherited.metrics.log_lines_dropped)
    log.start()
    try:
        uvloop.run(_serve(Gateway(inherited, worker_index=index, log=log)))
    except (GatewayError, OSError) as error:
        log.state("cannot_start", level=Level.ERROR, worker=index, reason=str(error))
        return EXIT_CANNOT_START
    except BaseException as fault:  # noqa: BLE001  the last stop before the process ends
        log.state("worker_failed", level=Level.ERROR, worker=index, kind=type(fault).__name__)
        sys.excepthook(type(fault), fault, fault.__traceback__)
        return 1
    finally:
        log.close()
    return 0


async def _serve(gateway: Gateway) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await gateway.start()
        await stop.wait()
        await gateway.drain()
    finally:
        await gateway.close()


def _end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the parent dies; Linux only, elsewhere a no-op."""
    prctl: Callable[..., int] | None = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)
