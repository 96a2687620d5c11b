"""A client that writes down which script ran when, so that an oracle can be asked at that ms."""

import asyncio
from typing import Any

from hiredis import Reader

from gateway.stores.redis.client import RedisClient
from gateway.stores.redis.decode import numbered
from gateway.stores.redis.lua import DUE, HOLD, Script
from gateway.stores.redis.operations import Operation
from gateway.stores.redis.wire import Decode, Request

OPERATIONS = {"r": "reserve", "e": "extend", "s": "settle", "f": "release"}


class RecordingClient(RedisClient):
    """`ran`: script name, operation id and the server's ms, in the order of the answers. Looking
    for holds and at them changes nothing, and is not among them."""

    ran: list[tuple[str, str, int]]

    def run(self, script: Script, request: Request, decode: Decode[Any]) -> asyncio.Future[Any]:
        if script in (HOLD, DUE):
            return super().run(script, request, decode)
        count, *rest = _parts(*request)
        ran = self._recorded(script.name, rest[int(count) + 1], decode)
        return super().run(script, request, ran)

    def operate(self, operation: Operation, decode: Decode[Any]) -> asyncio.Future[Any]:
        (letter, _, count), _, arguments = operation
        _, operation_id, *_ = _parts(count, arguments)
        name = OPERATIONS[chr(letter)]
        return super().operate(operation, self._recorded(name, operation_id, decode))

    def _recorded(self, name: str, operation_id: bytes, decode: Decode[Any]) -> Decode[Any]:
        def decoded(reply: Any) -> Any:
            server_ms = reply[0] if name == "balance" else numbered(reply)[1]
            self.ran.append((name, operation_id.decode(), server_ms))
            return decode(reply)

        return decoded


def _parts(count: int, encoded: bytes) -> list[bytes]:
    parser = Reader()
    parser.feed(b"*%d\r\n%b" % (count, encoded))
    found: list[bytes] = parser.gets()
    return found
