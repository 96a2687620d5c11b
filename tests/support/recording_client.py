"""A client that writes down which script ran when, so that an oracle can be asked at that ms."""

import asyncio
from typing import Any

from hiredis import Reader

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.lua import Script
from gateway.stores.redis.wire import Decode, Request


class RecordingClient(RedisClient):
    """`ran`: script name, operation id and the server's ms, in the order of the answers."""

    ran: list[tuple[str, str, int]]

    def run(self, script: Script, request: Request, decode: Decode[Any]) -> asyncio.Future[Any]:
        parser = Reader()
        parser.feed(b"*%d\r\n%b" % request)
        count, *rest = parser.gets()
        operation_id = rest[int(count) + 1].decode()

        def decoded(reply: list[Any]) -> Any:
            server_ms = reply[0] if script.name == "balance" else reply[1]
            self.ran.append((script.name, operation_id, server_ms))
            return decode(reply)

        return super().run(script, request, decoded)
