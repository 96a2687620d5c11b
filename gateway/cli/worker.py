"""The life of a worker process, from the fork to its exit code."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable

import uvloop

from gateway.app.gateway import Gateway
from gateway.app.inherited import Inherited
from gateway.app.listening import Sockets
from gateway.errors import GatewayError
from gateway.telemetry.logs import Level, Log

# A worker that could not start for a reason that a restart will not change.
EXIT_CANNOT_START = 3
# From the parent: a successor on the same sockets is ready; SIGTERM will follow.
STEP_BACK = signal.SIGUSR1
PR_SET_PDEATHSIG = 1
STDOUT = 1


def run_worker(
    inherited: Inherited, sockets: Sockets, *, index: int, ready: int, parent: int
) -> int:
    """Serve until SIGTERM and drain; a byte on the descriptor `ready` once calls are taken."""
    for number in (signal.SIGINT, signal.SIGHUP, STEP_BACK):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _end_with_parent(parent)
    log = Log(STDOUT, on_drop=inherited.metrics.log_lines_dropped)
    log.start()
    gateway = Gateway(inherited, sockets, worker_index=index, log=log)
    try:
        uvloop.run(_serve(gateway, ready=ready))
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


async def _serve(gateway: Gateway, *, ready: int) -> None:
    loop = asyncio.get_running_loop()
    stop, step_back = asyncio.Event(), asyncio.Event()

    def told_to_stop() -> None:
        stop.set()
        step_back.set()

    loop.add_signal_handler(signal.SIGTERM, told_to_stop)
    loop.add_signal_handler(STEP_BACK, step_back.set)
    try:
        await gateway.start()
        os.write(ready, b"1")
        os.close(ready)
        await step_back.wait()
        if not stop.is_set():
            await gateway.step_back()
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
