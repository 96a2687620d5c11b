"""Work on a request's body, on the event loop while it is short.

A batch of thousands of requests takes a second or more to read, and without the processor's help a
megabyte takes 5 ms to digest: other calls must go on meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

INLINE_BYTES_MAX = 128 * 1024
Made = TypeVar("Made")


async def aside(body: bytes, work: Callable[[], Made]) -> Made:
    """What `work` makes of `body`; in a thread if that is long."""
    if len(body) <= INLINE_BYTES_MAX:
        return work()
    return await asyncio.to_thread(work)
