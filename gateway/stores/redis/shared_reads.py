"""One look-up of a key at a time: whoever asks for it meanwhile gets the same outcome.

When a busy key's record grows too old, hundreds of calls notice within one round trip; without
this each would ask the store. Knows neither the store nor what is remembered.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.stores.identifying import KeyRecord

Outcome = asyncio.Future[KeyRecord | None]


class SharedReads:
    def __init__(self) -> None:
        self._under_way: dict[tuple[str, int], Outcome] = {}

    async def read(
        self, digest: str, generation: int, *, ask: Callable[[str], Awaitable[KeyRecord | None]]
    ) -> KeyRecord | None:
        """`await ask(digest)`, or the outcome of one that began in the same generation.

        What changed since another began may be missing from its answer: no later one joins it.
        """
        place = digest, generation
        while (other := self._under_way.get(place)) is not None:
            await asyncio.wait((other,))
            if not other.cancelled():
                return other.result()
            # Who asked for all of us left before the answer: one of those who wait asks again.
        outcome: Outcome = asyncio.get_running_loop().create_future()
        self._under_way[place] = outcome
        try:
            outcome.set_result(await ask(digest))
        except Exception as error:
            outcome.set_exception(error)
            # Raised below as well: with nobody waiting it is not one that was never looked at.
            outcome.exception()
            raise
        finally:
            del self._under_way[place]
            outcome.cancel()
        return outcome.result()
