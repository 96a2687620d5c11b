"""A change is made to a record as it was read; whoever is overtaken by others begins anew."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.errors import Conflict

# More than a few in a row are overtaken only where programs race each other.
ATTEMPTS = 5

Done = TypeVar("Done")


async def until_made(once: Callable[[], Awaitable[Done | None]]) -> Done:
    """What `once` answers: it reads, and has the store change what is still as it was read; None
    if it is not. Raises Conflict if others are always faster."""
    for _ in range(ATTEMPTS):
        done = await once()
        if done is not None:
            return done
    raise Conflict("Others keep changing this at the very same moment. Try again.", retry_after_s=1)
