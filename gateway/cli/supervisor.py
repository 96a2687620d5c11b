"""One parent, N workers: forked after everything heavy is loaded, replaced when they die.

The parent serves nothing: it holds the listening sockets, passes signals on, collects exits, and on
a changed configuration puts new workers in the place of the old ones, one after the other: the new
one takes calls before the old one stops to.
"""

import gc
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from gateway.app.inherited import Inherited
from gateway.app.listening import Sockets, open_sockets
from gateway.cli.reloading import Reloading
from gateway.cli.worker import EXIT_CANNOT_START, STDOUT, STEP_BACK, run_worker
from gateway.errors import GatewayError
from gateway.telemetry.logs import Level, tell

# A worker that dies at once is restarted more and more slowly, up to this.
RESTART_FIRST_S = 0.1
RESTART_MAX_S = 5.0
YOUNG_S = 10.0
# Beyond the drain time: what a worker may take for its last settlements before it is killed.
KILL_AFTER_DRAIN_S = 10.0
# How often the configuration's files are looked at.
LOOK_S = 1.0
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def supervise(inherited: Inherited, reloading: Reloading, *, watch: bool) -> int:
    """Run the workers until a signal; the exit code for the shell.

    Reloads on SIGHUP and, with `watch`, when a file of the configuration changes. Raises OSError
    for a port that is taken.
    """
    # A call makes hundreds of values and no cycle: looking for some after every 700 is waste. Some
    # connections are cycles, though: what outlived one look is looked at again after ten.
    gc.set_threshold(10_000, 10, 50)
    sockets = open_sockets(inherited.settings)
    try:
        return _Supervisor(inherited, sockets, reloading, watch=watch).run()
    finally:
        sockets.close()


@dataclass(slots=True)
class _Worker:
    pid: int
    index: int
    inherited: Inherited
    started_s: float
    ready: int | None
    """The descriptor that tells when calls are taken; None afterwards."""
    serving: bool = False
    kill_s: float = float("inf")
    """When it is ended if it has not ended by itself; finite once it was told to stop."""

    @property
    def leaving(self) -> bool:
        return self.kill_s < float("inf")


class _Supervisor:
    def __init__(
        self, inherited: Inherited, sockets: Sockets, reloading: Reloading, *, watch: bool
    ) -> None:
        self._inherited = inherited
        self._sockets = sockets
        self._reloading = reloading
        self._watch = watch
        self._workers: dict[int, _Worker] = {}
        self._due_s: dict[int, float] = {}
        self._pause_s = RESTART_FIRST_S
        self._replace_s = 0.0
        self._stopping = False
        self._failed = False
        self._reload_asked = False
        self._before: Inherited | None = None
        """What ran before, until a worker has started under the new configuration."""

    def run(self) -> int:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.settimeout(0)
        for number in HANDLED:
            signal.signal(number, _noticed)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            self._due_s = dict.fromkeys(range(self._inherited.settings.listen.workers), 0.0)
            self._freeze()
            while self._workers or self._due_s:
                self._start_due()
                self._wait(reader)
                self._collect()
                self._kill_overdue()
                self._replace_next()
                self._reload_if_asked()
        finally:
            signal.set_wakeup_fd(-1)
            reader.close()
            writer.close()
        return 1 if self._failed else 0

    def _wait(self, reader: socket.socket) -> None:
        """Until a signal, a worker's word, or the next thing to do."""
        starting = [each.ready for each in self._workers.values() if each.ready is not None]
        timeout_s = min([LOOK_S, *(due_s - time.monotonic() for due_s in self._due_s.values())])
        signals = reader.fileno()
        heard, _, _ = select.select([signals, *starting], [], [], max(0.0, timeout_s))
        for worker in self._all():
            if worker.ready in heard:
                self._hear(worker)
        if signals in heard:
            for number in reader.recv(4096):
                if number in (signal.SIGTERM, signal.SIGINT):
                    self._stop()
                elif number == signal.SIGHUP:
                    self._reload_asked = True

    # Starting and ending

    def _start_due(self) -> None:
        now_s = time.monotonic()
        for index in [index for index, due_s in self._due_s.items() if due_s <= now_s]:
            del self._due_s[index]
            self._fork(index)

    def _fork(self, index: int) -> None:
        parent = os.getpid()
        heard, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            os.close(heard)
            os._exit(
                run_worker(self._inherited, self._sockets, index=index, ready=told, parent=parent)
            )
        os.close(told)
        self._workers[pid] = _Worker(pid, index, self._inherited, time.monotonic(), heard)

    def _hear(self, worker: _Worker) -> None:
        """A worker takes calls, or ended before it did: its exit tells why."""
        assert worker.ready is not None
        started = bool(os.read(worker.ready, 1))
        os.close(worker.ready)
        worker.ready = None
        worker.serving = started
        if not started or worker.leaving:
            return
        if self._before is not None:
            self._before.metrics.forget_earlier()
            self._before = None
        old = [each for each in self._active() if each.inherited is not self._inherited]
        for each in old:
            os.kill(each.pid, STEP_BACK)
        for each in old:
            if each.index == worker.index:
                self._end(each)

    def _end(self, worker: _Worker) -> None:
        listen = worker.inherited.settings.listen
        worker.kill_s = time.monotonic() + listen.unready_s + listen.drain_s + KILL_AFTER_DRAIN_S
        os.kill(worker.pid, signal.SIGTERM)

    def _stop(self) -> None:
        self._due_s.clear()
        if not self._stopping:
            self._stopping = True
            # The workers' copies keep listening for as long as they want to.
            self._sockets.close()
        for worker in self._active():
            self._end(worker)

    def _kill_overdue(self) -> None:
        """A worker that does not end by itself is ended: its holds run out by their lease."""
        now_s = time.monotonic()
        for worker in self._workers.values():
            if worker.kill_s <= now_s:
                os.kill(worker.pid, signal.SIGKILL)

    def _collect(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            worker = self._workers.pop(pid, None)
            if worker is not None:
                self._on_exit(worker, os.waitstatus_to_exitcode(status))

    def _on_exit(self, worker: _Worker, code: int) -> None:
        if worker.ready is not None:
            os.close(worker.ready)
        index = worker.index
        worker.inherited.metrics.detach(index)
        if self._stopping or worker.leaving:
            return
        age_s = time.monotonic() - worker.started_s
        if worker.inherited is self._inherited and self._give_up(code, age_s):
            return
        young = age_s <= YOUNG_S
        self._pause_s = min(self._pause_s * 2, RESTART_MAX_S) if young else RESTART_FIRST_S
        tell(STDOUT, "worker_ended", level=Level.ERROR, worker=index, code=code)
        again_s = time.monotonic() + self._pause_s
        if any(each.index == index for each in self._active()):
            # Its predecessor still serves.
            self._replace_s = again_s
        else:
            self._due_s[index] = again_s

    def _give_up(self, code: int, age_s: float) -> bool:
        """A configuration no worker could ever start with: back to the one before, or end."""
        if code != EXIT_CANNOT_START or age_s > YOUNG_S:
            return False
        if self._before is not None:
            self._inherited, self._before = self._before, None
            tell(STDOUT, "reload_failed", level=Level.ERROR, reason="no worker can start with it")
            return True
        if any(each.serving for each in self._all()):
            # The configuration as such is fine.
            return False
        self._failed = True
        self._stop()
        return True

    # Reloading

    def _reload_if_asked(self) -> None:
        if self._watch and self._reloading.due():
            self._reload_asked = True
        # One at a time: the workers before the last ones are gone, and all of these are new.
        if self._reload_asked and not self._stopping and self._settled():
            self._reload_asked = False
            self._reload()

    def _settled(self) -> bool:
        return not self._due_s and all(
            each.inherited is self._inherited and each.ready is None and not each.leaving
            for each in self._all()
        )

    def _reload(self) -> None:
        try:
            loaded = self._reloading.load(self._inherited)
        except GatewayError as error:
            tell(STDOUT, "reload_refused", level=Level.ERROR, reason=error.message)
            return
        tell(STDOUT, "reload", config=loaded.settings.digest, changes=len(loaded.changes))
        self._before, self._inherited = self._inherited, loaded
        self._freeze()
        self._replace_next()

    def _replace_next(self) -> None:
        """Start the successor of one old worker, unless one is starting already."""
        if self._stopping or self._due_s or time.monotonic() < self._replace_s:
            return
        if any(each.ready is not None for each in self._all()):
            return
        old = [each.index for each in self._active() if each.inherited is not self._inherited]
        if old:
            self._fork(min(old))

    def _freeze(self) -> None:
        """What was loaded so far never becomes garbage; frozen, its pages stay shared."""
        gc.collect()
        gc.freeze()

    def _all(self) -> Iterator[_Worker]:
        return iter(tuple(self._workers.values()))

    def _active(self) -> Iterator[_Worker]:
        return (each for each in self._all() if not each.leaving)


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """Python writes the number to the wake-up descriptor; the loop there acts on it."""
