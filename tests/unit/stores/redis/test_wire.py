"""The connection, against a server that answers what the test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hiredis import Reader

from gateway.errors import GatewayError, StoreUnavailable
from gateway.stores.redis.lua import BALANCE
from gateway.stores.redis.wire import PENDING_MAX, Wire, bulk


class Peer:
    """Collects the commands that came, and the reads they came in; answers by hand."""

    def __init__(self) -> None:
        self.commands: asyncio.Queue[list[bytes]] = asyncio.Queue()
        self.reads: list[int] = []
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer, parser = writer, Reader()
        while data := await reader.read(2**20):
            parser.feed(data)
            count = 0
            while (command := parser.gets()) is not False:
                self.commands.put_nowait(command)
                count += 1
            self.reads.append(count)
        writer.close()

    def answer(self, reply: bytes) -> None:
        assert self.writer is not None
        self.writer.write(reply)


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_unix_server(peer.serve, str(tmp_path / "s"))
    yield peer
    server.close()
    await server.wait_closed()


class Lost(asyncio.Event):
    """Set when the wire says its connection is gone."""


@pytest.fixture
def lost() -> Lost:
    return Lost()


@pytest.fixture
async def wire(peer: Peer, lost: Lost, tmp_path: Path) -> AsyncIterator[Wire]:
    wire = Wire(timeout_s=0.1, lost=lost.set)
    await asyncio.get_running_loop().create_unix_connection(lambda: wire, str(tmp_path / "s"))
    yield wire
    wire.abort()
    await lost.wait()


def raw(reply: object) -> object:
    return reply


async def test_calls_of_one_turn_leave_in_one_write_and_in_order(wire: Wire, peer: Peer) -> None:
    futures = [wire.command(("ECHO", number), raw) for number in range(100)]
    for number in range(100):
        assert [b"ECHO", b"%d" % number] == await peer.commands.get()
        peer.answer(b":%d\r\n" % number)

    assert list(range(100)) == await asyncio.gather(*futures)
    assert [100] == peer.reads


async def test_a_reply_may_come_in_any_pieces(wire: Wire, peer: Peer) -> None:
    future = wire.command(("GET", "x"), raw)
    await peer.commands.get()
    for byte in b"*2\r\n:7\r\n$3\r\nabc\r\n":
        peer.answer(bytes([byte]))
        await asyncio.sleep(0)

    assert [7, b"abc"] == await future


async def test_a_forgotten_script_is_sent_whole_and_only_then(wire: Wire, peer: Peer) -> None:
    future = wire.run(BALANCE, (3, b"".join(map(bulk, (1, "key", "argument")))), raw)
    assert [b"EVALSHA", BALANCE.digest, b"1", b"key", b"argument"] == await peer.commands.get()
    peer.answer(b"-NOSCRIPT No matching script.\r\n")
    assert [b"EVAL", BALANCE.body, b"1", b"key", b"argument"] == await peer.commands.get()
    peer.answer(b":1\r\n")

    assert 1 == await future


async def test_an_answer_too_late_is_not_taken_for_anothers(wire: Wire, peer: Peer) -> None:
    with pytest.raises(StoreUnavailable):
        await wire.command(("FIRST",), raw)
    assert wire.stalled
    peer.answer(b":1\r\n")
    while wire.stalled:
        await asyncio.sleep(0)
    second = wire.command(("SECOND",), raw)
    peer.answer(b":2\r\n")

    assert 2 == await second


async def test_a_stalled_wire_refuses_at_once(wire: Wire, peer: Peer) -> None:
    with pytest.raises(StoreUnavailable):
        await wire.command(("FIRST",), raw)

    refused = wire.command(("SECOND",), raw)

    assert isinstance(refused.exception(), StoreUnavailable)
    assert 1 == peer.commands.qsize()


async def test_waiting_calls_are_bounded(wire: Wire) -> None:
    futures = [wire.command(("PING",), raw) for _ in range(PENDING_MAX)]

    refused = wire.command(("PING",), raw)

    assert isinstance(refused.exception(), StoreUnavailable)
    assert not any(future.done() for future in futures)
    await asyncio.gather(*futures, return_exceptions=True)


async def test_a_broken_connection_fails_what_waits(wire: Wire, peer: Peer, lost: Lost) -> None:
    future = wire.command(("PING",), raw)
    await peer.commands.get()
    assert peer.writer is not None
    peer.writer.close()

    with pytest.raises(StoreUnavailable):
        await future
    await lost.wait()
    assert isinstance(wire.command(("PING",), raw).exception(), StoreUnavailable)


@pytest.mark.parametrize("reply", [b"what is this\r\n", b":1\r\n:2\r\n"])
async def test_a_peer_that_breaks_the_protocol_is_hung_up_on(
    wire: Wire, peer: Peer, lost: Lost, reply: bytes
) -> None:
    """Bytes that are no reply, and a reply nobody asked for."""
    future = wire.command(("PING",), raw)
    await peer.commands.get()
    peer.answer(reply)

    await lost.wait()

    assert future.done()
    future.exception()


async def test_an_error_reply_fails_its_call_only(wire: Wire, peer: Peer) -> None:
    bad, good = wire.run(BALANCE, (1, bulk(0)), raw), wire.command(("PING",), raw)
    await peer.commands.get()
    peer.answer(b"-ERR broken\r\n:1\r\n")

    with pytest.raises(GatewayError, match="balance"):
        await bad
    assert 1 == await good


async def test_a_reply_that_cannot_be_decoded_fails_its_call_only(wire: Wire, peer: Peer) -> None:
    def strange(_: object) -> object:
        raise ValueError("strange")

    bad, good = wire.command(("PING",), strange), wire.command(("PING",), raw)
    await peer.commands.get()
    peer.answer(b":1\r\n:2\r\n")

    with pytest.raises(ValueError, match="strange"):
        await bad
    assert 2 == await good
