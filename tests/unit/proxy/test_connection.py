"""One connection on a real socket, on both event loops: an answer, its body, its back-pressure."""

import asyncio
import gc
import socket
import weakref
from contextlib import asynccontextmanager, suppress

import pytest
from support.garbage import left_by
from support.loops import on_every_loop
from support.raw_server import RawServer, answering

from gateway.errors import UpstreamFailed
from gateway.proxy.answer import EARLY_BYTES_MAX
from gateway.proxy.connection import Connection, Unanswered
from gateway.proxy.pool import PoolSettings

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"X-a: 1\r\nx-A: 2\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

RESPONSES = {
    "length": HELLO,
    "chunked": CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n",
    "until close": OK + b"\r\nhello",
    "after hints": b"HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n" + HELLO,
}
REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"


class Owner:
    """Writes down what becomes of connections."""

    def __init__(self):
        self.released_count = 0
        self.gone = asyncio.Event()

    def opened(self, _):
        pass

    def released(self, _):
        self.released_count += 1

    def lost(self, _):
        self.gone.set()


@asynccontextmanager
async def connected(script, **settings):
    """A running script and a connection to it."""
    owner = Owner()
    async with RawServer(script) as server:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(PoolSettings(**settings), owner), "localhost", server.port
        )
        yield connection, owner
        connection.close()
        await asyncio.wait_for(owner.gone.wait(), 5)


async def ask(connection, body=b"question", *, head_only=False):
    return await connection.exchange(REQUEST % len(body), body, head_only=head_only)


async def body_of(answer):
    got = []
    answer.relay_to(got.append)
    await answer.ended
    return b"".join(got)


@on_every_loop
async def test_an_answer_has_its_head_as_sent_and_its_body():
    async with connected(answering(HELLO)) as (connection, owner):
        answer = await ask(connection)

        assert (200, "OK") == (answer.status, answer.reason)
        assert answer.headers == [(b"X-a", b"1"), (b"x-A", b"2"), (b"Content-Length", b"5")]
        assert await body_of(answer) == b"hello"
        assert owner.released_count == 1


@pytest.mark.parametrize("case", RESPONSES)
@on_every_loop
async def test_the_body_is_the_same_wherever_the_bytes_are_cut(case):
    raw = RESPONSES[case]
    cuts = iter([(raw[:cut], raw[cut:]) for cut in range(1, len(raw))])

    async def script(peer):
        while await peer.request():
            await peer.send(*next(cuts))
            if case == "until close":
                return

    async with RawServer(script) as server:
        connection = None
        for _ in range(1, len(raw)):
            if connection is None or connection.closed:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(PoolSettings(), Owner()), "localhost", server.port
                )
            answer = await ask(connection)
            assert (200, b"hello") == (answer.status, await body_of(answer))
        connection.close()
        assert server.connections == (len(raw) - 1 if case == "until close" else 1)


@on_every_loop
async def test_each_read_of_the_socket_is_one_call_of_the_sink():
    async def script(peer):
        await peer.request()
        await peer.send(CHUNKED)
        await asked.wait()
        await peer.send(b"1\r\na\r\n1\r\nb\r\n", b"1\r\nc\r\n", b"0\r\n\r\n")

    asked = asyncio.Event()
    async with connected(script) as (connection, _):
        answer = await ask(connection)
        got = []
        answer.relay_to(got.append)
        asked.set()
        await answer.ended

        assert got == [b"ab", b"c"]


@on_every_loop
async def test_what_came_before_the_sink_is_handed_over_at_once():
    async with connected(answering(HELLO)) as (connection, _):
        answer = await ask(connection)
        await answer.ended
        got = []

        answer.relay_to(got.append)

        assert got == [b"hello"]


@on_every_loop
async def test_the_request_arrives_as_written_small_or_large():
    got = []

    async def script(peer):
        while request := await peer.request():
            got.append(request)
            await peer.send(HELLO)

    bodies = [b"", b"x" * 1000, b"y" * 3_000_000]
    async with connected(script) as (connection, _):
        for body in bodies:
            await body_of(await ask(connection, body))

    assert got == [REQUEST % len(body) + body for body in bodies]


@on_every_loop
async def test_the_answer_to_head_has_no_body_and_the_connection_goes_on():
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 5\r\n\r\n")
        await peer.request()
        await peer.send(HELLO)

    async with connected(script) as (connection, _):
        answer = await ask(connection, b"", head_only=True)
        assert answer.headers == [(b"Content-Length", b"5")]
        assert await body_of(answer) == b""
        assert await body_of(await ask(connection)) == b"hello"


@on_every_loop
async def test_an_answer_that_overtakes_its_request_is_taken_and_the_connection_dropped():
    async def script(peer):
        # Answers while most of the request is still in the client's buffers.
        await peer.send(HELLO.replace(b"200 OK", b"413 Large"))
        await peer.gone()

    async with connected(script) as (connection, owner):
        answer = await ask(connection, b"x" * 32_000_000)
        assert (413, b"hello") == (answer.status, await body_of(answer))
        assert (True, 0) == (connection.closed, owner.released_count)


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"H", b"\0"]
)
@on_every_loop
async def test_surplus_bytes_drop_the_connection(surplus):
    async with connected(answering(HELLO + surplus)) as (connection, owner):
        assert await body_of(await ask(connection)) == b"hello"
        await asyncio.wait_for(owner.gone.wait(), 5)

        assert owner.released_count == 0


@on_every_loop
async def test_bytes_nobody_asked_for_drop_the_idle_connection():
    async def script(peer):
        await peer.request()
        await peer.send(HELLO, b"\r\n")
        await peer.gone()

    async with connected(script) as (connection, owner):
        assert await body_of(await ask(connection)) == b"hello"
        await asyncio.wait_for(owner.gone.wait(), 5)
        with pytest.raises(Unanswered):
            await ask(connection)


async def fill(peer, body_bytes):
    """Send a head and so much body, without waiting for a client that does not read."""
    await peer.request()
    await peer.send(OK + b"Content-Length: %d\r\n\r\n" % body_bytes)
    peer.push(b"x" * body_bytes)


async def stuck(peer):
    """Wait until the peer cannot send any more."""
    previous = -1
    while peer.unsent_bytes != previous:
        previous = peer.unsent_bytes
        await asyncio.sleep(0.05)
    return previous


@on_every_loop
async def test_pausing_stops_the_provider_and_resuming_brings_the_rest():
    body_bytes = 40_000_000
    unsent = asyncio.get_running_loop().create_future()

    async def script(peer):
        await fill(peer, body_bytes)
        unsent.set_result(await stuck(peer))
        await peer.gone()

    async with connected(script) as (connection, _):
        answer = await ask(connection)
        got = 0

        def sink(data):
            nonlocal got
            if not got:
                answer.pause()
            got += len(data)

        answer.relay_to(sink)
        assert await unsent > body_bytes / 2
        paused_at = got
        assert paused_at < 1_000_000
        answer.resume()
        await answer.ended
        assert got == body_bytes


@on_every_loop
async def test_without_a_sink_only_a_bounded_part_of_the_body_is_read():
    body_bytes = 40_000_000
    unsent = asyncio.get_running_loop().create_future()

    async def script(peer):
        await fill(peer, body_bytes)
        unsent.set_result(await stuck(peer))
        await peer.gone()

    async with connected(script) as (connection, _):
        answer = await ask(connection)
        assert await unsent > body_bytes / 2
        # One read may have been under way when the bound was reached.
        assert sum(map(len, answer._early)) <= 2 * EARLY_BYTES_MAX
        assert len(await body_of(answer)) == body_bytes


@on_every_loop
async def test_a_pause_asked_for_before_the_sink_holds_until_resumed():
    paused = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(CHUNKED)
        await paused.wait()
        await peer.send(b"5\r\nhello\r\n0\r\n\r\n")
        sent.set()
        await peer.gone()

    sent = asyncio.Event()
    async with connected(script) as (connection, _):
        answer = await ask(connection)
        answer.pause()
        got = []
        answer.relay_to(got.append)
        paused.set()
        await sent.wait()
        assert got == []
        answer.resume()
        await answer.ended
        assert got == [b"hello"]


@on_every_loop
async def test_a_connection_paused_at_the_end_reads_again_for_the_next_exchange():
    async with connected(answering(HELLO)) as (connection, _):
        for _ in range(3):
            answer = await ask(connection)
            answer.pause()
            assert await body_of(answer) == b"hello"


@on_every_loop
async def test_cancel_closes_within_a_turn_of_the_loop_and_silences_the_sink():
    noticed = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(CHUNKED + b"5\r\nhello\r\n")
        await peer.gone()
        noticed.set()

    async with connected(script) as (connection, owner):
        answer = await ask(connection)
        got = []
        answer.relay_to(got.append)
        answer.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert connection.closed
        assert owner.gone.is_set()
        with pytest.raises(UpstreamFailed):
            await answer.ended
        await asyncio.wait_for(noticed.wait(), 1)


@on_every_loop
async def test_a_sink_may_cancel_while_it_is_being_called():
    async with connected(answering(CHUNKED, b"1\r\na\r\n", b"1\r\nb\r\n")) as (connection, owner):
        answer = await ask(connection)
        got = []

        def sink(data):
            got.append(data)
            answer.cancel()

        answer.relay_to(sink)
        await asyncio.wait_for(owner.gone.wait(), 5)
        assert got in ([b"a"], [b"ab"])


@on_every_loop
async def test_what_a_sink_raises_comes_out_of_ended():
    sinking = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(CHUNKED)
        await sinking.wait()
        await peer.send(b"1\r\na\r\n")
        await peer.gone()

    def sink(_):
        raise LookupError("the sink's own")

    async with connected(script) as (connection, owner):
        answer = await ask(connection)
        answer.relay_to(sink)
        sinking.set()
        with pytest.raises(LookupError):
            await answer.ended
        await asyncio.wait_for(owner.gone.wait(), 5)


@on_every_loop
async def test_cancelling_while_the_head_is_awaited_closes_the_connection():
    async def script(peer):
        await peer.request()
        await peer.gone()

    async with connected(script) as (connection, owner):
        waiting = asyncio.ensure_future(ask(connection))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(owner.gone.wait(), 5)


@on_every_loop
async def test_ended_survives_the_cancellation_of_a_task_that_awaited_it():
    released = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(CHUNKED)
        await released.wait()
        await peer.send(b"0\r\n\r\n")

    async def wait_for_the_end(answer):
        await answer.ended

    async with connected(script) as (connection, _):
        answer = await ask(connection)
        waiting = asyncio.ensure_future(wait_for_the_end(answer))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        released.set()
        await answer.ended


@on_every_loop
async def test_a_broken_answer_that_nobody_looks_at_makes_no_noise():
    async def script(peer):
        await peer.request()
        await peer.send(CHUNKED + b"zz\r\n")

    async with connected(script) as (connection, owner):
        answer = await ask(connection)
        _ = answer.ended
        await asyncio.wait_for(owner.gone.wait(), 5)


@on_every_loop
async def test_small_writes_are_not_delayed():
    async with connected(answering(HELLO)) as (connection, _):
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@on_every_loop
async def test_a_finished_answer_keeps_no_connection_alive():
    async with connected(answering(HELLO)) as (connection, _):
        answer = await ask(connection)
        await body_of(answer)

        assert answer._source is None


@pytest.mark.parametrize("raw", [HELLO, HELLO[:-1]], ids=["complete", "broken off"])
async def test_an_answer_that_is_over_lets_go_of_whoever_took_it(raw):
    """It would be garbage only the collector finds, and the whole call with it."""

    class Taker:
        def take(self, data):
            self.data = data

    async def script(peer):
        await peer.request()
        await peer.send(raw)

    async with connected(script) as (connection, _):
        answer, taker = await ask(connection), Taker()
        taker.answer = answer
        answer.relay_to(taker.take)
        await asyncio.wait((answer.ended,))
        answer.ended.exception()

        gone = weakref.ref(taker)
        gc.disable()
        try:
            del answer, taker
            await asyncio.sleep(0)
            assert gone() is None
        finally:
            gc.enable()


async def _resets(peer):
    await peer.request()
    peer.reset()


ENDS = {
    "closes": answering(OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello"),
    "is kept": answering(HELLO),
    "breaks off": answering(CHUNKED + b"2\r\nhe\r\nzz"),
    "resets": _resets,
    "talks nonsense": answering(b"nonsense\r\n\r\n"),
}


@on_every_loop
@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)
async def test_a_connection_that_is_over_waits_for_no_collection(script):
    async def one():
        async with connected(script) as (connection, _):
            with suppress(UpstreamFailed):
                answer = await ask(connection)
                answer.relay_to([].append)
                # As the relay does: what was never raised knows nobody.
                await asyncio.wait((answer.ended,))
        await asyncio.sleep(0)

    assert [] == await left_by(one, of=("gateway", "httptools"))
