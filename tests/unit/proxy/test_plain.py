"""A connection of plain calls: bodies in pieces, requests ahead of their turn, the rest."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from gateway.errors import BadCall, BodyTooLarge, ClientLeft
from gateway.proxy import plain
from gateway.proxy.plain import HELD_BYTES_MAX, PlainConnection, PlainRequest

MEGABYTE = 2**20


def request(body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"POST /v1/x?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (size, body)


class Lane:
    """Keeps the requests that were begun, and what was given away."""

    def __init__(self) -> None:
        self.begun: list[PlainRequest] = []
        self.given = Mock()
        self.open: set[PlainConnection] = set()

    def opened(self, connection: PlainConnection) -> None:
        self.open.add(connection)

    def lost(self, connection: PlainConnection) -> None:
        self.open.discard(connection)

    def takes(self, path: str) -> bool:
        return not path.startswith("/metering")

    def start(self, connection: PlainConnection, request: PlainRequest) -> None:  # noqa: ARG002
        self.begun.append(request)

    def other(self, connection: PlainConnection) -> Any:  # noqa: ARG002
        return self.given


class Transport(Mock):
    """A socket that is open until it is closed."""

    reading = True
    closed = False

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 1) if name == "peername" else Mock()

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        assert not self.closed
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.closed
        self.reading = True


def connected() -> tuple[PlainConnection, Lane, Transport]:
    lane, transport = Lane(), Transport()
    connection = PlainConnection(lane, body_timeout_s=0.05)
    connection.connection_made(transport)
    return connection, lane, transport


async def test_a_call_is_begun_with_its_head_and_has_its_body_however_it_comes():
    connection, lane, _ = connected()
    connection.data_received(request(b"{", length=4))
    [asked] = lane.begun
    assert ("/v1/x", "a=b", {"a": "b"}) == (asked.path, asked.query_string, dict(asked.query))
    assert "192.0.2.1" == asked.address
    body = asyncio.ensure_future(asked.body(bytes_max=4))
    await asyncio.sleep(0)
    connection.data_received(b"ab")
    connection.data_received(b"}")

    assert b"{ab}" == await body


async def test_calls_behind_one_another_wait_for_their_turn():
    connection, lane, transport = connected()
    connection.data_received(request(b"1") + request(b"2") + request(b"3"))

    for number in (b"1", b"2", b"3"):
        assert number == await lane.begun[-1].body(bytes_max=9)
        assert connection.serving
        connection.ended(keep_open=True)
    assert 3 == len(lane.begun)
    assert not connection.serving
    assert not transport.closed


@pytest.mark.parametrize(
    "other", [b"GET / HTTP/1.1\r\n\r\n", request(b"{}").replace(b"/v1", b"/metering"), b"POST /v"]
)
async def test_what_is_no_plain_call_is_given_away_as_it_came(other: bytes):
    connection, lane, transport = connected()
    connection.data_received(request(b"{}") + other)
    lane.given.data_received.assert_not_called()
    connection.ended(keep_open=True)

    transport.set_protocol.assert_called_once_with(lane.given)
    lane.given.connection_made.assert_called_once_with(transport)
    lane.given.data_received.assert_called_once_with(other)
    assert connection.transport is None
    assert not transport.closed


async def test_of_what_nobody_reads_little_is_taken():
    """Of a body before it is asked for, and of requests behind one that is being answered."""
    connection, lane, transport = connected()
    connection.data_received(request(b"a" * (HELD_BYTES_MAX + 1), length=MEGABYTE))
    assert not transport.reading
    body = asyncio.ensure_future(lane.begun[0].body(bytes_max=MEGABYTE))
    await asyncio.sleep(0)
    assert transport.reading
    connection.data_received(b"a" * (MEGABYTE - HELD_BYTES_MAX - 1))
    assert MEGABYTE == len(await body)
    connection.data_received(request(b"b" * HELD_BYTES_MAX))
    assert not transport.reading
    connection.ended(keep_open=True)
    assert transport.reading
    assert 2 == len(lane.begun)


async def test_a_body_is_bounded_in_size_and_time():
    connection, lane, transport = connected()
    connection.data_received(request(b"", length=10))
    with pytest.raises(BodyTooLarge):
        await lane.begun[0].body(bytes_max=9)
    with pytest.raises(BadCall, match="did not arrive"):
        await lane.begun[0].body(bytes_max=10)
    assert not transport.closed


async def test_a_client_that_leaves_is_no_fault_whether_its_body_was_there_or_not():
    connection, lane, _ = connected()
    connection.data_received(request(b"{}"))
    connection.connection_lost(None)
    with pytest.raises(ClientLeft):
        await lane.begun[0].body(bytes_max=2)
    connection, lane, _ = connected()
    connection.data_received(request(b"{", length=2))
    body = asyncio.ensure_future(lane.begun[0].body(bytes_max=2))
    await asyncio.sleep(0)
    connection.connection_lost(None)
    with pytest.raises(BadCall, match="broke off"):
        await body
    assert not lane.open
    connection.ended(keep_open=True)


async def test_a_body_that_nobody_wanted_is_read_to_its_end_before_the_next_call():
    connection, lane, transport = connected()
    connection.data_received(request(b"", length=3))
    connection.ended(keep_open=True)
    connection.data_received(b"12")
    assert 1 == len(lane.begun)
    connection.data_received(b"3" + request(b"{}"))

    assert b"{}" == await lane.begun[1].body(bytes_max=2)
    assert not transport.closed


async def test_a_body_that_nobody_wanted_and_that_does_not_end_closes(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(plain, "LINGER_S", 0.01)
    connection, _, transport = connected()
    connection.data_received(request(b"", length=3))
    connection.ended(keep_open=True)
    assert not transport.closed
    await asyncio.sleep(0.05)
    assert transport.closed


async def test_the_last_answer_closes_and_a_closed_connection_begins_nothing():
    connection, lane, transport = connected()
    connection.data_received(request(b"{}"))
    connection.close()
    assert not transport.closed
    connection.ended(keep_open=True)
    assert transport.closed
    connection.data_received(request(b"{}"))
    assert 1 == len(lane.begun)
    idle, _, transport = connected()
    idle.close()
    assert transport.closed


async def test_a_writer_waits_for_its_client_and_hears_that_it_left():
    connection, _, _ = connected()
    await connection.drain()
    connection.pause_writing()
    first, second = (asyncio.ensure_future(connection.drain()) for _ in range(2))
    await asyncio.sleep(0)
    assert not first.done()
    connection.resume_writing()
    await asyncio.gather(first, second)
    connection.pause_writing()
    third = asyncio.ensure_future(connection.drain())
    await asyncio.sleep(0)
    connection.connection_lost(None)
    with pytest.raises(ConnectionError):
        await third
    with pytest.raises(ConnectionError):
        await connection.drain()
