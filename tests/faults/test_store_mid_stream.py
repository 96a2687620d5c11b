"""The store fails while a stream runs: the stream goes on, and is charged once when it is back."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bank.relay import Line
from support.gateways import INPUT_UCR, OUTPUT_UCR, TestGateway, running_gateway
from support.redis_server import KINDS, Server
from support.running_stream import stream_of

TOKENS = 60
Trouble = Callable[[Server, Line], object]


def _keep_busy(server: Server, _: Line) -> socket.socket:
    """A script without end; its asker, who gets no answer."""
    server.ask("CONFIG", "SET", "lua-time-limit", "50")
    asker = socket.socket(socket.AF_UNIX)
    asker.connect(str(server.socket_path))
    asker.sendall(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n")
    while b"BUSY" not in server.ask("PING"):  # Sent is not yet begun.
        time.sleep(0.01)
    return asker


def _fill(server: Server, _: Line) -> None:
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.ask("CONFIG", "SET", "maxmemory", "1")


# How each begins, and how it ends.
TROUBLES: Mapping[str, tuple[Trouble, Trouble]] = {
    "full": (_fill, lambda server, _: server.ask("CONFIG", "SET", "maxmemory", "0")),
    "read-only": (
        lambda server, _: server.ask("REPLICAOF", "127.0.0.1", "1"),
        lambda server, _: server.ask("REPLICAOF", "NO", "ONE"),
    ),
    "busy": (_keep_busy, lambda server, _: server.ask("SCRIPT", "KILL")),
    "stopped": (
        lambda server, _: server.signal(signal.SIGSTOP),
        lambda server, _: server.signal(signal.SIGCONT),
    ),
    "killed": (lambda server, _: server.kill(), lambda server, _: server.start()),
    "cut off": (lambda _, line: line.cut(), lambda _, line: line.heal()),
    "out of reach": (lambda _, line: line.hang(), lambda _, line: line.heal()),
    "not to be heard": (lambda _, line: line.deafen(), lambda _, line: line.heal()),
}


@asynccontextmanager
async def _gateway(tmp_path: Path, kind: str) -> AsyncIterator[tuple[TestGateway, Server, Line]]:
    server = Server(kind, "--appendonly", "yes", "--appendfsync", "always").start()
    line = Line(server.folder / "line.sock", server.socket_path)
    await line.start()
    try:
        async with running_gateway(tmp_path, f"unix://{line.here}", admission_ms=300) as tk:
            yield tk, server, line
    finally:
        await line.stop()
        server.stop()


async def _status(tk: TestGateway, **body: Any) -> int:
    async with tk.chat(**body) as answer:
        await answer.read()
        return int(answer.status)


async def _charged_once(tk: TestGateway) -> None:
    await tk.settled(charged=bool)
    balance = await tk.assert_books_balance()
    [event] = await tk.events()
    assert TOKENS == event["usage"]["output_text"]
    prompt = event["usage"]["input_uncached"]
    assert prompt * INPUT_UCR + TOKENS * OUTPUT_UCR == balance.charged_ucr


# What happens to the line has nothing to do with who is at its end.
CASES = [(name, "redis") for name in TROUBLES] + [
    (name, "valkey") for name in ("full", "read-only", "busy", "killed")
]


@pytest.mark.parametrize(("name", "kind"), CASES)
async def test_a_store_that_fails_in_mid_stream_gets_the_charge_once(
    tmp_path: Path, name: str, kind: str
) -> None:
    begin, end = TROUBLES[name]
    async with _gateway(tmp_path, kind) as (tk, server, line):
        stream = await stream_of(tk, TOKENS, delay_ms=10)
        kept = begin(server, line)
        assert 503 == await _status(tk)
        assert b"[DONE]" in await stream
        async with asyncio.timeout(30):
            while not tk.gateway._spool.waiting:
                await asyncio.sleep(0.01)
        end(server, line)
        await _charged_once(tk)
        assert 1 == tk.provider.journal.total
        if isinstance(kept, socket.socket):
            kept.close()


async def test_with_neither_store_nor_disk_a_charge_waits_in_memory(tmp_path: Path) -> None:
    async with _gateway(tmp_path, "redis") as (tk, server, _):
        stream = await stream_of(tk, TOKENS, delay_ms=10)
        server.signal(signal.SIGSTOP)
        tk.gateway._spool._bytes_max = 0
        assert b"[DONE]" in await stream
        async with asyncio.timeout(30):
            while "settlement_stranded" not in tk.lines.text():
                await asyncio.sleep(0.01)
        assert 503 == await _status(tk)
        server.signal(signal.SIGCONT)
        await _charged_once(tk)


@pytest.mark.parametrize("kind", KINDS[:1])
async def test_a_store_that_was_emptied_admits_nobody_and_what_ran_is_charged_as_debt(
    tmp_path: Path, kind: str
) -> None:
    async with _gateway(tmp_path, kind) as (tk, server, _):
        stream = await stream_of(tk, TOKENS, delay_ms=20)
        server.ask("FLUSHALL")
        assert 401 == await _status(tk)
        assert b"[DONE]" in await stream
        await _charged_once(tk)
        balance = await tk.balance()
        assert (0, balance.charged_ucr) == (balance.granted_ucr, balance.debt_ucr)
        assert ["late"] == [entry.kind for entry in await tk.ledger.events(tk.account)]
        assert 401 == await _status(tk)
        assert 1 == tk.provider.journal.total
