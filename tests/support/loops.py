"""Both event loops the gateway runs on, for tests of what sits directly on them."""

import asyncio
import functools
import gc
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from gateway.tasks import TaskSet

TIMEOUT_S = 20.0
"""Of one test: a loop that waits forever swallows the signal of the runner's own time limit."""


def on_every_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on asyncio and on uvloop; it may ask for no async fixtures.

    A complaint of the loop (an exception never retrieved, a callback that raised) fails the test.
    """

    @functools.wraps(test)
    def run(*args: object, new_loop: Callable[[], Any], **kwargs: object) -> None:
        complaints: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            runner.run(asyncio.wait_for(test(*args, **kwargs), TIMEOUT_S))
            # Complaints about lost exceptions come when the future is collected.
            gc.collect(1)
        assert not complaints, complaints

    asked = inspect.signature(test).parameters.values()
    loop = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = inspect.Signature([*asked, loop])  # type: ignore[attr-defined]
    del run.__wrapped__
    loops = pytest.mark.parametrize(
        "new_loop",
        [
            pytest.param(asyncio.new_event_loop, id="asyncio"),
            pytest.param(uvloop.new_event_loop, id="uvloop"),
        ],
    )
    return loops(run)


@asynccontextmanager
async def beats(every_s: float) -> AsyncIterator[Callable[[], int]]:
    """Counts timers one after the other, on the loop of whoever asks: how long something took in
    the loop's own time. A machine that lets nobody run for a while adds none."""
    counted = 0

    async def beat() -> None:
        nonlocal counted
        while True:
            await asyncio.sleep(every_s)
            counted += 1

    tasks = TaskSet()
    tasks.start(beat(), name="beat")
    try:
        yield lambda: counted
    finally:
        await tasks.cancel()
