"""Putting an answer on the wire: paced, cut, compressed, or broken off where its script says."""

import asyncio
import socket
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import brotli
import orjson
from aiohttp import web

from gateway.simulator.exchange import Exchange
from gateway.simulator.journal import Entry
from gateway.simulator.script import Fault, Script
from gateway.simulator.vendor import Vendor
from gateway.simulator.wire import Chunk

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"
# Whoever waits longer than this for a silent provider has learnt what it wanted to know.
SILENCE_S = 300
GZIP_WBITS = 31
# Linger with no time to do so: closing sends a reset instead of an end.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


Produced = Callable[[Entry], None]
"""Writes into the journal what an answer brings."""


class BrokenOff(Exception):
    """The script ended the connection; there is nothing left to answer on."""


class Compression(Protocol):
    def add(self, data: bytes) -> bytes:
        """Compress and flush: whoever decompresses sees all of it at once."""
        ...

    def end(self) -> bytes: ...


class Identity:
    def add(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=GZIP_WBITS)

    def add(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()


class Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Compressor()

    def add(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data) + self._stream.flush())

    def end(self) -> bytes:
        return bytes(self._stream.finish())


def answer_headers(vendor: Vendor, entry: Entry, *, content_type: str = JSON) -> dict[str, str]:
    return {"Content-Type": content_type, **vendor.headers(entry)}


async def send_document(
    exchange: Exchange,
    data: bytes,
    *,
    produced: Produced,
    content_type: str = JSON,
) -> web.StreamResponse:
    """The answer in one piece with its length, in one write unless scripted otherwise; what it
    brings is `produced` once its head is out."""
    script, entry = exchange.script, exchange.entry
    headers = answer_headers(exchange.vendor, entry, content_type=content_type)
    compression = _compression(script, headers)
    data = compression.add(data) + compression.end()
    response = web.StreamResponse(headers=headers)
    response.content_length = len(data)
    await response.prepare(exchange.request)
    produced(entry)
    if script.fault is not Fault.NONE:
        await _write(response, data[: len(data) // 2], script)
        await _break_off(exchange.request, script.fault)
    await _write(response, data, script)
    await response.write_eof()
    return response


async def send_kept(
    exchange: Exchange, kept: Mapping[str, object] | bytes, *, content_type: str = JSON
) -> web.StreamResponse:
    """What nobody is charged for: objects that are kept, contents of files."""
    data = kept if isinstance(kept, bytes) else orjson.dumps(kept, option=orjson.OPT_INDENT_2)
    return await send_document(exchange, data, produced=_nothing, content_type=content_type)


def _nothing(_entry: Entry) -> None:
    """No tokens are put out."""


async def send_stream(
    exchange: Exchange, chunks: Iterable[Chunk], *, content_type: str = EVENT_STREAM
) -> web.StreamResponse:
    """The answer chunk by chunk; each is journalled as it goes out."""
    script, entry = exchange.script, exchange.entry
    headers = answer_headers(exchange.vendor, entry, content_type=content_type)
    compression = _compression(script, headers)
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(exchange.request)
    for sent, chunk in enumerate(chunks):
        if script.fault is not Fault.NONE and sent == script.fault_after:
            await _break_off(exchange.request, script.fault)
        if sent:
            await asyncio.sleep(script.delay_ms / 1000)
        chunk.note(entry)
        await _write(response, compression.add(chunk.data), script)
        exchange.changed()
    await _write(response, compression.end(), script)
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, data: bytes, script: Script) -> None:
    step = script.split_bytes or max(1, len(data))
    for start in range(0, len(data), step):
        await response.write(data[start : start + step])
        if script.split_bytes:
            # Let the piece leave on its own.
            await asyncio.sleep(0)


async def _break_off(request: web.Request, fault: Fault) -> None:
    """Raises BrokenOff once the connection is as the script wants it."""
    transport = request.transport
    if fault is Fault.SILENT:
        await asyncio.sleep(SILENCE_S)
    elif fault is Fault.RESET and transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    if transport is not None:
        # What was written is on its way already; neither ending adds a clean last chunk.
        transport.close() if fault is Fault.CLOSE else transport.abort()
    raise BrokenOff


def _compression(script: Script, headers: dict[str, str]) -> Compression:
    if script.gzip:
        headers["Content-Encoding"] = "gzip"
        return Gzip()
    if script.br:
        headers["Content-Encoding"] = "br"
        return Brotli()
    return Identity()
