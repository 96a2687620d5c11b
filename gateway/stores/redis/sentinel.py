"""The master that a group of sentinels names, asked for as their manual has it.

https://redis.io/docs/latest/develop/reference/sentinel-clients/, seen 2026-11. Whichever sentinel
answered last is asked first; that it is told the truth, `Node` checks with the master itself.
"""

import asyncio
from collections.abc import Sequence

from gateway.errors import GatewayError
from gateway.stores.redis.address import Address, Place
from gateway.stores.redis.node import connected
from gateway.stores.redis.replies import unavailable
from gateway.stores.redis.wire import Wire

# A sentinel that takes longer is passed over.
ANSWER_S = 1.0


class Sentinels:
    def __init__(self, place: Place) -> None:
        self._sentinels = list(place.sentinels)
        self._service = place.service
        (self._way_in,) = place.servers
        self._wire: Wire | None = None
        self._closed = False
        self._turn = asyncio.Lock()

    async def master(self) -> Address:
        """Raises StoreUnavailable when none of them knows it."""
        async with self._turn:
            return await self._ask_around()

    async def _ask_around(self) -> Address:
        for sentinel in self._sentinels:
            try:
                async with asyncio.timeout(ANSWER_S):
                    named = await self._ask(sentinel)
            except (GatewayError, TimeoutError):
                self._hang_up()
                continue
            if named:
                others = [each for each in self._sentinels if each is not sentinel]
                # Replaced, not changed: we are walking it.
                self._sentinels = [sentinel, *others]
                return self._way_in.at(named[0].decode(), int(named[1]))
            self._hang_up()
        raise unavailable("no sentinel names its master")

    async def _ask(self, sentinel: Address) -> Sequence[bytes]:
        """Host and port, or nothing if it knows no such service."""
        if self._wire is None:
            wire = await connected(sentinel, lost=self._on_lost)
            if self._closed:
                wire.abort()
            self._wire = wire
        asked = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        return await self._wire.command(asked, lambda reply: reply or ())

    def close(self) -> None:
        self._closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.abort()

    def _on_lost(self, wire: Wire) -> None:
        if wire is self._wire:
            self._wire = None
