"""A client that writes down which script ran when, so that an oracle can be asked at that ms."""

import asyncio
from typing import Any

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.lua import Script
from gateway.stores.redis.wire import Decode, Part


class RecordingClient(RedisClient):
    """`ran`: script name, operation id and the server's ms, in the order of the answers."""

    ran: list[tuple[str, str, int]]

    def run(
        self, script: Script, parts: tuple[Part, ...], decode: Decode[Any]
    ) -> asyncio.Future[Any]:
        first_argument = 1 + int(parts[0])

        def decoded(reply: list[Any]) -> Any:
            server_ms = reply[0] if script.name == "balance" else reply[1]
            self.ran.append((script.name, str(parts[first_argument + 1]), server_ms))
            return decode(reply)

        return super().run(script, parts, decoded)
