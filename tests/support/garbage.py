"""What some work leaves that only the garbage collector finds."""

import gc
from collections.abc import Awaitable, Callable


async def left_by(work: Callable[[], Awaitable[None]], *, of: tuple[str, ...]) -> list[type]:
    """Kinds of these modules in rings that nobody refers to, after the work was done some times."""
    await work()
    # What there is already is not looked at, or each look would take seconds.
    gc.freeze()
    gc.disable()
    try:
        for _ in range(5):
            await work()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = {type(each) for each in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()
    return [kind for kind in found if kind.__module__.startswith(of)]
