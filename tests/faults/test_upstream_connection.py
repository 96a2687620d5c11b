"""A provider that fails in each phase of an exchange: what the caller of the pool gets to see."""

import asyncio
import contextlib
import socket

import pytest
from support.full_listener import full_listener
from support.loops import on_every_loop
from support.raw_server import RawServer

from gateway.errors import UpstreamFailed, UpstreamTimeout
from gateway.proxy.pool import Origin, Pool, PoolSettings

OK = b"HTTP/1.1 200 OK\r\n"
SETTINGS = PoolSettings(
    connect_timeout_s=2.0, first_byte_timeout_s=0.1, idle_timeout_s=0.1, keepalive_s=5.0
)

BEFORE_THE_HEAD = [b"", b"HTTP/1.1 2", OK + b"Content-Le", b"HTTP/1.1 103 Hints\r\n\r\n"]
WITHIN_THE_BODY = [
    OK + b"Content-Length: 9\r\n\r\n",
    OK + b"Content-Length: 9\r\n\r\nhello",
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
]


@contextlib.asynccontextmanager
async def swept_pool(server):
    """A pool that is swept as a worker would."""

    async def sweep():
        while True:
            await asyncio.sleep(0.02)
            pool.sweep()

    pool = Pool(Origin.parse(server.url), SETTINGS)
    sweeping = asyncio.ensure_future(sweep())
    yield pool
    sweeping.cancel()
    await asyncio.wait([sweeping])
    await pool.close()


async def ask(pool):
    return await pool.request("POST", "/x", fields=b"Content-Length: 2\r\n", body=b"hi")


async def read(answer):
    got = []
    answer.relay_to(got.append)
    with contextlib.suppress(UpstreamFailed):
        await answer.ended
    return b"".join(got), answer.ended.exception()


def breaking(sent, how):
    async def script(peer):
        await peer.request()
        await peer.send(sent)
        how(peer)
        await peer.gone()

    return script


def reset(peer):
    peer.reset()


def half_close(peer):
    peer.half_close()


def close(peer):
    peer.close()


@on_every_loop
@pytest.mark.parametrize("how", [reset, half_close, close])
@pytest.mark.parametrize("sent", BEFORE_THE_HEAD)
async def test_a_provider_that_breaks_off_before_its_head_failed(sent, how):
    async with RawServer(breaking(sent, how)) as server, swept_pool(server) as pool:
        with pytest.raises(UpstreamFailed) as caught:
            await ask(pool)

        assert caught.value.status == 502
        assert server.connections == 1


@on_every_loop
@pytest.mark.parametrize("how", [reset, half_close, close])
@pytest.mark.parametrize("sent", WITHIN_THE_BODY)
async def test_a_provider_that_breaks_off_within_its_body_never_ends_cleanly(sent, how):
    async with RawServer(breaking(sent, how)) as server, swept_pool(server) as pool:
        answer = await ask(pool)
        body, error = await read(answer)

        assert b"hello".startswith(body)
        assert type(error) is UpstreamFailed
        assert pool.idle_count == 0


@on_every_loop
async def test_a_reset_breaks_even_a_body_that_ends_with_the_connection():
    async with (
        RawServer(breaking(OK + b"\r\nhello", reset)) as server,
        swept_pool(server) as pool,
    ):
        _, error = await read(await ask(pool))

        assert type(error) is UpstreamFailed


@on_every_loop
@pytest.mark.parametrize("sent", BEFORE_THE_HEAD)
async def test_a_provider_that_never_finishes_its_head_times_out(sent):
    async with RawServer(breaking(sent, lambda _: None)) as server, swept_pool(server) as pool:
        with pytest.raises(UpstreamTimeout):
            await ask(pool)


@on_every_loop
async def test_a_head_that_trickles_does_not_extend_its_deadline():
    async def script(peer):
        await peer.request()
        for byte in OK * 100:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.02)

    async with RawServer(script) as server, swept_pool(server) as pool:
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(ask(pool), 2)


@on_every_loop
@pytest.mark.parametrize("sent", WITHIN_THE_BODY)
async def test_a_body_that_stands_still_times_out(sent):
    async with RawServer(breaking(sent, lambda _: None)) as server, swept_pool(server) as pool:
        _, error = await read(await ask(pool))

        assert type(error) is UpstreamTimeout
        assert pool.idle_count == 0


@on_every_loop
async def test_a_slow_body_goes_on_as_long_as_something_comes():
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 20\r\n\r\n")
        for _ in range(20):
            await asyncio.sleep(0.02)
            await peer.send(b"x")

    async with RawServer(script) as server, swept_pool(server) as pool:
        assert (b"x" * 20, None) == await read(await ask(pool))


@on_every_loop
async def test_a_paused_answer_is_not_idle():
    async def script(peer):
        await peer.request()
        await peer.send(OK + b"Content-Length: 5\r\n\r\nhel", b"lo")
        await peer.gone()

    async with RawServer(script) as server, swept_pool(server) as pool:
        answer = await ask(pool)
        answer.pause()
        await asyncio.sleep(3 * SETTINGS.idle_timeout_s)
        answer.resume()

        assert (b"hello", None) == await read(answer)


@on_every_loop
async def test_a_malformed_answer_fails_and_quotes_nothing_of_it():
    secret = b"HTTP/1.1 200 OK\r\nX: sk-secret\0\r\n\r\n"
    async with RawServer(breaking(secret, lambda _: None)) as server, swept_pool(server) as pool:
        with pytest.raises(UpstreamFailed) as caught:
            await ask(pool)

        assert "malformed" in caught.value.message
        assert "secret" not in str(caught.value) + repr(caught.value.__cause__)


@on_every_loop
async def test_a_broken_chunk_after_good_ones_delivers_the_good_ones_and_fails():
    raw = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
    async with RawServer(breaking(raw, lambda _: None)) as server, swept_pool(server) as pool:
        body, error = await read(await ask(pool))

        assert (b"hello", UpstreamFailed) == (body, type(error))


@on_every_loop
async def test_an_endless_head_is_cut_at_its_bound():
    sent = 0

    async def script(peer):
        nonlocal sent
        await peer.request()
        await peer.send(OK)
        while True:
            await peer.send(b"X-Flood: " + b"x" * 1000 + b"\r\n")
            sent += 1000

    async with RawServer(script) as server, swept_pool(server) as pool:
        with pytest.raises(UpstreamFailed, match="65536"):
            await ask(pool)
        assert sent < 1_000_000


@on_every_loop
async def test_a_provider_that_refuses_connections_failed():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        origin = Origin(scheme="http", host="127.0.0.1", port=unused.getsockname()[1])
        pool = Pool(origin, SETTINGS)
        with pytest.raises(UpstreamFailed, match="reached"):
            await ask(pool)
        await pool.close()


@on_every_loop
async def test_calls_waiting_behind_a_refused_connection_hear_of_it_at_once():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        origin = Origin(scheme="http", host="127.0.0.1", port=unused.getsockname()[1])
        pool = Pool(origin, PoolSettings(connections_max=1))
        outcomes = await asyncio.gather(*[ask(pool) for _ in range(5)], return_exceptions=True)
        await pool.close()

    assert [UpstreamFailed] * 5 == [type(outcome) for outcome in outcomes]


@on_every_loop
async def test_a_provider_that_accepts_no_connection_times_out():
    with full_listener() as port:
        origin = Origin(scheme="http", host="127.0.0.1", port=port)
        pool = Pool(origin, PoolSettings(connect_timeout_s=0.1))
        with pytest.raises(UpstreamTimeout):
            await ask(pool)
        assert pool._connecting == 0
        await pool.close()


@on_every_loop
async def test_a_provider_that_does_not_speak_tls_failed():
    async def script(peer):
        await peer.gone()

    async with RawServer(script) as server:
        origin = Origin(scheme="https", host="localhost", port=server.port)
        pool = Pool(origin, PoolSettings(connect_timeout_s=0.1))
        with pytest.raises(UpstreamTimeout):
            await ask(pool)
        await pool.close()

    async with RawServer(breaking(b"HTTP/1.1 400 Bad\r\n\r\n", close)) as server:
        origin = Origin(scheme="https", host="localhost", port=server.port)
        pool = Pool(origin, PoolSettings(connect_timeout_s=0.2))
        with pytest.raises(UpstreamFailed):
            await ask(pool)
        await pool.close()
