"""Named, tracked background tasks: the one place allowed to start one."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

CANCEL_TRIES = 3
CANCEL_WAIT_S = 1.0


class TaskSet:
    """Keeps a reference to every task it starts, until that task ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run `work` in the background; its failure is its own to handle or log."""
        self._keep(asyncio.get_running_loop().create_task(work, name=name))

    def ask(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run `work` for somebody who waits for what comes of it, or cancels it."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._keep(task)
        return task

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, *, timeout_s: float) -> int:
        """Wait for all tasks, up to the deadline; answer how many were still running."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(set(self._tasks), timeout=timeout_s)
        return len(late)

    async def cancel(self) -> None:
        """Cancel what still runs and wait until it has ended, for a bounded time.

        A library may swallow a cancellation that meets its own time-out; it is then asked again.
        """
        for _ in range(CANCEL_TRIES):
            running = set(self._tasks)
            if not running:
                return
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=CANCEL_WAIT_S)
